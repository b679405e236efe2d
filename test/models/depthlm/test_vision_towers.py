"""Our order of calling the vision towers against the stock forward, size by size."""

import inspect
from types import SimpleNamespace

import pytest
import torch
from torch.nn.attention.varlen import varlen_attn

from depthlm_ros.models import registry
from depthlm_ros.models.depthlm import vision_towers
from depthlm_ros.models.depthlm.vision_towers import windows_of


@pytest.fixture(scope="module")
def load(reference_checkpoint):
    """Return a function: family and dtype to a loaded model."""
    return lambda name, dtype="float32": registry.load(
        str(reference_checkpoint(f"depthlm_{name}_tiny")), "cpu", dtype
    )


def _patches(batch, grid, patch, seed=0):
    noise = torch.Generator().manual_seed(seed)
    return torch.randn(batch, grid[0] * grid[1], 3 * patch * patch, generator=noise)


def _stock_qwen(model, patches, grid):
    pixels = patches.view(*patches.shape[:2], 3, 1, 14, 14).expand(-1, -1, -1, 2, -1, -1)
    sizes = torch.tensor([[1, *grid]] * len(patches))
    visual = model.network.model.model.visual
    out = visual(pixels.reshape(-1, 3 * 2 * 14 * 14).to(model.network.dtype), sizes).pooler_output
    return out.view(len(patches), -1, out.shape[-1])


