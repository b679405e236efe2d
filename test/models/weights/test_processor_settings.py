"""What preprocessor_config.json and a chat template say is honoured, or refused by name."""

import json
import shutil

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.versions import cache_argument, check_transformers
from depthlm_ros.models.weights.processor_settings import mean_and_std
from depthlm_ros.status import Code, StatusError

VLM, QWEN, PIXTRAL = "depthvlm_tiny", "depthlm_qwen_tiny", "depthlm_pixtral_tiny"
CAMERA = PinholeCamera(700.0, 700.0, 31.5, 23.5, 64, 48)
HALF = (0.5, 0.5, 0.5)


@pytest.fixture
def copy_of(reference_checkpoint, tmp_path):
    return lambda name: shutil.copytree(reference_checkpoint(name), tmp_path / "copy")


def edit(folder, file="preprocessor_config.json", **changes):
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **changes}))


def refusal_of(folder, **options):
    with pytest.raises(StatusError) as refusal:
        registry.load(str(folder), "cpu", **options)
    return refusal.value


def depth_of(folder):
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    model = registry.load(str(folder), "cpu")
    return model.depth(rgb, model.view_of(CAMERA))


# (value * factor - mean) / std for a value of 51 in 0..255, by hand
@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, (0.2 - 0.5) / 0.5),
        ({"image_mean": [0.1] * 3, "image_std": [0.2] * 3}, 0.5),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, -0.6),
        ({"do_rescale": False}, (51 - 0.5) / 0.5),
        ({"rescale_factor": 1 / 127.5}, (0.4 - 0.5) / 0.5),
        ({"do_normalize": False}, 0.2),
        ({"do_normalize": False, "do_rescale": False}, 51.0),
        ({"do_rescale": None, "do_normalize": True, "rescale_factor": 0.00392156862745098}, -0.6),
    ],
)
def test_normalisation_is_what_the_file_says(settings, expected):
    mean, std = mean_and_std(settings, HALF, HALF)
    assert (51 / 255 - mean[0]) / std[0] == pytest.approx(expected)


@pytest.mark.parametrize("name", [VLM, QWEN, PIXTRAL])
@pytest.mark.parametrize(
    "change, words",
    [
        ({"do_resize": False}, "do_resize = false"),
        ({"do_center_crop": True}, "do_center_crop = True"),
        ({"resample": 0}, "resample = 0: pictures are resampled bicubic"),
        ({"patch_size": 32}, "patch_size = 32: config.json says"),
        ({"image_mean": [0.5, 0.5]}, "image_mean = [0.5, 0.5]: must be three numbers"),
        ({"rescale_factor": 0.0}, "must be finite numbers, the factor positive"),
    ],
)
def test_what_is_not_done_here_is_refused_by_name(copy_of, name, change, words):
    folder = copy_of(name)
    edit(folder, **change)
    refusal = refusal_of(folder)
    assert refusal.code == Code.MODEL_ERROR and words in refusal.text, refusal.text
    assert "preprocessor_config.json" in refusal.text


def test_pictures_that_are_not_rescaled_reach_the_network_as_they_are(copy_of):
    folder = copy_of(VLM)
    expected = depth_of(folder)
    edit(folder, do_rescale=False, image_mean=[127.5] * 3, image_std=[127.5] * 3)
    np.testing.assert_allclose(depth_of(folder), expected, rtol=1e-5)
    edit(folder, do_rescale=False, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    assert np.abs(depth_of(folder) / expected - 1).max() > 0.01


QWENS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}"
    "{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PIXTRALS = (
    "{{ bos_token }}{% for m in messages %}[INST]{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}[IMG]{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "[/INST]{% endfor %}"
)


@pytest.mark.parametrize("name, good", [(VLM, QWENS), (QWEN, QWENS), (PIXTRAL, PIXTRALS)])
def test_the_familys_own_template_passes_and_another_is_refused(copy_of, name, good):
    folder = copy_of(name)
    (folder / "chat_template.jinja").write_text(good)
    assert registry.load(str(folder), "cpu").name == str(folder)
    (folder / "chat_template.jinja").write_text("USER: " + good)
    refusal = refusal_of(folder)
    assert refusal.code == Code.MODEL_ERROR and "its chat template writes 'USER: " in refusal.text
    assert "chat_template=family" in refusal.text
    assert registry.load(str(folder), "cpu", chat_template="family").name == str(folder)


@pytest.mark.parametrize("content", ["{{ messages", "{{ raise_exception('no') }}", "{{ 1 / 0 }}"])
def test_a_template_that_fails_is_refused(copy_of, content):
    folder = copy_of(QWEN)
    (folder / "chat_template.jinja").write_text(content)
    assert "its chat template writes" in refusal_of(folder).text


def test_an_older_processors_template_counts_too(copy_of):
    folder = copy_of(QWEN)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "A: " + QWENS}))
    assert "its chat template writes 'A: " in refusal_of(folder).text
    (folder / "chat_template.json").write_text("[]")
    assert "holds no chat template" in refusal_of(folder).text


@pytest.mark.parametrize("found", ["4.57.1", "4.99", "6.0.0", "6.0.0.dev0", "3.0", "weird"])
def test_a_transformers_that_does_not_serve_is_refused_with_the_remedy(found):
    with pytest.raises(StatusError, match="pip install 'transformers>=5.0,<6'") as refusal:
        check_transformers(found)
    assert refusal.value.code == Code.MODEL_NOT_READY and found in refusal.value.text


def test_the_installed_one_serves_and_a_newer_one_is_told(caplog):
    check_transformers()
    check_transformers("5.0.0")
    assert not caplog.records
    check_transformers("5.99.1")
    assert "newer than 5.24" in caplog.text


def test_the_cache_goes_by_the_name_that_a_version_takes_it_by():
    def older(x, past_key_values=None): ...

    def newer(x, cache=None, **kwargs): ...

    assert cache_argument(older, 1) == {"past_key_values": 1}
    assert cache_argument(newer, 1) == {"cache": 1}
