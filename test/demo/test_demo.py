"""The demonstration as a whole: real nodes, rendered scenes, photographs, in processes."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

PATIENCE_S = 600.0
DATA = Path(__file__).resolve().parent.parent / "data" / "reference"
PHOTOS = DATA / "images" / "points.jsonl"
MAKE_MODEL = """
import json, sys
from pathlib import Path
import torch
from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
from depthlm_ros.models.weights.checkpoint import write
torch.manual_seed(0)
config, tokenizer = tiny_config(), tiny_tokenizer()
module = DepthVLMModule(config, tokenizer(PREFIX)["input_ids"])
stated = {"measured": {"scenes": {"delta1": 0.125, "delta1_scaled": 0.25, "abs_rel": 0.5}}}
write(Path(sys.argv[1]), {**config, **stated}, module.published_state_dict(), tokenizer)
"""


def start(out, *options):
    """Start a demonstration; its output goes into a file beside its folder."""
    words = [sys.executable, "-m", "depthlm_ros.demo.main", "--out", str(out), *options]
    words += ["--max-age", "120"]  # however busy the machine is
    words += ["--domain", os.environ["ROS_DOMAIN_ID"]]  # no other test process is there
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with Path(f"{out}.txt").open("wb") as said:
        return subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, env=environment)


def said_by(out):
    return Path(f"{out}.txt").read_text(encoding="utf-8")


def children_of(out):
    """Return the processes that work on a demonstration's nodes, by its ROS domain."""
    domain = re.search(r"ROS domain (\d+)", said_by(out))[1]
    mark = f"ROS_DOMAIN_ID={domain}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            if b"depthlm_ros.nodes." in words and mark in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Write a tiny checkpoint of random weights; return its folder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    done = subprocess.run(
        [sys.executable, "-c", MAKE_MODEL, str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return str(folder)


@pytest.fixture(scope="module")
def shown(model, tmp_path_factory):
    """Run it whole, once; return its folder."""
    out = tmp_path_factory.mktemp("shown") / "demo"
    options = ("--model", model, "--photos", str(PHOTOS), "--seconds", "4", "--looks", "2")
    process = start(out, *options)
    assert process.wait(PATIENCE_S) == 0, said_by(out)
    assert children_of(out) == []
    return out


@pytest.fixture(scope="module")
def report(shown):
    """Return demo.json."""
    return json.loads((shown / "demo.json").read_text())


def test_both_nodes_ended_in_good_order(report):
    assert report["exit_codes"] == {"camera_node": 0, "depth_node": 0}


def test_streams_flowed(report):
    streams = report["live"]["streams"]
    for name in ("image", "depth", "points", "annotated"):
        one = streams[name]
        assert one["received"] >= 5 and one["rate_hz"] > 0
        assert 0 < one["latency_p50_ms"] <= one["latency_p95_ms"]
    assert streams["depth"]["received"] <= streams["image"]["received"]
    output = report["live"]["node"]["output"]
    assert float(output["stamp to publish p50 [ms]"]) > 0


def test_every_task_was_answered_beside_its_truth(report):
    answers = report["live"]["answers"]
    assert len(answers) == 10
    for one in answers:
        assert one["code"] == "OK"
        assert one["error_percent"] == pytest.approx(100 * (one["value"] / one["true"] - 1))
    assert {one["task"] for one in answers} == {
        "distance",
        "depth",
        "two_point_distance",
        "time",
        "speed",
    }


def test_things_are_asked_for_by_name_and_a_model_that_finds_none_says_so(report, shown):
    named = report["live"]["named"]
    assert [one["question"] for one in named[:2]] == [
        "How far is the nearest door?",
        "How far is the nearest person?",
    ]
    assert len(named) == 4 and {one["code"] for one in named} == {"UNSUPPORTED"}
    assert "cannot find named things" in said_by(shown)


def test_truths_of_one_picture_agree_with_each_other(report):
    """Time and distance of a point, and depth and speed of the other, hang together."""
    answers = report["live"]["answers"]
    checked = 0
    for at in range(0, len(answers), 5):
        distance, depth, apart, time_s, speed = answers[at : at + 5]
        if distance["stamp_ns"] == time_s["stamp_ns"]:
            assert time_s["true"] == pytest.approx(distance["true"] / 0.5)
            checked += 1
        if depth["stamp_ns"] == speed["stamp_ns"]:
            assert speed["true"] * 4.0 >= depth["true"] - 1e-6
        if distance["stamp_ns"] == apart["stamp_ns"] == speed["stamp_ns"]:
            assert apart["true"] <= distance["true"] + 4.0 * speed["true"] + 1e-6
    assert checked


def test_refusals_have_a_code_and_a_sentence(report, shown):
    codes = [one["code"] for one in report["live"]["refusals"]]
    assert codes == ["OUT_OF_IMAGE", "BAD_QUESTION", "BAD_QUESTION"]
    assert all(one["text"] in said_by(shown) for one in report["live"]["refusals"])


def test_accuracy_of_the_run_is_of_all_points_asked(report):
    ours = report["live"]["accuracy_of_this_run"]
    assert 20 <= ours["points"] <= 40 and ours["read"] == ours["points"]
    assert 0 <= ours["delta1"] <= report["live"]["best_constant"]["delta1"] + 0.5
    assert ours["abs_rel"] > 0


def test_photographs_are_compared_with_their_labels(report):
    lines = [json.loads(line) for line in PHOTOS.read_text().splitlines()]
    each = report["photographs"]["each"]
    assert list(each) == [Path(line["image"]).stem for line in lines]
    labelled = [sum(metres > 0 for metres in line["depth"]) for line in lines]
    assert [one["points"] for one in each.values()] == labelled
    total = report["photographs"]["all"]
    assert total["points"] == sum(labelled)
    right = sum(round(one["delta1"] * one["points"]) for one in each.values())
    assert total["delta1"] == pytest.approx(right / sum(labelled))


def test_there_are_files_to_look_at(shown):
    for name in ("contact_sheet.png", "photographs.png"):
        pixels = cv2.imread(str(shown / name))
        assert min(pixels.shape[:2]) > 300 and pixels.std() > 20
    head = (shown / "cloud.ply").read_bytes()[:400].decode("latin-1")
    assert int(re.search(r"element vertex (\d+)", head)[1]) > 10_000
    assert not list(shown.glob("*.part"))


def test_what_is_said_names_the_model_s_own_figure_the_numbers_and_the_files(shown, report):
    said = said_by(shown)
    assert re.search(r"scenes +0.125 +0.250 +0.500 +-\n", said)
    assert f"{report['live']['accuracy_of_this_run']['delta1']:.3f}" in said
    for name in ("contact_sheet.png", "photographs.png", "cloud.ply", "demo.json"):
        assert str(shown / name) in said
    assert "nan" not in said.lower().split()


def test_without_weights_it_fails_with_a_sentence_and_leaves_nothing_running(tmp_path):
    out = tmp_path / "demo"
    out.mkdir()
    (out / "demo.json").write_text("{}")  # of an earlier run
    process = start(out, "--model", str(tmp_path / "nowhere"), "--no-photos")
    assert process.wait(PATIENCE_S) == 1
    assert "the demonstration failed: model" in said_by(out)
    assert "Traceback" not in said_by(out)
    assert not (out / "demo.json").exists()
    assert children_of(out) == []


def test_weights_that_cannot_be_used_are_told_in_the_node_s_words(model, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text((Path(model) / "config.json").read_text())
    out = tmp_path / "demo"
    assert start(out, "--model", str(broken), "--no-photos").wait(PATIENCE_S) == 1
    assert "depth_node has no model" in said_by(out) and "safetensors" in said_by(out)
    assert children_of(out) == []


def test_ctrl_c_ends_everything(model, tmp_path):
    out = tmp_path / "demo"
    process = start(out, "--model", model, "--no-photos", "--keep", "--seconds", "600")
    end = time.monotonic() + PATIENCE_S
    while "round 1" not in said_by(out):
        assert process.poll() is None and time.monotonic() < end, said_by(out)
        time.sleep(0.05)
    assert len(children_of(out)) == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    assert children_of(out) == []
    assert "Traceback" not in said_by(out)


def test_keep_goes_on_and_ends_well_with_ctrl_c(model, tmp_path):
    out = tmp_path / "demo"
    process = start(
        out, "--model", model, "--no-photos", "--keep", "--seconds", "1", "--looks", "1"
    )
    end = time.monotonic() + PATIENCE_S
    while "Ctrl-C ends it" not in said_by(out):
        assert process.poll() is None and time.monotonic() < end, said_by(out)
        time.sleep(0.05)
    assert len(children_of(out)) == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0, said_by(out)
    assert children_of(out) == []
    assert math.isfinite(json.loads((out / "demo.json").read_text())["live"]["answers"][0]["true"])
