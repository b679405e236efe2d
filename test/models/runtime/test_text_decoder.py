"""Our order of calling the language models against their stock forward."""

import copy

import pytest
import torch

from depthlm_ros.models import registry
from depthlm_ros.models.runtime.text_decoder import KVCache, TextDecoder


@pytest.fixture(scope="module", params=["qwen", "qwen folded", "pixtral", "pixtral folded"])
def both(request, reference_checkpoint):
    """Return (ours, stock text model, axes of its positions); folded: as on a GPU."""
    name, _, folded = request.param.partition(" ")
    folder = reference_checkpoint(f"depthlm_{name}_tiny")
    network = registry.load(str(folder), "cpu").network
    stock = network.model.model.language_model
    for name, parameter in stock.named_parameters():
        if "norm" in name or name.endswith("bias"):  # ones and zeros would hide a mix-up
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return TextDecoder(stock, bool(folded)), stock, network.family.axes


def _embeddings(n, seed=0, batch=2):
    return torch.randn(batch, n, 64, generator=torch.Generator().manual_seed(seed))


def _positions(axes, start, n, batch=2):
    at = torch.arange(start, start + n).expand(batch, -1)
    return torch.stack([at, at + 1, at + 3]) if axes == 3 else at


def _stock(stock, x, positions):
    return stock(inputs_embeds=x, position_ids=positions).last_hidden_state


@torch.inference_mode()
def test_a_long_reading_is_the_stock_one(both):
    ours, stock, axes = both
    x, positions = _embeddings(50), _positions(axes, 0, 50)
    expected = _stock(stock, x, positions)
    assert (ours(x, positions, KVCache(8)) - expected).abs().max() < 1e-5
    kept = ours(x, positions, KVCache(8), keep=7)
    assert kept.shape == (2, 7, 64)
    assert (kept - expected[:, -7:]).abs().max() < 1e-5


@torch.inference_mode()
def test_token_by_token_is_the_stock_reading(both):
    ours, stock, axes = both
    x, positions = _embeddings(20, 1), _positions(axes, 0, 20)
    expected = _stock(stock, x, positions)
    cache = KVCache(2)  # grows three times
    ours(x[:, :12], positions[..., :12], cache)
    for i in range(12, 20):
        out = ours(x[:, i : i + 1], positions[..., i : i + 1], cache)
        assert (out[:, 0] - expected[:, i]).abs().max() < 1e-5


@torch.inference_mode()
def test_branches_under_a_mask_read_as_if_alone(both):
    ours, stock, axes = both
    x, positions = _embeddings(14, 2), _positions(axes, 0, 14)
    cache = KVCache(4)
    ours(x[:, :10], positions[..., :10], cache)
    mask = torch.zeros(2, 1, 4, 14, dtype=torch.bool)
    mask[..., :10] = True
    for row, seen in enumerate(([0], [0, 1], [2], [2, 3])):  # two branches of two tokens
        mask[:, :, row, [10 + s for s in seen]] = True
    branch = torch.cat([_positions(axes, 10, 2)] * 2, dim=-1)
    out = ours(x[:, 10:], branch, cache, mask)
    for first in (0, 2):
        tokens = torch.cat([x[:, :10], x[:, 10 + first : 12 + first]], dim=1)
        alone = _stock(stock, tokens, _positions(axes, 0, 12))
        assert (out[:, first : first + 2] - alone[:, -2:]).abs().max() < 1e-5


@torch.inference_mode()
def test_cut_and_select(both):
    ours, _, axes = both
    x, positions = _embeddings(9, 3), _positions(axes, 0, 9)
    cache = KVCache(4)
    ours(x[:, :8], positions[..., :8], cache)
    ours(x[:, 7:8], positions[..., 8:9], cache)
    cache.cut(8)
    cache.select(torch.tensor([1]))
    out = ours(x[1:, 8:], positions[..., :1, 8:], cache)
    whole = ours(x, positions, KVCache(0))
    assert (out[0, 0] - whole[1, 8]).abs().max() < 1e-5


