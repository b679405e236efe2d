"""DepthLM as the estimator sees it: refusals, margins, caps, styles, other tasks, checkpoints."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from stock_inputs import stock_and_ours, stock_inputs

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.base import LanguageModel, PointDepthModel
from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.prompting.marker import Marker
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

WIDTH, HEIGHT = 80, 60
RGB = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module", params=["qwen", "pixtral"])
def model(request, reference_checkpoint):
    """Return a model of random weights that trusts its template: it answers something."""
    folder = reference_checkpoint(f"depthlm_{request.param}_tiny")
    return registry.load(str(folder), "cpu", trust_template=True)


def _with(model, **options):
    return DepthLM(model.network, model.path, trust_template=True, **options)


def _camera(model, scale=1.0):
    f = model.path.image.focal_px / scale
    return PinholeCamera(f, f, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5, WIDTH, HEIGHT)


def test_it_is_what_it_says(model):
    assert isinstance(model, PointDepthModel) and isinstance(model, LanguageModel)
    readings = model.distances(RGB, _camera(model), [(30.2, 20.7), (50, 40)])
    assert len(readings) == 2 and all(r.distance_m >= 0 and r.code is Code.OK for r in readings)
    assert model.distances(RGB, _camera(model), []) == []


def test_pixels_that_cannot_be_asked_keep_their_place(model):
    pixels = [(30, 20), (np.nan, 3), (79.6, 20), (0, 0), (2, 30)]
    codes = [r.code for r in model.distances(RGB, _camera(model), pixels)]
    expected = [Code.OK, Code.OUT_OF_IMAGE, Code.OUT_OF_IMAGE, Code.IN_MARKER_MARGIN, Code.OK]
    assert codes == expected
    strict = _with(model, on_margin="refuse").distances(RGB, _camera(model), pixels)
    assert [r.code for r in strict][-1] is Code.IN_MARKER_MARGIN
    padded = _with(model, on_margin="pad").distances(RGB, _camera(model), pixels)
    assert [r.code for r in padded][3:] == [Code.OK, Code.OK]


def test_a_wrong_image_is_refused(model):
    for bad in (RGB[:-1], RGB.astype(np.float32), RGB[..., 0]):
        with pytest.raises(StatusError) as caught:
            model.distances(bad, _camera(model), [(30, 20)])
        assert caught.value.code is Code.BAD_IMAGE


def test_the_view_has_the_unified_focal_length_on_each_axis(model):
    f = model.path.image.focal_px
    view = model.view_of(PinholeCamera(f / 2, f / 1.5, 40, 30, WIDTH, HEIGHT))
    assert (view.width, view.height, view.depth_scale) == (160, 90, 1.0)
    assert model.resampled(RGB, view.source).shape == (90, 160, 3)


def test_a_cap_on_the_longest_edge_is_told_to_the_distance(model):
    path = pre.DepthLMPreprocessConfig(model.path.image, model.path.round_up, longest_edge=120)
    capped = DepthLM(model.network, path, trust_template=True)
    view = capped.view_of(_camera(model, 2.0))
    assert (view.width, view.height, view.depth_scale) == (120, 90, 0.75)
    # The same picture without a cap, as a camera of the capped focal length would have made it.
    small = pre.focal_view(_camera(model, 1.5), model.path)
    assert (small.width, small.height) == (120, 90)
    a = capped.distances(RGB, _camera(model, 2.0), [(40, 30)])[0]
    b = model.distances(RGB, _camera(model, 1.5), [(40, 30)])[0]
    assert a.distance_m == pytest.approx(0.75 * b.distance_m)
    with pytest.raises(StatusError):
        pre.DepthLMPreprocessConfig(model.path.image, False, longest_edge=10)


def test_max_pixels_is_a_cap_too(model):
    view = _with(model, max_pixels=6400).view_of(_camera(model, 2.0))
    assert view.width * view.height <= 6400
    assert view.depth_scale == pytest.approx(np.sqrt(6400 / (160 * 120)))


def test_absurd_pictures_are_refused(model):
    f = model.path.image.focal_px
    for fx, fy in ((f / 300, f), (f, f * 100)):
        with pytest.raises(StatusError) as caught:
            model.view_of(PinholeCamera(fx, fy, 40, 30, WIDTH, HEIGHT))
        assert caught.value.code is Code.BAD_IMAGE


@pytest.mark.parametrize("style", ["plain", "text_coordinates", "intrinsics", "ray"])
def test_other_styles_answer_or_say_why(model, style):
    asked = _with(model, style=style, max_tokens=8)
    for reading in asked.distances(RGB, _camera(model), [(30, 20), (50, 40)]):
        assert (reading.distance_m >= 0) != bool(reading.reason)
        assert style != "ray" or "ray answers" in reading.reason


def _questions_of(asked, pixels, monkeypatch):
    """Return (readings, the questions that were laid out, the stages that were told)."""
    seen, stages, layout = [], [], asked.network.layout
    asked.stage_callback = stages.append
    with monkeypatch.context() as patch:
        patch.setattr(asked.network, "layout", lambda q, g: seen.append(q) or layout(q, g))
        readings = asked.distances(RGB, _camera(asked), pixels)
    return readings, list(dict.fromkeys(seen)), stages


@pytest.mark.parametrize("on_margin", ["flip", "pad", "refuse"])
def test_text_coordinates_know_no_marker_and_no_margin(model, monkeypatch, on_margin):
    asked = _with(model, style="text_coordinates", on_margin=on_margin)
    pixels = [(30, 20), (1, 2), (50, 40), (79, 59), (np.nan, 3), (0, 0)]
    readings, questions, stages = _questions_of(asked, pixels, monkeypatch)
    said = [
        f"(width = 80, height = 60), how far is the pixel at {at}"
        for at in ("(30, 20)", "(1, 2)", "(50, 40)", "(79, 59)", "(0, 0)")
    ]
    assert len(questions) == 5
    assert all(words in question for words, question in zip(said, questions, strict=True))
    # One picture; the questions with two digits a number together, those with one together.
    assert (stages.count("vision"), stages.count("language")) == (1, 2)
    assert [r.code for r in readings] == [Code.OK] * 4 + [Code.OUT_OF_IMAGE, Code.OK]
    for pixel, reading in zip(pixels, readings, strict=True):  # as if asked alone
        (alone,) = asked.distances(RGB, _camera(model), [pixel])
        assert reading.distance_m == pytest.approx(alone.distance_m, nan_ok=True)


def test_text_coordinates_keep_to_the_batch_that_memory_allows(model, monkeypatch):
    asked = _with(model, style="text_coordinates", memory_bytes=1)
    _, _, stages = _questions_of(asked, [(30, 20), (50, 40), (40, 30)], monkeypatch)
    assert (stages.count("vision"), stages.count("language")) == (1, 3)


def test_intrinsics_in_words_are_those_of_the_padded_picture(model, monkeypatch):
    f = model.path.image.focal_px
    asked = _with(model, style="intrinsics", on_margin="pad")
    pixels = [(40, 30), (1, 2)]
    _, questions, _ = _questions_of(asked, pixels, monkeypatch)
    inside, padded = (
        pre.place_in_view(asked.marker, p, asked.view_of(_camera(model)), asked.path, "pad")
        for p in pixels
    )
    assert inside.padding == (0, 0, 0, 0) and min(padded.padding[:2]) > 0
    for (left, top, *_), question in zip((inside.padding, padded.padding), questions, strict=True):
        words = f"fx = {f:.2f}, fy = {f:.2f}, cx = {39.5 + left:.2f}, cy = {29.5 + top:.2f}"
        assert words in question


def test_markers_of_another_shape_are_another_picture(model):
    big = _with(model, marker=Marker.for_untrained(), on_margin="refuse")
    codes = [r.code for r in big.distances(RGB, _camera(model), [(40, 30), (15, 30)])]
    assert codes == [Code.OK, Code.IN_MARKER_MARGIN]


def test_a_larger_batch_changes_nothing(model):
    pixels = [(10 + 6 * i, 10 + 4 * i) for i in range(10)]
    one = _with(model, memory_bytes=1).distances(RGB, _camera(model), pixels)
    all_ = _with(model).distances(RGB, _camera(model), pixels)
    assert [r.distance_m for r in one] == [r.distance_m for r in all_]


def test_memory_that_runs_out_halves_the_batch(model, monkeypatch):
    small, sizes = _with(model), []
    features = model.network.features

    def scarce(patches, grid):
        sizes.append(len(patches))
        if len(patches) > 2:
            raise torch.OutOfMemoryError("no more")
        return features(patches, grid)

    monkeypatch.setattr(model.network, "features", scarce)
    pixels = [(10 + 6 * i, 30) for i in range(8)]
    readings = small.distances(RGB, _camera(model), pixels)
    assert sizes == [8, 4, 2, 2, 2, 2] and len(readings) == 8
    monkeypatch.setattr(model.network, "features", lambda *_: scarce(torch.empty(3), None))
    with pytest.raises(StatusError) as caught:
        small.distances(RGB, _camera(model), pixels)
    assert caught.value.code is Code.MODEL_ERROR


def test_shrink_ends(model):
    small, steps = _with(model), 0
    while small.shrink():
        steps += 1
        assert steps < 40
    assert small.view_of(_camera(model, 4.0)).depth_scale < 1
    assert small.distances(RGB, _camera(model, 4.0), [(40, 30)])[0].code is Code.OK


@torch.inference_mode()
def test_two_pictures_in_one_question_are_the_stock_reading(model):
    network, asked = model.network, prompt(Task.CAMERA_MOTION)
    assert model.ask(asked, [RGB, RGB[::-1].copy()]).distance_m >= 0
    # Two sizes for Qwen; the stock Pixtral wants one.
    second = RGB[:40] if network.family.axes == 3 else RGB[::-1]
    pictures = [torch.from_numpy(p.copy())[None] for p in (RGB, second)]
    seen = [pre.patches_of(p, model.path, torch.float32) for p in pictures]
    grids = tuple(grid for _, grid in seen)
    layout = network.layout(asked.question, grids)
    features = torch.cat([network.features(*one) for one in seen], dim=1)
    ours = network.read(layout.ids[None], layout, features, None).hidden[:, -1]
    logits = network.model(**stock_inputs(network, layout, seen)).logits[:, -1]
    assert (network.model.lm_head(ours) - logits).abs().max() < 1e-4


def test_reply_is_free_text_and_cannot_speak_for_another(model):
    text = model.reply(RGB, _camera(model), "What is <|im_end|> here [/INST]?", 6)
    assert isinstance(text, str)
    for words in ("<|im_end|>", "[/INST]", "<s>"):
        whole = model.network.escape_special_tokens(f"a {words} b")
        special = set(model.network.tokenizer.get_added_vocab().values())
        assert not special & set(model.network.encode(whole))
    for bad in ("", "  ", "x" * 4001):
        with pytest.raises(StatusError) as caught:
            model.reply(RGB, _camera(model), bad)
        assert caught.value.code is Code.BAD_QUESTION


def test_questions_about_one_picture_look_at_it_once(model):
    asked, stages, rgb = _with(model, style="text_coordinates"), [], RGB.copy()
    camera, fresh = _camera(model), _with(model, style="text_coordinates")
    asked.stage_callback = stages.append
    first = asked.reply(rgb, camera, "What is there?", 6)
    asked.reply(rgb, camera, "And beside it?", 6)
    (reading,) = asked.distances(rgb, camera, [(30, 20)])
    assert stages.count("vision") == 1
    assert reading.distance_m == fresh.distances(rgb, camera, [(30, 20)])[0].distance_m
    rgb[:] = 255 - rgb  # the next picture in the same memory
    second = asked.reply(rgb, camera, "What is there?", 6)
    assert stages.count("vision") == 2
    assert second == fresh.reply(rgb, camera, "What is there?", 6)
    assert first == _with(model).reply(RGB, camera, "What is there?", 6)


def test_nonsense_options_are_refused(model):
    for option in ("on_margin", "decoding", "estimate", "check", "style"):
        with pytest.raises(StatusError) as caught:
            _with(model, **{option: "sideways"})
        assert option in caught.value.text and "sideways" in caught.value.text


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers(model, reference_checkpoint, dtype):
    name = "qwen" if model.network.family.axes == 3 else "pixtral"
    folder = str(reference_checkpoint(f"depthlm_{name}_tiny"))
    half = registry.load(folder, "cpu", dtype, trust_template=True)
    assert half.network.dtype is getattr(torch, dtype)
    assert half.distances(RGB, _camera(model), [(30, 20)])[0].code is Code.OK


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_errs_no_more_than_stock(model, reference_checkpoint, dtype):
    name = "qwen" if model.network.family.axes == 3 else "pixtral"
    folder = str(reference_checkpoint(f"depthlm_{name}_tiny"))
    exact, stock_exact = stock_and_ours(model, RGB)
    assert (exact - stock_exact).abs().max() < 1e-4
    ours, stock = (
        (logits - exact).abs().mean()
        for logits in stock_and_ours(registry.load(folder, "cpu", dtype), RGB)
    )
    assert ours <= 1.5 * stock


def _copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.mark.parametrize(
    "name, new", [("qwen", "model.visual."), ("pixtral", "model.vision_tower.")]
)
def test_names_of_newer_checkpoints_are_known(reference_checkpoint, tmp_path, name, new):
    folder = _copy(reference_checkpoint(f"depthlm_{name}_tiny"), tmp_path)
    old = registry.load(str(folder), "cpu", trust_template=True)
    rename = old.network.family.name_in_module
    tensors = {rename(k): v for k, v in load_file(folder / "model.safetensors").items()}
    assert any(key.startswith(new) for key in tensors)
    save_file(tensors, folder / "model.safetensors")
    again = registry.load(str(folder), "cpu", trust_template=True)
    state = again.network.model.state_dict()
    for key, tensor in old.network.model.state_dict().items():
        assert torch.equal(tensor, state[key]), key


def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_name(reference_checkpoint, tmp_path):
    folder = _copy(reference_checkpoint("depthlm_qwen_tiny"), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(StatusError, match="norm.weight"):
        registry.load(str(folder), "cpu")


def test_tied_embeddings_need_no_head(reference_checkpoint, tmp_path):
    folder = _copy(reference_checkpoint("depthlm_qwen_tiny"), tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors")
    network = registry.load(str(folder), "cpu").network
    assert network.model.lm_head.weight is network.model.get_input_embeddings().weight


def test_a_tokenizer_that_joins_digits_turns_number_decoding_off(model, monkeypatch):
    encode = model.network.encode
    monkeypatch.setattr(model.network, "_leads", {})
    monkeypatch.setattr(model.network, "encode", lambda text: encode(text.replace("12", "x")))
    assert model.network.lead(prompt()) is None
    reading = _with(model, max_tokens=5).distances(RGB, _camera(model), [(30, 20)])[0]
    assert reading.reason, "random weights decoded in full answer nothing"
