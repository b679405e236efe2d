"""``depthlm ask`` in free words: answered by a model that writes, refused by others."""

import json

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli import main as cli
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models import registry
from depthlm_ros.models.base import QWEN3_VL_BOXES


class Writes:
    """Says what it was shown and asked."""

    name, ratio_90, speaks = "writes", 1.2, True

    def reply(self, rgb, camera, prompt):
        """Write."""
        return f"{rgb.shape} f {camera.fx:g}\n{prompt}"


@pytest.fixture
def photo(tmp_path):
    Image.linear_gradient("L").resize((8, 6)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def ask(capsys, photo, question, *argv):
    code = cli.main(["ask", str(photo), question, "--fx", "50", *argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_model_that_writes_is_asked(monkeypatch, capsys, photo, tmp_path):
    monkeypatch.setattr(registry, "load", lambda *_, **__: Writes())
    code, out, _ = ask(capsys, photo, "What is there?")
    assert (code, out) == (0, "(6, 8, 3) f 50 What is there?\n")
    out_file = tmp_path / "seen.png"
    code, out, _ = ask(capsys, photo, "Is it a door?", "--json", "--output", str(out_file))
    told = json.loads(out)
    assert code == 0 and told["success"] and told["task"] == "free"
    assert told["answer"] == "(6, 8, 3) f 50 Is it a door?" and told["source"] == "language"
    assert told["value"] is None and told["evidence"] == [] and out_file.is_file()


def test_the_embedded_model_does_not_write(capsys, photo):
    code, out, err = ask(capsys, photo, "What is there?")
    assert (code, out) == (1, "") and "BAD_QUESTION" in err and "ask for example" in err
    code, out, err = ask(capsys, photo, "Is it safe to go on?")
    assert (code, out) == (1, "") and "UNSUPPORTED: whether a way is free" in err


class Finds(Writes):
    """Depth 2 m on the left and 4 m on the right; a cup on the left for whoever asks."""

    grounding = QWEN3_VL_BOXES

    def view_of(self, camera):
        """Take the picture as it is."""
        return CanonicalView.of(camera, camera.fx)

    def depth(self, rgb, view):
        """Two walls."""
        depth = np.full((view.height, view.width), 4.0, np.float32)
        depth[:, : view.width // 2] = 2.0
        return depth

    def reply(self, rgb, camera, prompt, max_tokens=128):
        """Find cups alone."""
        box = '[{"bbox_2d": [0, 100, 500, 900], "label": "cup"}]'
        return box if "every cup," in prompt else "[]"


def test_a_model_that_finds_things_has_them_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(registry, "load", lambda *_, **__: Finds())
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((64, 48)).save(photo)
    code, out, _ = ask(capsys, photo, "What is the depth of the cup?")
    assert code == 0 and out.startswith("Along the camera's axis the cup is at 2.00 m")
    assert "Understood: cup at (" in out
    code, out, _ = ask(capsys, photo, "Is there a cup?", "-o", str(tmp_path / "out.png"))
    assert code == 0 and out.startswith("Yes, 1 of 'cup' found")
    code, _, err = ask(capsys, photo, "How far is the dog?", "--verify")
    assert code == 1 and "NOT_FOUND: no 'dog' is found in the picture" in err
