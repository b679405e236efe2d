"""``depthlm ask`` in-process: answers, refusals, drawings."""

import json

import numpy as np
import pytest
from command_line import Marker, Plane, ask, calibration, run
from PIL import Image

from depthlm_ros.models import registry


def test_ask_answers_in_a_sentence(use, photo, capsys):
    """Pixel (7, 5) at 2 m depth: sqrt(4 + 0.49 + 0.25) = 2.177 m."""
    use(Plane())
    code, out, _ = ask(capsys, photo, "How far is this point?", "--at", 7, 5)
    assert code == 0
    assert out.startswith("The point is at a distance of 2.18 m (90 % between")


@pytest.mark.parametrize(
    "question, at, task, value, unit",
    [
        ("How far is the point at (7, 5)?", (), "distance", 2.17715, "m"),
        ("What is the depth at (7, 5)?", (), "depth", 2.0, "m"),
        ("How far is the image centre?", (), "distance", 2.0, "m"),
        ("How far is this point?", (), "distance", 2.0, "m"),
        ("How fast must I go to reach it in 4 s?", (3.5, 2.5), "speed", 0.5, "m/s"),
        ("How long do I need to this point at 0.5 m/s?", (3.5, 2.5), "time", 4.0, "s"),
        ("How far apart are these two points?", (1, 2, 6, 2), "two_point_distance", 1.0, "m"),
    ],
)
def test_every_task(use, photo, capsys, question, at, task, value, unit):
    use(Plane())
    points = [word for i in range(0, len(at), 2) for word in ("--at", *at[i : i + 2])]
    code, out, _ = ask(capsys, photo, question, *points, "--json")
    answer = json.loads(out)
    assert code == 0 and answer["success"]
    assert (answer["task"], answer["unit"]) == (task, unit)
    assert answer["value"] == pytest.approx(value, rel=1e-4)
    assert answer["low"] < answer["value"] < answer["high"]
    assert answer["source"] == "dense"


def test_a_point_model_answers_too(use, photo, capsys):
    use(Marker())
    code, out, _ = ask(capsys, photo, "How far is this point?", "--at", 3, 2, "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["value"], answer["low"], answer["high"]) == (3.0, 2.5, 3.6)
    assert answer["source"] == "marker"


@pytest.mark.parametrize(
    "question, at, code",
    [
        ("How far is this point?", (80, 2), "OUT_OF_IMAGE"),
        ("How far is it?", (), "BAD_QUESTION"),
        ("Hello there", (3, 2), "BAD_QUESTION"),
        ("How far is the cup?", (), "UNSUPPORTED"),
        ("", (3, 2), "BAD_QUESTION"),
        ("How far is the point at (2, 2)\x00?", (), "BAD_QUESTION"),
    ],
)
def test_a_refusal_has_its_code_and_no_number(use, photo, capsys, question, at, code):
    use(Plane())
    points = ["--at", *at] if at else []
    exit_code, out, _ = ask(capsys, photo, question, *points, "--json")
    answer = json.loads(out)
    assert exit_code == 1 and not answer["success"]
    assert answer["code"] == code and answer["text"]
    assert answer["value"] is answer["low"] is answer["high"] is None
    exit_code, out, err = ask(capsys, photo, question, *points)
    assert exit_code == 1 and out == "" and code in err


def test_a_question_that_makes_no_sense_loads_no_model(photo, capsys, monkeypatch):
    def load(*_, **__):
        raise AssertionError("loaded")

    monkeypatch.setattr(registry, "load", load)
    assert ask(capsys, photo, "Hello there")[0] == 1


def test_points_are_of_the_picture_as_taken(use, photo, tmp_path, capsys):
    """The answer at a pixel of a distorted picture is that of its ray: by the lens, not by K."""
    use(Plane())
    info = calibration(tmp_path, d=0.2)
    argv = ["ask", photo, "--camera-info", info, "What is the depth here?", "--at", 6, 4]
    code, out, _ = run(capsys, *argv, "--json")
    (point,) = json.loads(out)["evidence"]
    assert code == 0
    ray = np.array(point["point_m"][:2]) / 2.0
    r2 = ray @ ray
    u, v = ray * (1 + 0.2 * r2) * (10.0, 12.0) + (3.5, 2.5)
    assert (u, v) == pytest.approx((6.0, 4.0), abs=1e-4)
    assert point["pixel"] == [6.0, 4.0]


def test_a_region_of_the_picture_as_taken(use, photo, tmp_path, capsys):
    use(Plane())
    info = calibration(tmp_path, d=0.2)
    argv = ["ask", photo, "--camera-info", info, "What is the depth of this?", "--json"]
    code, out, _ = run(capsys, *argv, "--region", 2, 1, 4, 3)
    answer = json.loads(out)
    assert code == 0, answer
    assert answer["value"] == pytest.approx(2.0)  # the plane of the fake model
    u, v = answer["evidence"][0]["pixel"]
    assert 1.5 <= u <= 5.5 and 0.5 <= v <= 3.5
    for sides, refusal in (((2, 1, 4, 0), "BAD_QUESTION"), ((2, 1, 40, 3), "OUT_OF_IMAGE")):
        code, out, _ = run(capsys, *argv, "--region", *sides)
        assert (code, json.loads(out)["code"]) == (1, refusal)


def test_ask_draws_the_points(use, photo, tmp_path, capsys):
    use(Plane())
    big = tmp_path / "big.png"
    seen = np.full((120, 160, 3), 90, np.uint8)
    seen[:20] = 30
    Image.fromarray(seen).save(big)
    drawn = tmp_path / "drawn.png"
    assert (
        ask(capsys, big, "How far is this point?", "--at", 80, 60, "-o", drawn, "--fx", 100)[0]
        == 0
    )
    pixels = np.asarray(Image.open(drawn))
    assert pixels.shape == (120, 160, 3)
    assert (pixels[60, 80] == 90).all() and (pixels != seen).any()


def test_a_question_before_the_picture_is_told_the_order(photo, capsys):
    code, _, said = run(capsys, "ask", "How far is this point?", photo, "--fx", 50)
    assert code == 1 and f"the picture comes first: depthlm ask {photo}" in said
