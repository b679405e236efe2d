"""Models on the command line: which there are, their options on every command, and the doctor."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli import main as cli
from depthlm_ros.cli.doctor import report as doctor
from depthlm_ros.cli.doctor.finding import FAIL, OK
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models import device_memory, options, registry
from depthlm_ros.status import StatusError


class Plane:
    """Everything is 2 m away along the axis."""

    name, ratio_90 = "plane", 1.25

    def view_of(self, camera):
        """Ask for the picture as it is."""
        return CanonicalView.of(camera, camera.fx)

    def depth(self, rgb, view):
        """Say 2 m."""
        return np.full((view.height, view.width), 2.0, np.float32)


@pytest.fixture
def asked(monkeypatch):
    """Make registry.load give a plane; return what it was asked for, filled by the call."""
    seen = {}

    def load(name, device, dtype, revision, **more):
        seen.update(name=name, revision=revision, **more)
        return Plane()

    monkeypatch.setattr(registry, "load", load)
    return seen


@pytest.fixture
def photo(tmp_path):
    """Return the path of a grey picture of 160 x 120 px."""
    Image.linear_gradient("L").resize((160, 120)).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(capsys, *argv):
    """Return (exit code, stdout, stderr) of the command line."""
    try:
        code = cli.main([str(word) for word in argv])
    except SystemExit as end:  # argparse: usage errors
        code = end.code
    out = capsys.readouterr()
    return code, out.out, out.err


# -- which models there are -------------------------------------------------------------------


def test_announced_models_are_listed_without_a_place(capsys):
    code, out, _ = run(capsys, "models", "--json")
    models = {model["name"]: model for model in json.loads(out)["models"]}
    assert code == 0 and models["embedded"]["on_this_machine"] == "yes"
    sizes = {"depthvlm-8b": 8807, "depthlm-3b": 3755, "depthlm-7b": 8292}
    for name, millions in sizes.items():
        model = models[name]
        assert (model["source"], model["on_this_machine"], model["folder"]) == (None, "no", None)
        assert model["parameters_m"] == millions and "announced" in model["remark"]
        assert model["weights_gb"] == pytest.approx(2e-3 * millions, abs=0.05)
    _, out, _ = run(capsys, "models")
    (line,) = [line for line in out.splitlines() if line.startswith("depthlm-7b")]
    assert line.split()[1:3] == ["-", "points"]


@pytest.mark.parametrize("argv", [["fetch", "depthlm-7b"], ["depth", "a.png", "--model"]])
def test_an_announced_model_is_refused_with_what_to_give(capsys, photo, tmp_path, argv):
    if argv[0] == "depth":
        argv = ["depth", photo, "--fx", 100, "-o", tmp_path / "o", "--model", "depthlm-7b"]
    code, out, err = run(capsys, *argv)
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert "'depthlm-7b' is announced" in err and "give its folder or its hub id" in err


# -- options ----------------------------------------------------------------------------------


def test_models_lists_the_options(capsys):
    code, out, _ = run(capsys, "models", "--options", "--json")
    told = {option["name"]: option for option in json.loads(out)["options"]}
    assert code == 0 and list(told) == [option.name for option in options.visible()]
    assert told["marker"] == {
        "name": "marker",
        "of": ["DepthLM"],
        "default": "arrow:5:1:ff0000",
        "values": "SHAPE:LENGTH:STROKE:RRGGBB",
        "says": told["marker"]["says"],
    }
    code, out, _ = run(capsys, "models", "--options")
    lines = out.splitlines()
    assert code == 0 and lines[0].split() == ["option", "of", "default", "values"]
    at = [i for i, line in enumerate(lines) if line.startswith("max_pixels ")][0]
    cells = [
        "max_pixels",
        "DepthVLM,",
        "DepthLM,",
        "compact",
        "DepthVLM",
        "none",
        "4096",
        "to",
        "268435456",
        "px,",
    ]
    assert lines[at].split() == [*cells, "none"]
    assert lines[at + 1].startswith("    cap on the area")


def test_options_reach_the_model_of_depth_and_ask(asked, capsys, photo, tmp_path):
    more = ["--option", "marker=cross:9", "--option", "style=plain"]
    argv = ["depth", photo, "--fx", 100, "-o", tmp_path / "o", *more]
    assert run(capsys, *argv)[0] == 0
    expected = {"name": "embedded", "revision": None, "quantize": "none", "calibrated": True}
    assert asked == {**expected, "marker": "cross:9", "style": "plain"}
    asked.clear()
    argv = ["ask", photo, "--fx", 100, "How far is this?", "--at", 9, 9, "--revision", "v2"]
    assert run(capsys, *argv, "--option", "check=lead", "--quantize", "fp8")[0] == 0
    assert asked == {**expected, "revision": "v2", "quantize": "fp8", "check": "lead"}


@pytest.mark.parametrize("text", ["style", "=plain", "style=", ""])
@pytest.mark.parametrize("command", ["depth a.png -o o --fx 5", "ask a.png q --fx 5", "doctor"])
def test_an_option_of_another_form_makes_no_sense(capsys, command, text):
    code, out, err = run(capsys, *command.split(), "--option", text)
    assert (code, out) == (2, "") and "must be NAME=VALUE" in err


@pytest.mark.parametrize(
    "texts, said",
    [
        (["colour=red"], "'colour': there is no such option; a compact DepthVLM has max_pixels"),
        (["style=plain"], "is of DepthLM alone"),
        (["max_pixels=12"], "max_pixels = 12: must be a whole number, 4096 to"),
        (["max_pixels=5000", "max_pixels=6000"], "is given twice"),
        (["dtype=float16"], "give --dtype"),
    ],
)
def test_a_wrong_option_is_one_sentence(capsys, photo, tmp_path, texts, said):
    more = [word for text in texts for word in ("--option", text)]
    argv = ["depth", photo, "--fx", 130, "-o", tmp_path / "o", *more]
    code, out, err = run(capsys, *argv)
    assert (code, out) == (1, "") and err.startswith("depthlm: MODEL_NOT_READY: model option")
    assert said in err and err.count("\n") == 1
    code, out, _ = run(capsys, *argv, "--json")
    assert code == 1 and json.loads(out)["code"] == "MODEL_NOT_READY"


def test_an_option_changes_what_a_real_model_sees(capsys, photo, tmp_path):
    from depthlm_ros.models.compact import model as compact

    views = []

    class Watched(compact.CompactDepthVLM):
        """Notes what it sees."""

        def depth(self, rgb, view):
            """Note the size."""
            views.append((view.width, view.height))
            return super().depth(rgb, view)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact, "CompactDepthVLM", Watched)
        argv = ["depth", photo, "--fx", 125, "-o", tmp_path / "o", "--device", "cpu"]
        assert run(capsys, *argv)[0] == 0
        assert run(capsys, *argv, "--option", "max_pixels=5000")[0] == 0
    # Unified focal length 250: twice the picture, in cells of 32 px, 10 and 7.5 (half to even, 8);
    # then sqrt(5000 / 76800) of each side, 81.6 and 61.2 px, rounded down: 2 and 1.
    assert views == [(320, 256), (64, 32)]


def test_bench_accuracy_takes_them_too(asked, capsys, tmp_path):
    line = {"image": "photo.png", "intrinsics": [100, 100, 79.5, 59.5, 160, 120]}
    line |= {"pixel_coords": [[80, 60]], "depth": [2.0]}
    (tmp_path / "data.jsonl").write_text(json.dumps(line) + "\n")
    Image.linear_gradient("L").resize((160, 120)).convert("RGB").save(tmp_path / "photo.png")
    more = "--option estimate=mean --option marker=circle:8 --quantize int8 --revision r".split()
    argv = ["bench", "accuracy", "--data", tmp_path / "data.jsonl", "--json", *more]
    code, out, err = run(capsys, *argv)
    assert code == 0, err
    assert asked == {
        "name": "embedded",
        "calibrated": True,
        "revision": "r",
        "quantize": "int8",
        "estimate": "mean",
        "marker": "circle:8",
    }
    figures = json.loads(out)
    assert figures["total"]["delta1"] == 1.0
    assert figures["options"] == ["estimate=mean", "marker=circle:8"]
    code, out, err = run(capsys, *argv, "--option", "estimate=greedy")
    assert (code, out) == (1, "") and "estimate: is given twice" in err


# -- a model that cannot measure --------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_qwen(tmp_path_factory):
    """Return the folder of a Qwen3-VL without a depth head."""
    import torch

    from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
    from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
    from depthlm_ros.models.weights import checkpoint

    torch.manual_seed(20)
    tokenizer, config = tiny_tokenizer(), tiny_config()
    state = DepthVLMModule(config, tokenizer(PREFIX)["input_ids"]).published_state_dict()
    state = {name: value for name, value in state.items() if not name.startswith("depth_head.")}
    folder = tmp_path_factory.mktemp("qwen")
    del config["depth_head_type"]
    checkpoint.write(folder, config, state, tokenizer)
    return folder


def looked_at(model, **changed):
    given = {"revision": None, "device": "cpu", "dtype": "auto", "quantize": "none", "option": []}
    return doctor.model(SimpleNamespace(model=str(model), **{**given, **changed}))


def test_a_plain_qwen_is_refused_everywhere(plain_qwen, capsys):
    (finding,) = looked_at(plain_qwen)
    assert finding.level == FAIL and "without depth head" in finding.text
    assert "depthlm models" in finding.remedy
    with pytest.raises(StatusError, match="UNSUPPORTED.*cannot measure"):
        registry.load(str(plain_qwen), "cpu")
    code, out, err = run(capsys, "bench", "speed", "--model", plain_qwen, "--device", "cpu")
    assert (code, out) == (1, "") and err.startswith("UNSUPPORTED") and err.count("\n") == 1


# -- the doctor -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A checkpoint of 5 million numbers, a byte each when quantised."""

    quantizer: object = None
    format, folder, parameters = "depthvlm", "/models/x", 5_000_000

    def need_bytes(self, dtype):
        """Return bytes in this type."""
        return self.parameters * (1 if self.quantizer else dtype.itemsize)