def test_several_tokens_after_a_cache_need_a_mask(both):
    ours, _, axes = both
    cache = KVCache(4)
    ours(_embeddings(3), _positions(axes, 0, 3), cache)
    with pytest.raises(ValueError, match="mask"):
        ours(_embeddings(2), _positions(axes, 3, 2), cache)


@torch.inference_mode()
def test_the_last_rows_under_a_mask(both):
    ours, _, axes = both
    x, positions = _embeddings(12, 4), _positions(axes, 0, 12)
    mask = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(1)) < 0.5
    mask |= torch.eye(12, dtype=torch.bool)
    whole = ours(x, positions, KVCache(0), mask)
    kept = ours(x, positions, KVCache(0), mask, keep=5)
    assert (kept - whole[:, -5:]).abs().max() < 1e-5
    assert (whole - ours(x, positions, KVCache(0))).abs().max() > 0.01, "the mask counts"


@torch.inference_mode()
def test_positions_of_one_conversation_serve_all(both):
    ours, _, axes = both
    x, positions = _embeddings(7, 5), _positions(axes, 3, 7)
    one = ours(x, positions[..., :1, :], KVCache(0))
    assert torch.equal(one, ours(x, positions, KVCache(0)))


@torch.inference_mode()
def test_bfloat16_errs_no_more_than_the_stock_forward(both):
    exact, stock, axes = both
    x, positions = _embeddings(40, 6), _positions(axes, 0, 40)
    expected = exact(x, positions, KVCache(0))
    half = copy.deepcopy(stock).to(torch.bfloat16)
    theirs = _stock(half, x.bfloat16(), positions)
    ours = TextDecoder(half, exact._fold)(x.bfloat16(), positions, KVCache(0))
    assert (ours - expected).abs().mean() <= 1.1 * (theirs - expected).abs().mean()


def test_weights_that_are_trained_or_replaced_are_noticed(both):
    shared, original, axes = both
    stock = copy.deepcopy(original)
    ours = TextDecoder(stock, shared._fold)
    x, positions = _embeddings(6, 7), _positions(axes, 0, 6)
    with torch.inference_mode():
        ours(x, positions, KVCache(1))
    joined = ours._products
    trained = [p for p in stock.parameters() if p.dim() == 1 or p.shape[0] != 400]
    for parameter in trained:
        parameter.requires_grad_(True)
    ours(x, positions, KVCache(1)).square().sum().backward()
    for parameter in trained:
        if parameter.grad is not None:
            parameter.data -= 0.01 * parameter.grad.sign()
        parameter.requires_grad_(False)
    assert sum(p.grad is not None for p in trained) > 20
    expected = _stock(stock, x, positions)
    assert (ours(x, positions, KVCache(1)) - expected).abs().max() < 1e-5
    assert ours._products is not joined
    for layer in stock.layers:
        layer.self_attn.q_proj.weight = torch.nn.Parameter(
            2 * layer.self_attn.q_proj.weight.data, requires_grad=False
        )
    expected = _stock(stock, x, positions)
    assert (ours(x, positions, KVCache(1)) - expected).abs().max() < 1e-5


def test_the_joined_weights_are_the_stock_layers_own(both):
    ours, stock, axes = both
    ours(_embeddings(2), _positions(axes, 0, 2), KVCache(0))
    for layer, products in zip(stock.layers, ours._products, strict=True):
        gated = products.gated.keywords["weight"].untyped_storage().data_ptr()
        assert layer.mlp.up_proj.weight.untyped_storage().data_ptr() == gated
    first = ours._products[0].qkv.keywords["weight"].untyped_storage().data_ptr()
    attention = stock.layers[0].self_attn
    for part in (attention.q_proj, attention.k_proj, attention.v_proj):
        assert part.weight.untyped_storage().data_ptr() == first
