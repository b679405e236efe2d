"""The table of model options against the classes that take them, and every way to be refused."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from depthlm_ros.models import options, registry
from depthlm_ros.models.compact.model import CompactDepthVLM
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.depthvlm.model import DepthVLM
from depthlm_ros.models.options import COMPACT, DEPTHLM, DEPTHVLM, parse_pairs, validate
from depthlm_ros.models.weights import checkpoint
from depthlm_ros.prompting.marker import Marker
from depthlm_ros.prompting.prompts import Style
from depthlm_ros.status import Code, StatusError

TABLE = {option.name: option for option in options.OPTIONS}
FORMATS = {
    "compact": COMPACT,
    checkpoint.DEPTHVLM: DEPTHVLM,
    checkpoint.DEPTHLM_QWEN: DEPTHLM,
    checkpoint.DEPTHLM_PIXTRAL: DEPTHLM,
}


def said(call, *arguments, **more):
    """Return the text of the StatusError that a call ends in."""
    with pytest.raises(StatusError) as caught:
        call(*arguments, **more)
    assert caught.value.code is Code.MODEL_NOT_READY and "\n" not in caught.value.text
    return caught.value.text


# -- the table --------------------------------------------------------------------------------


def test_every_format_that_is_served_has_its_family():
    assert options.FAMILIES == FORMATS


@pytest.mark.parametrize(
    "family, takers, beside",
    [
        (
            DEPTHVLM,
            [DepthVLM.__init__, DepthVLM.from_checkpoint],
            {"self", "module", "tokenizer", "name", "checkpoint", "device", "dtype", "options"},
        ),
        (COMPACT, [CompactDepthVLM.__init__], {"self", "module", "tokenizer", "name"}),
        (
            DEPTHLM,
            [DepthLM.__init__, DepthLM.from_checkpoint],
            {"self", "network", "path", "name", "checkpoint", "device", "dtype", "options"},
        ),
    ],
)
def test_the_table_has_what_the_class_takes_with_its_defaults(family, takers, beside):
    taken = {
        name: parameter.default
        for taker in takers
        for name, parameter in inspect.signature(taker).parameters.items()
        if name not in beside
    }
    if family == DEPTHLM:  # None stands for the usual one
        taken["marker"] = Marker()
    taken["calibration"] = None  # the registry's
    assert taken == {name: o.default for name, o in TABLE.items() if family in o.families}


@pytest.mark.parametrize("name", TABLE)
def test_a_default_is_a_good_value_and_so_is_its_text(name):
    option = TABLE[name]
    assert option.read(option.default) == option.default
    assert option.read(option.text_of(option.default)) == option.default
    assert option.help and option.values


def test_it_loads_no_torch():
    code = "import sys, depthlm_ros.models.options; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"


# -- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("style", "text_coordinates", "text_coordinates"),
        ("style", Style.PLAIN, "plain"),
        ("on_margin", "pad", "pad"),
        ("max_pixels", "4096", 4096),
        ("max_pixels", np.int64(268435456), 268435456),
        ("max_pixels", "none", None),
        ("max_pixels", None, None),
        ("memory_bytes", "1099511627776", 1099511627776),
        ("keep_frame", "true", True),
        ("keep_frame", "False", False),
        ("keep_frame", True, True),
        ("keep_frame", "auto", None),
        ("keep_frame", None, None),
        ("published_preprocessing", "FALSE", False),
        ("marker", "cross", Marker("cross", 5, 1)),
        ("marker", "arrow:20:3", Marker.for_untrained()),
        ("marker", "circle:9:2:00fF80", Marker("circle", 9, 2, (0, 255, 128))),
        ("marker", "circle:9:2:#0000ff", Marker("circle", 9, 2, (0, 0, 255))),
        ("marker", Marker("cross", 7), Marker("cross", 7)),
        ("marker", None, Marker()),
    ],
)
def test_values(name, text, value):
    read = TABLE[name].read(text)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    "name, value, rule",
    [
        ("style", "rude", "'rude': must be one of published, plain, text_coordinates, intrinsics"),
        ("style", "Plain", "must be one of"),
        ("style", None, "must be one of"),
        ("style", 3, "must be one of"),
        ("style", ["plain"], "must be one of"),
        ("max_pixels", "4095", "must be a whole number, 4096 to 268435456 px, none"),
        ("max_pixels", 268435457, "must be a whole number"),
        ("max_pixels", "-5000", "-5000: must be a whole number"),
        ("max_pixels", "5000.0", "must be a whole number"),
        ("max_pixels", "9" * 5000, "must be a whole number"),
        ("max_pixels", "٥٠٠٠٠", "must be a whole number"),
        ("max_pixels", 5000.0, "must be a whole number"),
        ("max_pixels", True, "must be a whole number"),
        ("max_tokens", "none", "must be a whole number, 1 to 4096"),
        ("max_tokens", None, "must be a whole number"),
        ("keep_frame", "yes", "must be one of true, false, auto"),
        ("keep_frame", 1, "must be one of true, false, auto"),
        ("published_preprocessing", "auto", "must be one of true, false"),
        ("published_preprocessing", None, "must be one of true, false"),
        ("marker", "star", "must be one of arrow, cross, circle, as in arrow:20:3:ff0000"),
        ("marker", "arrow:2", "length must be 3 to 200 px"),
        ("marker", "arrow:5:3", "stroke 1 px to half the length"),
        ("marker", "arrow:5:1:red", "colour in hexadecimal"),
        ("marker", "arrow:5:1:ff0000:x", "SHAPE:LENGTH:STROKE:RRGGBB"),
        ("marker", "arrow::1", "SHAPE:LENGTH:STROKE:RRGGBB"),
        ("marker", ("arrow", 5), "SHAPE:LENGTH:STROKE:RRGGBB"),
        ("marker", Marker("arrow", 5.5), "must be whole px"),
        ("marker", Marker(colour="red"), "three of 0 to 255"),
        ("marker", Marker(colour=7), "three of 0 to 255"),
        ("marker", Marker(colour=(1, 2)), "three of 0 to 255"),
        ("marker", Marker(colour=(1, 2, 256)), "three of 0 to 255"),
    ],
)
def test_values_that_are_none(name, value, rule):
    text = said(TABLE[name].read, value)
    assert text.startswith(f"model option {name} = ") and rule in text
    assert len(text) < 350


# -- names ------------------------------------------------------------------------------------


def test_texts_are_split_at_the_first_sign():
    assert parse_pairs([]) == {}
    assert parse_pairs(["style=plain", " max_pixels = 5000", "x=a=b"]) == {
        "style": "plain",
        "max_pixels": "5000",
        "x": "a=b",
    }


@pytest.mark.parametrize(
    "texts, rule",
    [
        (["style"], "'style': must be name=value"),
        (["=plain"], "must be name=value"),
        (["style="], "must be name=value"),
        ([""], "'': must be name=value"),
        (["style=plain", "style=ray"], "given twice, as 'plain' and 'ray'"),
        (["device=cpu"], "give --device, or the node's parameter device"),
        (["name=x"], "give --model"),
        (["quantize=int8"], "give --quantize"),
    ],
)
def test_texts_that_are_no_options(texts, rule):
    assert rule in said(parse_pairs, texts)


def test_options_get_their_types():
    texts = {"style": "ray", "marker": "cross:9", "max_pixels": "90000"}
    assert validate(DEPTHLM, texts) == {
        "style": "ray",
        "marker": Marker("cross", 9),
        "max_pixels": 90000,
    }
    assert validate(DEPTHVLM, {"max_pixels": "none"}) == {"max_pixels": None}


def test_unknown_and_foreign_options_are_refused_with_what_there_is():
    has = (
        "a DepthVLM has max_pixels, published_preprocessing, keep_frame, "
        "chat_template, calibration ("
    )
    text = said(validate, DEPTHVLM, {"max_pixles": "5000"})
    assert "'max_pixles': there is no such option" in text and has in text
    text = said(validate, DEPTHVLM, {"style": "plain"})
    assert "style = 'plain': is of DepthLM alone, and this model is a DepthVLM" in text
    assert has in text
    text = said(validate, DEPTHLM, {"keep_frame": True})
    assert "is of DepthVLM alone" in text
    assert "a DepthLM has style, marker, on_margin" in text
    assert "trust_template" not in text


def test_what_is_for_python_alone_is_unknown_as_text():
    assert validate(DEPTHLM, {"trust_template": True}) == {"trust_template": True}
    assert "no such option" in said(validate, DEPTHLM, {"trust_template": "true"})
    assert "trust_template" not in [option.name for option in options.visible()]


@pytest.mark.parametrize("other", [{"decoding": "full"}, {"style": "ray"}])
def test_a_mean_needs_digits(other):
    ((name, word),) = other.items()
    text = said(validate, DEPTHLM, {"estimate": "mean", **other})
    assert f"has no digits to take the mean of with {name} = {word!r}" in text
    assert validate(DEPTHLM, {"estimate": "greedy", **other})["estimate"] == "greedy"


# -- the registry -----------------------------------------------------------------------------


def test_the_registry_hands_them_to_a_dense_model(tiny_folder):
    model = registry.load(str(tiny_folder), "cpu", max_pixels="5000", keep_frame="true")
    assert model.path.max_pixels == 5000 and model._keep_frame
    assert not registry.load(str(tiny_folder), "cpu", keep_frame=False)._keep_frame
    assert "no such option" in said(registry.load, str(tiny_folder), "cpu", colour=3)
    assert "is of DepthLM alone" in said(registry.load, str(tiny_folder), "cpu", style="plain")
    wrong = said(registry.load, str(tiny_folder), "cpu", max_pixels="many")
    assert "max_pixels = 'many': must be a whole number" in wrong


@pytest.mark.parametrize("family", ["qwen", "pixtral"])
def test_the_registry_hands_them_to_a_point_model(reference_checkpoint, family):
    folder = str(reference_checkpoint(f"depthlm_{family}_tiny"))
    texts = parse_pairs(
        [
            "marker=cross:9:3:0000ff",
            "on_margin=pad",
            "style=plain",
            "decoding=full",
            "check=lead",
            "longest_edge=300",
            "memory_bytes=2000000",
            "max_tokens=9",
        ]
    )
    model = registry.load(folder, "cpu", **texts)
    assert model.marker == Marker("cross", 9, 3, (0, 0, 255))
    assert (model._style, model._on_margin, model.answering.by_number) == (
        Style.PLAIN,
        "pad",
        False,
    )
    assert (model.answering.whole_reply, model.answering.max_tokens, model._memory_bytes) == (
        False,
        9,
        2000000,
    )
    assert model.path.longest_edge == 300
    mean = registry.load(folder, "cpu", marker=Marker("circle", 8), estimate="mean")
    assert (mean.marker, mean.answering.estimate) == (Marker("circle", 8), "mean")
    assert "is of DepthVLM alone" in said(registry.load, folder, "cpu", keep_frame="false")
    assert "marker = 'blob'" in said(registry.load, folder, "cpu", marker="blob")