@pytest.mark.parametrize(
    "quantize, free, level, said",
    [
        ("none", 19e6, FAIL, "weights need 0.02 GB in float32; cpu has 0.0 GB"),
        ("int8", 19e6, OK, "weights need 0.01 GB in float32 and int8; cpu has 0.0 GB"),
        ("int8", 4e6, FAIL, "float32 and int8"),
    ],
)
def test_need_is_that_of_quantised_weights(monkeypatch, quantize, free, level, said):
    monkeypatch.setattr(registry, "locate", lambda *_: Opened())
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: free)
    found = looked_at("x", quantize=quantize)[-1]
    assert (found.what, found.level) == ("memory", level) and said in found.text
    assert level == OK or "--quantize int8" in found.remedy


def test_a_quantizer_that_is_missing_is_a_finding(monkeypatch):
    import sys

    monkeypatch.setattr(registry, "locate", lambda *_: Opened())
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    finding = looked_at("x", quantize="int8")[-1]
    assert finding.level == FAIL and "pip install 'torchao" in finding.text


def test_options_are_looked_at(monkeypatch):
    monkeypatch.setattr(registry, "locate", lambda *_: Opened())
    monkeypatch.setattr(device_memory, "free_device_bytes", lambda _: 1e9)
    right = looked_at("x", option=["max_pixels=5000", "keep_frame=true"])[1]
    assert (right.level, right.what) == (OK, "model options")
    assert right.text == "max_pixels=5000, keep_frame=true"
    wrong = looked_at("x", option=["style=plain"])[1]
    assert wrong.level == FAIL and "is of DepthLM alone" in wrong.text


def test_an_announced_model_cannot_be_fetched():
    (finding,) = looked_at("depthlm-3b")
    assert finding.level == FAIL and "announced" in finding.text
    assert finding.remedy.startswith("give --model a folder")
