"""The lean layers against the stock layers whose weights they use."""

import copy

import pytest
import torch
from transformers import DynamicCache, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from depthlm_ros.models.depthvlm.tiny import tiny_config
from depthlm_ros.models.runtime.fused_layers import (
    FusedDecoderLayer,
    FusedVisionBlock,
    fused_linear,
    rotary_tables,
    rotated,
)


def network(**text):
    torch.manual_seed(11)
    config = tiny_config()
    config["text_config"] |= text
    vlm = Qwen3VLForConditionalGeneration(Qwen3VLConfig.from_dict(config)).eval()
    for name, parameter in vlm.named_parameters():
        if "norm" in name or name.endswith("bias"):  # ones and zeros would hide a mix-up
            parameter.data += 0.2 * torch.randn_like(parameter)
    return vlm.requires_grad_(False)


def decoded(vlm, x, positions):
    """Run one sequence through the stock decoder layers and through lean ones."""
    model = vlm.model.language_model
    rotary = model.rotary_emb(x, positions)
    stock = x
    for layer in model.layers:
        stock = layer(stock, position_embeddings=rotary, attention_mask=None)
    lean, tables = x, rotary_tables(*(table[0] for table in rotary))
    for layer in [FusedDecoderLayer(layer) for layer in model.layers]:
        lean = layer(lean, tables)
    return stock, lean


@pytest.mark.parametrize(
    "text", [{}, {"num_attention_heads": 6, "num_key_value_heads": 2}, {"attention_bias": True}]
)
def test_decoder_layers(text):
    vlm = network(**text)
    x = torch.randn(2, 30, 192)
    stock, lean = decoded(vlm, x, torch.randint(0, 50, (3, 1, 30)))
    torch.testing.assert_close(lean, stock, rtol=1e-5, atol=1e-5)


def test_joined_weights_serve_the_stock_layers_too():
    vlm = network()
    ids = torch.randint(10, 400, (1, 12))
    before = vlm(ids).logits
    layers = [FusedDecoderLayer(layer) for layer in vlm.model.language_model.layers]
    assert torch.equal(vlm(ids).logits, before)
    attention = vlm.model.language_model.layers[0].self_attn
    shared = layers[0]._joined.keywords["weight"].untyped_storage().data_ptr()
    for part in (attention.q_proj, attention.k_proj, attention.v_proj):
        assert part.weight.untyped_storage().data_ptr() == shared


def test_the_cache_holds_what_the_stock_layers_would_put_there():
    vlm = network(num_key_value_heads=1)
    model, x = vlm.model.language_model, torch.randn(1, 9, 192)
    rotary = model.rotary_emb(x, torch.arange(9).expand(3, 1, 9))
    stock, lean = (DynamicCache(config=vlm.config.text_config) for _ in range(2))
    model.layers[0](x, position_embeddings=rotary, attention_mask=None, past_key_values=stock)
    FusedDecoderLayer(model.layers[0])(x, rotary_tables(*(table[0] for table in rotary)), lean)
    for ours, theirs in (
        (lean.layers[0].keys, stock.layers[0].keys),
        (lean.layers[0].values, stock.layers[0].values),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_vision_blocks_keep_images_apart():
    vlm = network()
    visual = vlm.model.visual
    x = torch.randn(3, 24, 128)
    cells = torch.randint(0, 9, (24, 2))
    rotary = visual.rotary_pos_emb(x, cells)
    lean = x
    for block in visual.blocks:
        lean = FusedVisionBlock(block)(lean, rotary_tables(*rotary))
    for image in range(3):
        stock = x[image]
        for block in visual.blocks:
            stock = block(stock, cu_seqlens=torch.tensor([0, 24]), position_embeddings=rotary)
        torch.testing.assert_close(lean[image], stock, rtol=1e-5, atol=1e-5)


def test_rotation_by_hand():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)  # pairs (1, 3) and (2, 4)
    angle = torch.tensor([0.5, 1.0, 0.5, 1.0])[None]
    turned = rotated(x, rotary_tables(angle.cos(), angle.sin()))[0, 0, 0]
    first, second = torch.complex(x[..., :2], x[..., 2:]).flatten() * torch.polar(
        torch.ones(2), angle[0, :2]
    )
    torch.testing.assert_close(
        turned, torch.stack([first.real, second.real, first.imag, second.imag])
    )


def test_bfloat16_errs_no_more_than_the_stock_layers():
    vlm = network()
    x, positions = torch.randn(1, 40, 192), torch.arange(40).expand(3, 1, 40)
    exact, _ = decoded(copy.deepcopy(vlm), x, positions)
    stock, lean = decoded(vlm.to(torch.bfloat16), x.bfloat16(), positions)
    assert (lean - exact).abs().mean() <= 1.1 * (stock - exact).abs().mean()


def test_what_was_joined_is_given_back_to_the_device(monkeypatch):
    """Once the layers have left their own memory: it fits no later block, so it would stay."""
    layers, moved = [torch.nn.Linear(6, width) for width in (4, 2)], []

    def empty_cache():
        moved.append([layer.weight.data_ptr() not in first for layer in layers])

    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    fused_linear(*layers)
    assert moved == []  # a CPU has no such cache
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: True))
    first = [layer.weight.data_ptr() for layer in layers]
    fused_linear(*layers)
    assert moved == [[True, True]]
