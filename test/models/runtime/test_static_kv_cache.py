"""Fixed shapes and recordings against the cache that grows, on models that answer.

The recordings are tapes (``conftest.py``), which as a CUDA graph know no Python.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from depthlm_ros.benchmarks.template_overfit import overfit_template
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm import number_decoding
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.runtime import static_kv_cache
from depthlm_ros.models.runtime.cuda_graphs import GraphCache
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.tasks import Task

PIXELS = [(12, 10), (30, 31), (50, 20)]


def _camera(model):
    f = model.path.image.focal_px
    return PinholeCamera(f, f, 31.5, 31.5, 64, 64)


@pytest.fixture
def pair(follower, tape_recorder):
    """Return a function: options to (a model as on a CPU, one that records), of one network."""

    def make(model=follower, **options):
        plain, recorded = (DepthLM(model.network, model.path, **options) for _ in range(2))
        recorded.use_graph_cache(GraphCache(tape_recorder, kept=20))
        return plain, recorded

    return make


def _same(ours, expected):
    assert len(ours) == len(expected) > 0
    for a, b in zip(ours, expected, strict=True):
        assert (a.distance_m, a.text, a.reason, a.code) == pytest.approx(
            (b.distance_m, b.text, b.reason, b.code), nan_ok=True
        )
        assert (a.low_m, a.high_m) == pytest.approx((b.low_m, b.high_m), rel=1e-3, nan_ok=True)


def _both(pair, rgb, pixels=PIXELS):
    """Ask both, pixel after pixel, and compare; return the readings."""
    plain, recorded = pair
    readings = []
    for pixel in pixels:
        answers = [model.distances(rgb, _camera(model), [pixel]) for model in (recorded, plain)]
        _same(*answers)
        readings += answers[0]
    return readings


def test_frame_after_frame_and_pixel_after_pixel(pair, noise, monkeypatch):
    models = pair()
    for seed in (0, 1, 0):
        readings = _both(models, noise(seed))
        assert sum(np.isfinite(r.low_m) for r in readings) >= 2, "read as numbers"
    assert {key[0] for key, _ in models[1].graph_cache._held} == {"see", "read", "step"}
    plain, recorded = models
    camera, network = _camera(plain), recorded.network
    expected = [plain.distances(noise(1), camera, [p])[0] for p in PIXELS]
    for name in ("features", "language", "embedded"):
        monkeypatch.setattr(network, name, lambda *_, **__: pytest.fail("Python was run"))
    _same([recorded.distances(noise(1), camera, [p])[0] for p in PIXELS], expected)


@pytest.mark.parametrize("style", ["plain", "text_coordinates", "intrinsics", "ray"])
def test_other_styles(pair, noise, style):
    models = pair(style=style, max_tokens=6, estimate="mean")
    for seed in (0, 1, 0):
        _both(models, noise(seed), PIXELS[:2])


def test_questions_of_different_lengths_take_turns(pair, noise, follower):
    camera, (plain, recorded) = _camera(follower), pair()
    words = ["How far?", "How far is the wall that is behind all that, and why?", "x " * 300]
    for _ in range(3):
        for question in words:
            replies = [m.reply(noise(0), camera, question, 5) for m in (recorded, plain)]
            assert replies[0] == replies[1]
        _both((plain, recorded), noise(1), PIXELS[:1])
    assert recorded.graph_cache.recorder is not None and len(recorded.graph_cache) > 4


def test_a_batch_and_single_queries_take_turns(pair, noise):
    plain, recorded = pair()
    for seed in (0, 1, 0):
        together = [m.distances(noise(seed), _camera(m), PIXELS) for m in (recorded, plain)]
        _same(*together)
        _both((plain, recorded), noise(seed), PIXELS[:1])


@pytest.mark.parametrize(
    "options", [{"decoding": "full"}, {"check": "lead"}, {"trust_template": True}]
)
def test_other_ways_to_decode(pair, noise, options):
    models = pair(max_tokens=60, **options)
    for seed in (0, 1, 5):  # the last was never taught: the template may not be followed
        _both(models, noise(seed), PIXELS[:2])


def test_a_reply_that_is_no_template_is_decoded_in_full(pair, noise, reference_checkpoint):
    model = registry.load(str(reference_checkpoint("depthlm_qwen_tiny")), "cpu")
    overfit_template(
        model, [(noise(0), prompt().question, ["The wall is 7.25 meters away."])], 120
    )
    models = pair(model)
    for _ in range(3):
        for reading in _both(models, noise(0), PIXELS[:2]):
            assert (reading.distance_m, reading.text) == (7.25, "The wall is 7.25 meters away.")


def test_two_pictures_of_one_size_in_one_question(pair, noise):
    models = pair(trust_template=True)
    asked = prompt(Task.CAMERA_MOTION)
    for seed in (0, 2, 4):
        pictures = [noise(seed), noise(seed + 1)]
        _same(*([model.ask(asked, pictures)] for model in models[::-1]))


def test_weights_that_are_replaced_meanwhile(pair, noise, reference_checkpoint):
    model = registry.load(str(reference_checkpoint("depthlm_qwen_tiny")), "cpu")
    models, seen = pair(model, trust_template=True), set()
    for _ in range(3):
        for _ in range(3):
            (reading,) = _both(models, noise(0), PIXELS[:1])
        seen.add((reading.text, round(reading.low_m, 3), round(reading.high_m, 3)))
        for layer in model.network.decoder.stock.layers:
            own = layer.self_attn.q_proj
            own.weight = torch.nn.Parameter(-2 * own.weight.data.flip(0), requires_grad=False)
    assert len(seen) == 3 and len(models[1].graph_cache)


def test_shrinking_gives_everything_back_and_goes_on(pair, noise):
    plain, recorded = pair()
    for _ in range(3):
        _both((plain, recorded), noise(0), PIXELS[:1])
    assert len(recorded.graph_cache) and recorded.static_decoder._buffer is not None
    assert recorded.shrink()
    assert not len(recorded.graph_cache) and recorded.static_decoder._buffer is None
    for _ in range(3):
        _both((plain, recorded), noise(0), PIXELS[:1])


def test_memory_is_taken_from_recordings_before_a_query_is_refused(pair, noise, caplog):
    plain, recorded = pair()
    for _ in range(3):
        _both((plain, recorded), noise(0), PIXELS[:1])
    replay = recorded.graph_cache.run

    def scarce(*arguments):
        if recorded.graph_cache.recorder is not None:
            raise torch.OutOfMemoryError("no more")
        return replay(*arguments)

    recorded.graph_cache.run = scarce
    _both((plain, recorded), noise(0), PIXELS[:1])
    assert not len(recorded.graph_cache) and "nothing is recorded" in caplog.text


def test_what_is_left_in_the_buffer_is_nobodys_business(pair, noise):
    models = pair()
    for turn in range(4):
        _both(models, noise(turn % 2), PIXELS[:1])
        models[1].static_decoder._buffer.fill_(float("nan"))


def test_what_does_not_fit_goes_on_in_a_cache_that_grows(pair, noise, follower, monkeypatch):
    monkeypatch.setattr(static_kv_cache, "ROOM", 4)
    monkeypatch.setattr(static_kv_cache, "STEP", 1)
    models = pair()
    for seed in (0, 1, 0, 1):
        _both(models, noise(seed), PIXELS[:2])
    monkeypatch.setattr(follower.network, "stops", ())
    for _ in range(3):
        replies = [m.reply(noise(0), _camera(m), "How far?", 30) for m in models]
        assert replies[0] == replies[1]


def test_a_conversation_that_another_replaced_is_not_gone_on_with(pair, noise, follower):
    _, recorded = pair()
    network, fixed = follower.network, recorded.static_decoder
    grids, features = recorded._features([torch.from_numpy(noise(0))[None]])
    layout = network.layout("How far?", grids)
    with torch.inference_mode():
        first, second = (
            network.read(layout.ids[None], layout, features, None, fixed) for _ in range(2)
        )
        assert isinstance(network.write(second, [0], 4)[0], str)
        with pytest.raises(RuntimeError, match="another conversation"):
            network.write(first, [0], 4)


@torch.inference_mode()
@pytest.mark.parametrize("n", [1, 5, 32, 33, 100])
def test_padding_changes_nothing(pair, noise, follower, monkeypatch, n):
    _, recorded = pair()
    network, rng = follower.network, np.random.default_rng(n)
    grids, features = recorded._features([torch.from_numpy(noise(0))[None]])
    layout, lead = network.layout("How far?", grids), network.lead(prompt())
    inputs = layout.ids[None], layout, features, lead
    grown, fixed = (network.read(*inputs, how) for how in (None, recorded.static_decoder))
    given, run = [], recorded.graph_cache.run
    monkeypatch.setattr(recorded.graph_cache, "run", lambda *a: given.append(a[2:]) or run(*a))
    for _ in range(2):
        ids, at = rng.integers(0, 300, (1, n)), rng.integers(90, 120, (1, n))
        mask = rng.random((1, n, grown.cache.length + n)) < 0.5
        mask[:, :, 0] = True
        expected = network.step(grown, ids, at, mask)
        states = network.step(fixed, ids, at, mask)
        assert states.shape == expected.shape == (1, n, 64)
        assert (states - expected).abs().max() < 1e-5
    for tokens, seen in given:
        assert seen.any(dim=1).all(), "a row that sees nothing is NaN in some kernels"
        assert not seen[:n, fixed.cache.spare].any() and (tokens[2, n:] == fixed.cache.spare).all()
    assert fixed.fixed is not None and fixed.cache.length == grown.cache.length


class _ReadBack(TorchDispatchMode):
    """Notes every operation for which a GPU would be waited for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function) for name in ("_local_scalar_dense", "nonzero", "equal")):
            self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


def test_one_wait_for_the_device_a_pass(pair, noise, monkeypatch):
    plain, recorded = pair()
    waits, passes = [], []
    to_host, step = number_decoding.to_host, plain.network.step
    monkeypatch.setattr(number_decoding, "to_host", lambda *t: waits.append(1) or to_host(*t))
    monkeypatch.setattr(plain.network, "step", lambda *a: passes.append(1) or step(*a))
    for model in (recorded, recorded, recorded, plain):
        waits.clear(), passes.clear()
        recording = len(model.graph_cache)
        with _ReadBack() as read_back:
            reading = model.distances(noise(1), _camera(model), PIXELS[:1])[0]
        assert np.isfinite(reading.low_m)
        assert len(waits) == 1 + len(passes) <= 6
        if len(model.graph_cache) == recording:  # else replays were compared
            assert read_back.seen == []