def _stock_pixtral(model, patches, grid):
    rows, columns = grid
    pixels = patches.view(-1, rows, columns, 3, 16, 16).permute(0, 3, 1, 4, 2, 5)
    pixels = pixels.reshape(len(patches), 3, rows * 16, columns * 16).to(model.network.dtype)
    out = model.network.model.model.get_image_features(
        pixels,
        image_sizes=[(rows * 16, columns * 16)] * len(patches),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    return torch.stack(list(out.pooler_output))


CASES = [
    ("qwen", _stock_qwen, 14, (8, 8)),
    ("qwen", _stock_qwen, 14, (16, 24)),
    ("qwen", _stock_qwen, 14, (18, 10)),
    ("qwen", _stock_qwen, 14, (2, 30)),
    ("pixtral", _stock_pixtral, 16, (5, 9)),
    ("pixtral", _stock_pixtral, 16, (12, 3)),
]


@torch.inference_mode()
@pytest.mark.parametrize("name, stock, patch, grid", CASES)
@pytest.mark.parametrize("batch", [1, 3])
def test_equal_to_the_stock_tower(load, name, stock, patch, grid, batch):
    model = load(name)
    patches = _patches(batch, grid, patch)
    ours, theirs = model.network.features(patches, grid), stock(model, patches, grid)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max().clamp(min=1)


@torch.inference_mode()
@pytest.mark.parametrize("name, stock, patch, grid", [CASES[1], CASES[4]])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_no_worse_than_stock(load, name, stock, patch, grid, dtype):
    patches = _patches(2, grid, patch)
    exact = load(name).network.features(patches, grid)
    model = load(name, dtype)
    errors = [
        (out.float() - exact).abs().mean()
        for out in (model.network.features(patches, grid), stock(model, patches, grid))
    ]
    assert errors[0] <= 1.5 * errors[1]


def test_windows_cover_every_token_once():
    for rows, columns in ((4, 4), (9, 5), (1, 11), (33, 44)):
        windows = windows_of(rows, columns, 4)
        assert sorted(windows.order.tolist()) == list(range(rows * columns))
        assert len(windows.runs) <= 4
        assert sum(count * size for _, count, size in windows.runs) == rows * columns
    first = windows_of(9, 5, 4).order[:16].tolist()
    assert first == [r * 5 + c for r in range(4) for c in range(4)]


class _VarlenInPlainTorch:
    """Stands in for torch's kernel, which there is on a GPU only: segment after segment."""

    def __init__(self):
        self.calls = []

    def __call__(self, q, k, v, begins, begins_again, longest, longest_again):
        assert q.shape == k.shape == v.shape and q.ndim == 3 and q.shape[1:] == (4, 16)
        assert begins is begins_again and longest == longest_again
        assert begins.dtype == torch.int32 and begins.is_contiguous() and type(longest) is int
        bounds = begins.tolist()
        sizes = [end - begin for begin, end in zip(bounds, bounds[1:], strict=False)]
        assert bounds[0] == 0 and bounds[-1] == len(q)
        assert min(sizes) > 0 and max(sizes) == longest
        self.calls.append(sizes)
        out = torch.empty_like(q)
        for begin, end in zip(bounds, bounds[1:], strict=False):
            scores = torch.einsum("qhd,khd->hqk", q[begin:end], k[begin:end]) / 4
            out[begin:end] = torch.einsum("hqk,khd->qhd", scores.softmax(-1), v[begin:end])
        return out


@torch.inference_mode()
@pytest.mark.parametrize("grid", [(8, 8), (16, 24), (18, 10), (2, 30)])
@pytest.mark.parametrize("batch", [1, 3])
def test_one_call_a_layer_is_the_same_as_one_a_size(load, monkeypatch, grid, batch):
    network, varlen = load("qwen").network, _VarlenInPlainTorch()
    patches = _patches(batch, grid, 14)
    expected = network.features(patches, grid)
    monkeypatch.setattr(vision_towers, "varlen_attention", lambda like: varlen)
    ours = network.features(patches, grid)
    assert (ours - expected).abs().max() < 1e-5 * expected.abs().max().clamp(min=1)
    vision = network.family.vision
    assert len(varlen.calls) == len(vision.visual.blocks) - len(vision.full)
    rows, columns = vision.tokens(grid)
    windows = -(-rows // vision.window) * -(-columns // vision.window)
    assert {len(sizes) for sizes in varlen.calls} == {batch * windows}


@torch.inference_mode()
def test_a_kernel_that_fails_is_not_asked_again(load, monkeypatch, caplog):
    def fails(*_):
        raise RuntimeError("no kernel image is available for execution on the device")

    network, grid = load("qwen").network, (8, 8)
    patches = _patches(1, grid, 14)
    expected = network.features(patches, grid)
    monkeypatch.setattr(vision_towers, "_FAILED_ON", set())
    with monkeypatch.context() as patch:
        patch.setattr(vision_towers, "varlen_attention", lambda like: fails)
        assert torch.equal(network.features(patches, grid), expected)
    assert "fails on cpu" in caplog.text and {torch.device("cpu")} == vision_towers._FAILED_ON
    monkeypatch.setattr(vision_towers, "_has_flash", lambda device: True)
    like = SimpleNamespace(
        is_cuda=True, dtype=torch.bfloat16, shape=(1, 9, 4, 80), device=torch.device("cpu")
    )
    assert vision_towers.varlen_attention(like) is None


def test_where_torch_has_the_kernel(monkeypatch):
    def like(**other):
        kept = {"is_cuda": True, "dtype": torch.bfloat16, "shape": (1, 9, 4, 80), "device": None}
        return vision_towers.varlen_attention(SimpleNamespace(**(kept | other)))

    monkeypatch.setattr(vision_towers, "_has_flash", lambda device: True)
    assert like() is like(dtype=torch.float16) is varlen_attn
    assert like(is_cuda=False) is like(dtype=torch.float32) is like(shape=(1, 9, 4, 84)) is None
    monkeypatch.setattr(vision_towers, "_has_flash", lambda device: False)
    assert like() is None
    assert vision_towers.varlen_attention(torch.ones(1, 2, 3, 8, dtype=torch.bfloat16)) is None
    inspect.signature(varlen_attn).bind(*range(7))


@torch.inference_mode()
def test_another_scale_than_the_kernels_own_is_kept(load, monkeypatch):
    network, grid = load("qwen").network, (8, 8)
    patches = _patches(1, grid, 14)
    attention = network.model.model.visual.blocks[0].attn
    monkeypatch.setattr(attention, "scaling", 0.9)
    expected, varlen = network.features(patches, grid), _VarlenInPlainTorch()
    monkeypatch.setattr(vision_towers, "varlen_attention", lambda like: varlen)
    assert (network.features(patches, grid) - expected).abs().max() < 1e-4
