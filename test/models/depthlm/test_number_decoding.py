"""Number-only decoding against the stock ``generate`` of the same weights, and against all digits.

Both families are taught the trained reply's form in seconds (``benchmarks/template_overfit.py``);
the stock route is the published script's (``benchmarks/reference_depthlm.py``).
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from depthlm_ros.benchmarks.reference_depthlm import ReferenceDepthLM
from depthlm_ros.benchmarks.template_overfit import overfit_template
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm import number_decoding
from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.depthlm.number_distribution import ALPHABET
from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.prompting.prompts import prompt

SIDE = 64
PIXELS = [(12, 10), (30, 31), (50, 20), (40, 55)]
PLAIN = prompt(style="plain")


def _camera(model):
    """Return a camera whose picture needs no resampling."""
    f = model.path.image.focal_px
    return PinholeCamera(f, f, SIDE / 2 - 0.5, SIDE / 2 - 0.5, SIDE, SIDE)


def _with(model, **options):
    return DepthLM(model.network, model.path, **options)


@pytest.mark.parametrize("style", ["published", "plain"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_number_as_the_published_route(follower, seed, style, noise):
    stock, camera, rgb = ReferenceDepthLM(follower, style=style), _camera(follower), noise(seed)
    readings = _with(follower, style=style).distances(rgb, camera, PIXELS)
    by_number = 0
    for pixel, reading in zip(PIXELS, readings, strict=True):
        published = parse_answer(stock.reply(rgb, camera, pixel))
        assert published.reason == ""
        assert reading.distance_m == published.value
        by_number += reading.text == f"{published.value:.2f}"
    assert by_number >= 3, "most were read as numbers, not decoded in full"


def test_numbers_and_full_decoding_agree_where_the_template_is_followed(follower, noise):
    camera = _camera(follower)
    full = _with(follower, decoding="full").distances(noise(0), camera, PIXELS)
    for a, b in zip(follower.distances(noise(0), camera, PIXELS), full, strict=True):
        assert a.distance_m == b.distance_m
        assert np.isnan(b.low_m) and "<answer>" in b.text


@torch.inference_mode()
def _every_number(model, rgb, pixel):
    """Return every number that could be written, and its exact probability, (N, 2).

    By the stock forward over each prefix, no cache: another route than the tree's.
    """
    network, camera = model.network, _camera(model)
    placed = pre.place_in_view(model.marker, pixel, model.view_of(camera), model.path, "refuse")
    marked = pre.mark(pre.upload(rgb, torch.device("cpu")), model.marker, [placed])
    patches, grid = pre.patches_of(marked, model.path, torch.float32)
    layout, lead = network.layout(PLAIN.question, (grid,)), network.lead(PLAIN)
    features = network.features(patches, grid)
    cached = {}

    def following(texts):
        missing = sorted(set(texts) - set(cached))
        if missing:
            said = [[lead.alphabet[ALPHABET.index(c)] for c in text] for text in missing]
            ids = torch.cat([lead.ids.expand(len(said), -1), torch.tensor(said).long()], dim=1)
            embed = network.model.get_input_embeddings()
            head = embed(layout.ids[None]).clone()
            head[:, layout.image_at] = features
            x = torch.cat([head.expand(len(said), -1, -1), embed(ids)], dim=1)
            positions = layout.positions
            more = torch.arange(ids.shape[1]) + layout.next_position
            positions = torch.cat([positions, more.expand(len(positions), -1)], dim=1)
            positions = positions[:, None].expand(-1, len(said), -1)
            positions = positions if len(positions) == 3 else positions[0]
            out = network.model.model.language_model(inputs_embeds=x, position_ids=positions)
            logits = network.model.lm_head(out.last_hidden_state[:, -1])[:, lead.alphabet]
            for text, row in zip(missing, logits, strict=True):
                may = torch.from_numpy(np.array(_may(text)))
                cached[text] = torch.where(may, row, -torch.inf).softmax(0).double().numpy()
        return [cached[text] for text in texts]

    mass, ended = {"": 1.0}, []
    for _ in range(6):  # at most three digits, the point, two decimals
        grown = {}
        for (text, m), p in zip(mass.items(), following(list(mass)), strict=True):
            for c, share in zip(ALPHABET, m * p, strict=True):
                if c == "|" and share > 1e-6:
                    ended.append((float(text), share))
                elif share > 1e-6 and len((text + c).partition(".")[2]) == 2:
                    ended.append((float(text + c), share))
                elif share > 1e-6:
                    grown[text + c] = share
        mass = grown
    return np.array(ended)


def _trimmed_mean(values, p, low=0.05, high=0.95):
    """Return the mean of the mass between two quantiles."""
    upto = np.cumsum(p)
    kept = np.clip(upto, low, high) - np.clip(upto - p, low, high)
    return (values * kept).sum() / kept.sum()


def _may(text):
    """Say by hand which characters may follow: digits, then the point, then the end."""
    whole, point, decimals = text.partition(".")
    if point:
        return [True] * 10 + [False, len(decimals) == 1]
    more = whole != "0" and len(whole) < 3
    return [more] * 10 + [bool(whole)] * 2


@pytest.mark.parametrize("seed", [0, 1])
def test_mean_and_interval_against_every_number(follower, seed, noise):
    rgb = noise(seed)
    values, p = _every_number(follower, rgb, PIXELS[1]).T
    order = np.argsort(values)
    values, p = values[order], p[order]
    assert p.sum() > 0.97
    camera = _camera(follower)
    mean = _with(follower, style="plain", estimate="mean")
    reading = mean.distances(rgb, camera, [PIXELS[1]])[0]
    # The reading leaves 1 % of the mass unseen, and so may trim a little more or less than 5 %: a
    # stray third digit at just that quantile is felt in the mean.
    means = [
        _trimmed_mean(values, p / p.sum(), low, high)
        for low in (0.035, 0.065)
        for high in (0.935, 0.965)
    ]
    assert 0.99 * min(means) < reading.distance_m < 1.01 * max(means)
    inside = p[(values > reading.low_m - 0.005) & (values < reading.high_m + 0.005)].sum()
    assert 0.86 < inside / p.sum() < 0.95
    greedy = _with(follower, style="plain").distances(rgb, camera, [PIXELS[1]])[0]
    assert greedy.low_m <= greedy.distance_m <= greedy.high_m


def test_one_batch_is_the_same_as_one_by_one(follower, noise):
    camera = _camera(follower)
    together = follower.distances(noise(1), camera, PIXELS)
    small = _with(follower, memory_bytes=1)
    for pixel, reading in zip(PIXELS, together, strict=True):
        alone = small.distances(noise(1), camera, [pixel])[0]
        assert alone.distance_m == reading.distance_m
        assert alone.low_m == pytest.approx(reading.low_m, rel=1e-3)
        assert alone.high_m == pytest.approx(reading.high_m, rel=1e-3)
    for a, b in zip(together, small.distances(noise(1), camera, PIXELS), strict=True):
        assert a.distance_m == b.distance_m


def test_another_reply_than_the_template_is_decoded_in_full(reference_checkpoint, noise):
    model = registry.load(str(reference_checkpoint("depthlm_qwen_tiny")), "cpu")
    camera, rgb = _camera(model), noise(0)
    words = ["The wall is 7.25 meters away."]
    overfit_template(model, [(rgb, prompt().question, words)], 120)
    readings = model.distances(rgb, camera, PIXELS[:2])
    for reading in readings:
        assert (reading.distance_m, reading.reason) == (7.25, "")
        assert reading.text == "The wall is 7.25 meters away."
        assert np.isnan(reading.low_m)
    lead_only = _with(model, check="lead").distances(rgb, camera, PIXELS[:1])[0]
    assert lead_only.distance_m == 7.25


def test_a_reply_that_breaks_off_after_the_number_is_noticed(reference_checkpoint, noise):
    model = registry.load(str(reference_checkpoint("depthlm_pixtral_tiny")), "cpu")
    camera, rgb = _camera(model), noise(0)

    def feet(value):
        return prompt().answer(value).replace("meters", "feet")

    overfit_template(model, [(rgb, prompt().question, [feet(7.25)])], 120)
    reading = model.distances(rgb, camera, PIXELS[:1])[0]
    assert "feet" in reading.text, "the whole reply was written out"
    lead_only = _with(model, check="lead").distances(rgb, camera, PIXELS[:1])[0]
    assert lead_only.text == "7.25"


def test_a_reply_without_a_number_is_no_answer(reference_checkpoint, noise):
    model = registry.load(str(reference_checkpoint("depthlm_qwen_tiny")), "cpu")
    overfit_template(model, [(noise(0), prompt().question, ["I cannot tell."])], 60)
    reading = model.distances(noise(0), _camera(model), PIXELS[:1])[0]
    assert np.isnan(reading.distance_m)
    assert reading.reason and reading.code.name == "NO_ANSWER"
    assert reading.text == "I cannot tell."


def test_a_tail_is_the_models_own_in_every_token_and_to_its_stop():
    reading = object.__new__(number_decoding._Reading)
    reading._network = SimpleNamespace(stops=(7, 8))
    assert reading._is_own([2, 3, 7], [1, 2, 3]) and reading._is_own([8], [1])
    assert not reading._is_own([9, 3, 7], [1, 2, 3])
    assert not reading._is_own([2, 3, 6], [1, 2, 3])


class _ReadBack(TorchDispatchMode):
    """Notes every operation for which a GPU would be waited for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function) for name in ("_local_scalar_dense", "nonzero", "equal")):
            self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


def test_one_wait_for_the_device_a_pass(follower, noise, monkeypatch):
    model, waits, passes = _with(follower), [], []
    to_host, step = number_decoding.to_host, model.network.step
    monkeypatch.setattr(number_decoding, "to_host", lambda *t: waits.append(1) or to_host(*t))
    monkeypatch.setattr(model.network, "step", lambda *a: passes.append(1) or step(*a))
    with _ReadBack() as read_back:
        reading = model.distances(noise(1), _camera(model), PIXELS[:1])[0]
    assert np.isfinite(reading.low_m)
    assert len(waits) == 1 + len(passes) <= 6
    assert read_back.seen == []
