"""DepthLM against outputs of the published code, on checkpoints of the published formats."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.models.runtime import image_patches
from depthlm_ros.prompting.prompts import prompt

FAMILIES = ("qwen", "pixtral")
QUERIES = (0, 3, 9, 18)


class _Said:
    def __init__(self, ids):
        self.ids = ids


@pytest.fixture(scope="module", params=FAMILIES)
def case(request, reference_checkpoint, reference_values):
    """Return (model, arrays of the published code) of a family."""
    model = registry.load(str(reference_checkpoint(f"depthlm_{request.param}_tiny")), "cpu")
    return model, reference_values(f"depthlm_{request.param}_seed1")


@pytest.fixture(scope="module")
def questions(pytestconfig):
    """Return index -> (rgb, camera, pixel) of the reference images' points, in file order."""
    folder = pytestconfig.rootpath / "test" / "data" / "reference" / "images"
    rows = [json.loads(line) for line in (folder / "points.jsonl").read_text().splitlines()]
    asked = []
    for row in rows:
        rgb = np.asarray(Image.open(folder / row["image"]).convert("RGB"))
        fx, fy, cx, cy, width, height = row["intrinsics"]
        camera = PinholeCamera(fx, fy, cx, cy, width, height)
        asked += [(rgb, camera, pixel) for pixel in row["pixel_coords"]]
    return asked


def _row(values, index):
    return next(r for r in json.loads(str(values["meta"]))["rows"] if r["index"] == index)


def _marked(model, asked):
    rgb, camera, pixel = asked
    view = model.view_of(camera)
    placed = pre.place_in_view(model.marker, pixel, view, model.path, "refuse")
    picture = image_patches.resize(pre.upload(rgb, torch.device("cpu")), view.width, view.height)
    return pre.mark(picture, model.marker, [placed]), placed


@torch.inference_mode()
def _forced_logits(model, patches, grid, values, index):
    """Return the logits that predict each token of the reference's forced reply, and one more."""
    network = model.network
    layout = network.layout(prompt().question, (grid,))
    said = _Said(torch.from_numpy(values[f"{index}_forced_ids"].astype(np.int64)))
    features = network.features(patches, grid)
    hidden = network.read(layout.ids[None], layout, features, said).hidden
    return network.model.lm_head(hidden[0, : len(said.ids)]).numpy()


@pytest.mark.parametrize("index", QUERIES)
def test_size_pixel_and_marker(case, questions, index):
    model, values = case
    row = _row(values, index)
    marked, placed = _marked(model, questions[index])
    x, y = placed.target
    assert [marked.shape[2], marked.shape[1]] == row["size"]
    assert [x, y] == row["pixel"]
    marked = marked[0].numpy().astype(int)
    near = values[f"{index}_marked_near"].astype(int)
    assert np.abs(marked[::8] - values[f"{index}_marked_rows"]).max() <= 2
    mine = marked[y - 12 : y + 13, x - 12 : x + 13]
    assert np.abs(mine - near).max() <= 2
    red = (near == (255, 0, 0)).all(axis=2)
    assert red.sum() == 9
    assert np.array_equal((mine == (255, 0, 0)).all(axis=2), red)


@pytest.mark.parametrize("index", QUERIES)
def test_prompt_and_forced_logits_from_our_own_preprocessing(case, questions, index):
    model, values = case
    marked, _ = _marked(model, questions[index])
    patches, grid = pre.patches_of(marked, model.path, torch.float32)
    layout = model.network.layout(prompt().question, (grid,))
    assert np.array_equal(layout.ids, values[f"{index}_input_ids"])
    assert model.network.family.chat(prompt().question) == _row(values, index)["chat_text"]
    logits = _forced_logits(model, patches, grid, values, index)
    assert np.abs(logits - values[f"{index}_forced_logits"]).max() < 2e-2


def test_forced_logits_from_the_published_pixels(case, questions):
    model, values = case
    rgb, _, _ = questions[0]
    row = _row(values, 0)
    marked = np.array(Image.fromarray(rgb).resize(row["size"], Image.Resampling.BICUBIC))
    x, y = row["pixel"]
    for dx, dy in (
        (-1, 0),
        (-2, 0),
        (-3, 0),
        (-4, 0),
        (-5, 0),
        (-2, -1),
        (-2, 1),
        (-3, -2),
        (-3, 2),
    ):
        marked[y + dy, x + dx] = (255, 0, 0)
    size = model.path.fit(*row["size"])
    processed = np.array(Image.fromarray(marked).resize(size, Image.Resampling.BICUBIC))
    published = values["0_processed_rows"].astype(int)
    assert np.array_equal(processed[::8], published), "PIL makes the published pixels"
    pixels = torch.from_numpy(processed)[None]
    patches, grid = image_patches.to_patches(pixels, model.path.image)
    logits = _forced_logits(model, patches, grid, values, 0)
    assert np.abs(logits - values["0_forced_logits"]).max() < 1e-4


def test_another_marker_changes_the_logits(case, questions):
    model, values = case
    rgb, camera, pixel = questions[0]
    marked, _ = _marked(model, (rgb, camera, (pixel[0] + 40, pixel[1])))
    patches, grid = pre.patches_of(marked, model.path, torch.float32)
    logits = _forced_logits(model, patches, grid, values, 0)
    assert np.abs(logits - values["0_forced_logits"]).max() > 1e-4
