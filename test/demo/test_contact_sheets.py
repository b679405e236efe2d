"""Photographs, sheets, command line and surroundings of the demonstration, without nodes."""

import json
import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml

from depthlm_ros.client import Reading, Reply
from depthlm_ros.demo import contact_sheets, context, image_folder_run, tables
from depthlm_ros.demo import main as demo
from depthlm_ros.demo.keep_running import instructions
from depthlm_ros.demo.live_run import Checked, QuestionRound, stamp_of_most
from depthlm_ros.demo.node_processes import DemoError
from depthlm_ros.demo.questions import questions_about, questions_by_name
from depthlm_ros.demo.subscriber import Inbox, metres_of
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.interval import UNKNOWN
from depthlm_ros.status import Code
from depthlm_ros.visualization import colormap, contact_sheet

CAMERA = PinholeCamera(100.0, 100.0, 79.5, 59.5, 160, 120)
NAN = float("nan")


def reading(pixel, metres, code=Code.OK):
    point = (0.0, 0.0, metres)
    return Reading(code, "", pixel, metres, metres, NAN, NAN, point, "camera", 7, "dense", UNKNOWN)


def reply(value=2.0, code=Code.OK, text="", evidence=(), stamp_ns=7, low=NAN, high=NAN):
    unit = "m"
    words = ("", "distance", value, unit, low, high, tuple(evidence), "dense", "camera")
    return Reply(code, text, *words, stamp_ns, 0.1, 0.01, UNKNOWN)


def look(true_m=2.0, said_m=3.0):
    asked = questions_about((40, 60), (120, 60))
    answers = [Checked(asked[0], reply(said_m, evidence=[reading((40.0, 60.0), said_m)]), true_m)]
    rgb = np.full((120, 160, 3), 90, np.uint8)
    depth = np.full((120, 160), said_m, np.float32)
    true = np.full((120, 160), true_m, np.float32)
    frame, depth_map = Frame(rgb, CAMERA, 7), DepthMap(depth, CAMERA, 7)
    return QuestionRound(answers, np.array([said_m]), np.array([true_m]), frame, depth_map, true)


