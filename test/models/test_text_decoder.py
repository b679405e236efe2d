"""Our order of calling the language models against their stock forward."""

import pytest
import torch

from depthlm_ros.models import registry
from depthlm_ros.models.text_decoder import KeyValues, TextDecoder


@pytest.fixture(scope="module", params=["qwen", "pixtral"])
def both(request, reference_checkpoint):
    """Return (ours, stock text model, axes of its positions)."""
    folder = reference_checkpoint(f"depthlm_{request.param}_tiny")
    network = registry.load(str(folder), "cpu").network
    stock = network.model.model.language_model
    return TextDecoder(stock), stock, network.family.axes


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
    assert (ours(x, positions, KeyValues(8)) - expected).abs().max() < 1e-5
    kept = ours(x, positions, KeyValues(8), keep=7)
    assert kept.shape == (2, 7, 64)
    assert (kept - expected[:, -7:]).abs().max() < 1e-5


@torch.inference_mode()
def test_token_by_token_is_the_stock_reading(both):
    ours, stock, axes = both
    x, positions = _embeddings(20, 1), _positions(axes, 0, 20)
    expected = _stock(stock, x, positions)
    cache = KeyValues(2)  # grows three times
    ours(x[:, :12], positions[..., :12], cache)
    for i in range(12, 20):
        out = ours(x[:, i : i + 1], positions[..., i : i + 1], cache)
        assert (out[:, 0] - expected[:, i]).abs().max() < 1e-5


@torch.inference_mode()
def test_branches_under_a_mask_read_as_if_alone(both):
    ours, stock, axes = both
    x, positions = _embeddings(14, 2), _positions(axes, 0, 14)
    cache = KeyValues(4)
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
    cache = KeyValues(4)
    ours(x[:, :8], positions[..., :8], cache)
    ours(x[:, 7:8], positions[..., 8:9], cache)
    cache.cut(8)
    cache.select(torch.tensor([1]))
    out = ours(x[1:, 8:], positions[..., :1, 8:], cache)
    whole = ours(x, positions, KeyValues(0))
    assert (out[0, 0] - whole[1, 8]).abs().max() < 1e-5


def test_several_tokens_after_a_cache_need_a_mask(both):
    ours, _, axes = both
    cache = KeyValues(4)
    ours(_embeddings(3), _positions(axes, 0, 3), cache)
    with pytest.raises(ValueError, match="mask"):
        ours(_embeddings(2), _positions(axes, 3, 2), cache)
