"""What the stock processor and the stock model make of a picture."""

import torch

from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.prompting.prompts import prompt


def stock_inputs(network, layout, seen):
    """Return what the stock processor would give the stock model for these pictures."""
    ids = layout.ids[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if network.family.axes == 3:
        twice = [p.view(-1, 3, 1, 196).expand(-1, -1, 2, -1).reshape(-1, 1176) for p, _ in seen]
        grids = torch.tensor([[1, *grid] for _, grid in seen])
        return {
            **inputs,
            "pixel_values": torch.cat(twice),
            "image_grid_thw": grids,
            "mm_token_type_ids": (ids == network.family.image_id).int(),
        }
    pixels = []
    for patches, (rows, columns) in seen:
        cut = patches.view(rows, columns, 3, 16, 16).permute(2, 0, 3, 1, 4)
        pixels.append(cut.reshape(3, rows * 16, columns * 16))
    sizes = torch.tensor([p.shape[1:] for p in pixels])
    return {**inputs, "pixel_values": torch.stack(pixels), "image_sizes": sizes}


@torch.inference_mode()
def stock_and_ours(model, rgb):
    """Return the last logits of a question about a picture, ours and the stock model's."""
    network, picture = model.network, torch.from_numpy(rgb)[None]
    patches, grid = pre.patches_of(picture, model.path, network.dtype)
    layout = network.layout(prompt().question, (grid,))
    read = network.read(layout.ids[None], layout, network.features(patches, grid), None)
    inputs = stock_inputs(network, layout, [(patches, grid)])
    stock = network.model(**inputs).logits[:, -1]
    return network.model.lm_head(read.hidden[:, -1]).float(), stock.float()