# -- photographs ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Give a folder of two different pictures with labels."""
    lines = []
    for number, shade in enumerate((40, 200)):
        pixels = np.full((48, 64, 3), shade, np.uint8)
        pixels[:, : 20 + 20 * number] = 120
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        entry = {"image": f"{number}.png", "intrinsics": [50, 50, 31.5, 23.5, 64, 48]}
        lines.append({**entry, "pixel_coords": [[1, 2], [3, 4]], "depth": [1.0, 2.5 + number]})
    (tmp_path / "points.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path


def test_labels_are_read(folder):
    first, second = image_folder_run.load_photographs(folder / "points.jsonl")
    assert (first.name, second.path) == ("0", folder / "1.png")
    np.testing.assert_array_equal(second.pixels, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(second.depth_m, [1.0, 3.5])


def test_a_broken_line_is_told_and_skipped_and_nothing_at_all_fails(folder, capsys):
    path = folder / "points.jsonl"
    first, second = path.read_text().splitlines()
    bare = {key: json.loads(second)[key] for key in ("image", "intrinsics")}
    path.write_text("\n".join([first.replace("[1.0, 2.5]", "[1.0]"), second, json.dumps(bare)]))
    assert [one.name for one in image_folder_run.load_photographs(path)] == ["1"]
    assert f"{path}, line 1 is skipped" in capsys.readouterr().out
    path.write_text(json.dumps(bare))
    with pytest.raises(DemoError, match="no picture has labels"):
        image_folder_run.load_photographs(path)
    path.write_text("nonsense")
    with pytest.raises(DemoError, match="points.jsonl"):
        image_folder_run.load_photographs(path)


def test_photographs_are_found_in_order(folder, monkeypatch, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "points.jsonl"
    other.write_text("{}")
    monkeypatch.setattr(image_folder_run, "KNOWN_PLACE", other)
    monkeypatch.delenv("DEPTHLM_PHOTOS", raising=False)
    assert image_folder_run.find_photographs(None)[0] == other
    monkeypatch.setenv("DEPTHLM_PHOTOS", str(folder))
    assert image_folder_run.find_photographs(None)[0] == folder / "points.jsonl"
    assert image_folder_run.find_photographs(str(other))[0] == other


def test_no_photographs_are_told_in_a_line_but_missing_ones_fail(monkeypatch, tmp_path):
    monkeypatch.setattr(image_folder_run, "KNOWN_PLACE", tmp_path / "points.jsonl")
    monkeypatch.delenv("DEPTHLM_PHOTOS", raising=False)
    found, said = image_folder_run.find_photographs(None)
    assert found is None and "none at hand" in said
    with pytest.raises(DemoError, match="--photos"):
        image_folder_run.find_photographs(str(tmp_path / "nowhere.jsonl"))


def test_pictures_are_told_apart_even_after_jpeg(folder):
    pictures = [cv2.imread(str(folder / f"{n}.png"))[..., ::-1] for n in range(2)]
    known = [image_folder_run.thumbnail(np.ascontiguousarray(rgb)) for rgb in pictures]
    _, data = cv2.imencode(".jpg", pictures[1][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    seen = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    assert image_folder_run.recognise(seen, known) == 1
    assert image_folder_run.recognise(np.zeros((48, 64, 3), np.uint8), known) is None


def test_totals_count_labels_alike(folder):
    read = [
        image_folder_run.ReadPhotograph(one, one.depth_m * factor, None, None)
        for one, factor in zip(
            image_folder_run.load_photographs(folder / "points.jsonl"), (1.0, 2.0), strict=True
        )
    ]
    total, constant = image_folder_run.totals(read)
    assert (total.points, total.delta1, total.delta1_scaled) == (4, 0.5, 1.0)
    assert total.abs_rel == pytest.approx(0.5)
    assert constant.delta1 == 0.5  # truths 1, 1, 2.5, 3.5: no more than two are alike


@pytest.mark.parametrize(
    ("latency_s", "hertz"), [(0.05, 2.0), (1.0, 0.67), (30.0, 0.2), (NAN, 0.2)]
)
def test_photographs_are_played_as_fast_as_they_can_be_read(latency_s, hertz):
    assert image_folder_run.rate_for(latency_s) == hertz


# -- sheets ---------------------------------------------------------------------------------------


def test_scene_sheet_has_a_row_for_each_look_on_one_scale():
    rounds = [look(2.0, 3.0), look(4.0, 2.0)]
    drawn = contact_sheets.scene_sheet(rounds)
    low, high = contact_sheets.common_range([one.true_depth_m for one in rounds])
    assert (low, high) == (pytest.approx(0.95 * 2), pytest.approx(1.05 * 4))
    bare = contact_sheet.contact_sheet(
        [[rounds[0].frame.rgb] * 5] * 2, contact_sheets.TITLES, contact_sheets.CELL_PX
    )
    assert drawn.shape[1] == bare.shape[1] and drawn.shape[0] > bare.shape[0]
    # The second cell of the first row is the truth, 2 m, in the colour of the common scale.
    expected = colormap.colourise(np.full((1, 1), 2.0, np.float32), low, high)[0, 0]
    cell = drawn[100:200, contact_sheets.CELL_PX + 200 : contact_sheets.CELL_PX + 300]
    assert (np.abs(cell.astype(int) - expected.astype(int)) <= 2).all()


def test_looks_without_pictures_are_left_out():
    empty = QuestionRound([], np.zeros(0), np.zeros(0))
    assert (
        contact_sheets.scene_sheet([empty, look()]).shape
        == contact_sheets.scene_sheet([look()]).shape
    )
    assert contact_sheets.cloud_of([empty]) is None
    assert contact_sheets.cloud_of([empty, look()])[0].depth_m[0, 0] == 3.0


def test_readings_of_another_picture_are_not_drawn_on_this_one():
    one = look()
    assert [r.pixel for r in contact_sheets.readings_on(one)] == [(40.0, 60.0)]
    late = reply(3.0, evidence=[reading((9.0, 9.0), 3.0)], stamp_ns=8)
    one.answers.append(Checked(one.answers[0].asked, late, 2.0))
    assert [r.pixel for r in contact_sheets.readings_on(one)] == [(40.0, 60.0)]


def test_photograph_sheet_has_two_photographs_a_row(folder):
    read = [
        image_folder_run.ReadPhotograph(one, one.depth_m, look().frame, look().depth_map)
        for one in image_folder_run.load_photographs(folder / "points.jsonl")
    ]
    wide, taller = (
        contact_sheets.photograph_sheet(read),
        contact_sheets.photograph_sheet([*read, read[0]]),
    )
    assert wide.shape[1] == taller.shape[1] > 6 * contact_sheets.PHOTO_CELL_PX
    assert taller.shape[0] - wide.shape[0] >= contact_sheets.PHOTO_CELL_PX * 120 // 160
    assert contact_sheets.short_figures(read[0]) == "delta1 1.00, scaled 1.00"


def test_the_scale_is_as_wide_as_two_cells_under_the_second():
    sheet_of_five = np.zeros((50, 500, 3), np.uint8)
    drawn = contact_sheets.on_scale(sheet_of_five, 0.9, 4.2, 100)
    strip = drawn[50:]
    assert (strip[:, :100] == (20, 22, 26)).all() and (strip[:, 300:] == (20, 22, 26)).all()
    near, far = (colormap.colourise(np.float32([[d]]), 0.9, 4.2) for d in (0.9, 4.2))
    rows = strip[: strip.shape[0] // 3, 100:300].reshape(-1, 3).tolist()
    assert near[0, 0].tolist() in rows and far[0, 0].tolist() in rows


def test_the_picture_shown_is_the_one_that_most_pixels_were_read_in():
    asked = questions_about((40, 60), (120, 60))  # distance A, depth B, A to B, time A, speed B
    stamps = (5, 5, 6, 6, 6)
    found = [Checked(a, reply(stamp_ns=s), 2.0) for a, s in zip(asked, stamps, strict=True)]
    assert stamp_of_most(found) == 5  # two pixels in either: the earlier
    assert stamp_of_most(found[1:]) == 6  # one pixel in 5, two in 6
    assert stamp_of_most([Checked(asked[0], reply(NAN, Code.STALE), NAN)]) == 0


def test_labels_are_dots_in_the_colours_of_the_scale(folder):
    one = image_folder_run.load_photographs(folder / "points.jsonl")[0]
    one = image_folder_run.Photograph(one.path, np.array([[30.0, 20.0]]), np.array([2.0]))
    drawn = contact_sheets.with_labels(np.full((48, 64, 3), 100, np.uint8), one, 1.0, 3.0)
    expected = colormap.colourise(np.full((1, 1), 2.0, np.float32), 1.0, 3.0)[0, 0]
    np.testing.assert_array_equal(drawn[20, 30], expected)
    np.testing.assert_array_equal(drawn[40, 60], [35, 35, 35])


def test_text_stays_in_its_panel():
    panel = contact_sheets.text_panel(["W" * 60] * 20, (240, 320))
    assert panel.shape == (240, 320, 3)
    ink = (panel != np.array([20, 22, 26])).any(axis=2)
    assert ink.any() and not ink[:, -6:].any() and not ink[-4:].any()


# -- words ----------------------------------------------------------------------------------------


def test_answers_table_tells_answer_interval_truth_and_error():
    asked = questions_about((40, 60), (120, 60))
    said = Checked(asked[0], reply(3.0, low=2.5, high=3.75), 2.0)
    line = tables.answers_table([said])[1]
    for part in ("(40, 60)", "3.00 m", "2.50 to 3.75", "2.00 m", "+50 %"):
        assert part in line
    refused = Checked(asked[0], reply(NAN, Code.STALE, "too old"), NAN)
    lines = tables.answers_table([refused, refused])
    assert len(lines) == 4 and lines[1].endswith("STALE") and lines[3] == "STALE: too old"
    assert "nan" not in " ".join(tables.answer_lines([refused]))


def test_what_the_model_says_of_itself_is_told_whole():
    measured = {"scenes": {"delta1": 0.51234567, "pictures": 300}, "note": "held out"}
    expected = ["scenes:", "  delta1: 0.5123", "  pictures: 300", "note: held out"]
    assert tables.measured_table(measured) == expected


def test_what_publish_states_is_told_as_a_table():
    row = {"pictures": 200, "points": 40000, "delta1": 0.61, "delta1_scaled": 0.7, "abs_rel": 0.21}
    measured = {"200 held-out scenes": {**row, "best_constant": {"delta1": 0.31}}, "by": "us"}
    by, head, line = tables.measured_table(measured)
    assert by == "by: us"
    assert head.split() == ["delta1", "delta1,", "scaled", "AbsRel", "best", "constant,", "delta1"]
    assert line.split() == ["200", "held-out", "scenes", "0.610", "0.700", "0.210", "0.310"]


# -- surroundings ---------------------------------------------------------------------------------


def test_parameters_keep_their_type_through_yaml():
    values = {"a": 5.0, "b": True, "c": 3, "d": "12", "e": None, "f": "/Bob's b/c"}
    words = context.ros_arguments(values)
    assert words[0] == "--ros-args" and words[1::2] == ["-p"] * 5
    pairs = dict(word.split(":=", 1) for word in words[2::2])
    read = {name: yaml.safe_load(text) for name, text in pairs.items()}
    assert read == {"a": 5.0, "b": True, "c": 3, "d": "12", "f": "/Bob's b/c"}
    assert [type(read[name]) for name in "abc"] == [float, bool, int]


def test_domain_and_profile_are_set_and_a_choice_stays(monkeypatch):
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    assert context.prepare_ros(33) == 33 and os.environ["ROS_DOMAIN_ID"] == "33"
    assert os.environ["FASTDDS_DEFAULT_PROFILES_FILE"].endswith("config/fastdds.xml")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "mine.xml")
    assert 10 <= context.prepare_ros(None) < 100
    assert os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] == "mine.xml"
    told = "\n".join(instructions(33))
    assert "ROS_DOMAIN_ID=33" in told and "mine.xml" in told and "/depthlm/ask" in told


@pytest.mark.parametrize(
    "words", [["--rate", "0"], ["--seconds", "-1"], ["--seed", "-1"], ["--domain", "102"]]
)
def test_nonsense_on_the_command_line_is_refused(words, capsys):
    with pytest.raises(SystemExit) as caught:
        demo.arguments(words)
    assert caught.value.code == 2 and words[0] in capsys.readouterr().err


def test_inbox_keeps_the_newest_messages_and_every_arrival():
    clock = iter(range(100, 200))
    inbox = Inbox(kept=2, clock=lambda: next(clock))
    for sec in (1, 2, 3):
        stamp = SimpleNamespace(sec=sec, nanosec=5)
        inbox.add(SimpleNamespace(header=SimpleNamespace(stamp=stamp), number=sec))
    assert inbox.stamps() == [2_000_000_005, 3_000_000_005]
    assert inbox.get(3_000_000_005).number == 3 and inbox.get(1_000_000_005) is None
    since = inbox.since(2_000_000_005)
    assert [(a.stamp_ns, a.received_ns) for a in since] == [
        (2_000_000_005, 101),
        (3_000_000_005, 102),
    ]


def test_depth_images_are_read_in_either_byte_order():
    depth = np.array([[1.5, np.inf, np.nan]], np.float32)
    for kind, big in (("<f4", 0), (">f4", 1)):
        message = SimpleNamespace(encoding="32FC1", step=12, width=3, height=1, is_bigendian=big)
        message.data = depth.astype(kind).tobytes()
        np.testing.assert_array_equal(metres_of(message), depth)
    message.encoding = "16UC1"
    with pytest.raises(DemoError, match="16UC1"):
        metres_of(message)


def test_a_thing_found_by_name_is_told_with_its_truth_or_with_a_dash_where_there_is_none():
    (asked, _), on_it = questions_by_name(), reading((30.0, 50.0), 2.0)
    right = Checked(asked, reply(2.0, evidence=[on_it]), 2.5)
    beside = Checked(asked, reply(2.0, evidence=[on_it]), NAN)
    lines = tables.answers_table([right, beside])
    assert "2.00 m" in lines[1] and "2.50 m" in lines[1] and "-20 %" in lines[1]
    assert lines[2].split()[-2:] == ["-", "-"]
    assert tables.answer_lines([right])[1].endswith("2.00 m, true 2.50 m: -20 %")
    asked_round = look()
    asked_round.named = [right]
    assert {r.pixel for r in contact_sheets.readings_on(asked_round)} == {
        (40.0, 60.0),
        (30.0, 50.0),
    }
