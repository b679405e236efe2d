"""Pictures for people: colours and ticks where they belong, labels that hide nothing."""

import cv2
import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code
from depthlm_ros.visualization import annotate, colormap, contact_sheet, drawing, scale_bar

SIZES = [(160, 112), (640, 480), (3840, 2160)]
NEAR_RGB = cv2.applyColorMap(np.uint8([[242]]), cv2.COLORMAP_TURBO)[0, 0, ::-1]
FAR_RGB = cv2.applyColorMap(np.uint8([[13]]), cv2.COLORMAP_TURBO)[0, 0, ::-1]


def reading(u, v, metres=2.34, code=Code.OK, ratio=1.25):
    ends = (metres / ratio, metres * ratio)
    return PointDepth((u, v), code, "", metres, metres, *ends, (0.0, 0.0, metres))


def grey(width, height):
    return np.full((height, width, 3), 128, np.uint8)


def changed(before, after):
    return (before != after).any(axis=-1)


# -- colours ----------------------------------------------------------------------------------


def test_near_is_warm_far_is_cold_and_no_number_is_neither():
    rgb = colormap.colourise(np.float32([[1.0, 4.0, np.nan, np.inf]]), 1.0, 4.0)
    assert (rgb[0, 0] == NEAR_RGB).all() and rgb[0, 0, 0] > 150 > rgb[0, 0, 2]
    assert (rgb[0, 1] == FAR_RGB).all() and rgb[0, 1, 2] > 120 > rgb[0, 1, 0]
    assert tuple(rgb[0, 2]) == colormap.NO_DEPTH_RGB
    assert tuple(rgb[0, 3]) == colormap.BEYOND_RGB


def test_the_colours_of_no_number_are_far_from_every_colour_of_the_scale():
    scale = colormap.colourise(np.linspace(1, 4, 256, dtype=np.float32)[None], 1.0, 4.0)[0]
    for odd in (colormap.NO_DEPTH_RGB, colormap.BEYOND_RGB):
        assert np.linalg.norm(scale.astype(float) - odd, axis=1).min() > 70


def test_depth_outside_the_scale_takes_the_colour_of_its_end():
    rgb = colormap.colourise(np.float32([[0.2, 50.0]]), 1.0, 4.0)
    assert (rgb[0] == [NEAR_RGB, FAR_RGB]).all()


def test_range_is_the_2nd_and_98th_percentile_of_finite_depths():
    depth = np.arange(1, 102, dtype=np.float32).reshape(1, -1)  # 1..101: percentiles 3 and 99
    odd = np.float32([[np.nan, np.inf, 0.0]])
    assert colormap.range_of(np.hstack([depth, odd])) == pytest.approx((3.0, 99.0))
    assert colormap.range_of(np.full((2, 2), 2.0, np.float32)) == pytest.approx((1.9, 2.1))
    assert colormap.range_of(np.full((2, 2), np.nan, np.float32)) == (1.0, 10.0)


def test_place_is_linear_up_to_a_ratio_of_six_and_logarithmic_above():
    assert colormap.place([1.0, 3.5, 6.0], 1.0, 6.0) == pytest.approx([0.0, 0.5, 1.0])
    assert colormap.place([1.0, 10.0, 100.0], 1.0, 100.0) == pytest.approx([0.0, 0.5, 1.0])
    assert colormap.place([0.0, 2.5], 0.0, 5.0) == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("low, high", [(2, 2), (3, 1), (-1, 2), (1, np.inf), (np.nan, 2)])
def test_a_range_that_is_none_is_refused(low, high):
    with pytest.raises(ValueError, match="low_m"):
        colormap.place([1.0], low, high)


def test_colourise_changes_nothing_it_was_given():
    depth = np.float32([[np.nan, np.inf, 2.0]])
    before = depth.copy()
    colormap.colourise(depth)
    assert np.array_equal(depth, before, equal_nan=True)


# -- the scale --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (1.0, 5.0, "1 1.5 2 2.5 3 3.5 4 4.5 5 m"),
        (2.0, 2.2, "2 2.05 2.1 2.15 2.2 m"),
        (0.0, 5.0, "0 0.5 1 1.5 2 2.5 3 3.5 4 4.5 5 m"),
        (0.3, 80.0, "0.5 1 2 5 10 20 50 m"),
        (1.0, 9.0, "1 1.5 2 3 4 6 8 m"),
    ],
)
def test_ticks_are_round_metres(low, high, expected):
    ticks = scale_bar._ticks(low, high, 600, drawing.text_scale(480, 640))
    assert " ".join(label for _, label in ticks) == expected
    assert all(low <= value <= high for value, _ in ticks)


@pytest.mark.parametrize("width, height", SIZES)
@pytest.mark.parametrize("low, high", [(0.5, 4.0), (0.31, 77.0), (1.03, 1.04), (0.0, 9.7)])
def test_tick_labels_stand_apart_at_every_size(width, height, low, high):
    scale = drawing.text_scale(height, width)
    ticks = scale_bar._ticks(low, high, width, scale)
    at = colormap.place([value for value, _ in ticks], low, high) * width
    half = [drawing.text_width(label, scale) / 2 for _, label in ticks]
    assert ticks
    assert (np.diff(at) > np.add(half[1:], half[:-1])).all()


def test_the_scale_bar_has_the_colours_where_the_metres_are():
    """Of 1 to 5 m on 614 columns from 13 on, 3 m is at the middle: column 319 or 320."""
    shown = scale_bar.with_scale_bar(grey(640, 480), 1.0, 5.0)
    assert shown.shape[1] == 640 and (shown[:480] == 128).all()
    bar = shown[490]
    three = colormap.colourise(np.float32([[3.0]]), 1.0, 5.0)[0, 0].astype(int)
    assert np.abs(bar[16].astype(int) - NEAR_RGB).max() < 12
    assert np.abs(bar[623].astype(int) - FAR_RGB).max() < 12
    assert (bar[319:321] > 220).all(axis=-1).any(), "the tick at 3 m"
    assert np.abs(bar[316].astype(int) - three).max() < 12


@pytest.mark.parametrize("width, height", [(60, 40), *SIZES])
def test_the_legend_shows_both_colours_and_stays_in_the_picture(width, height):
    strip = scale_bar.with_scale_bar(grey(width, height), 1.0, 5.0)[height:]
    legend = strip[strip.shape[0] // 2 :]
    for colour in (colormap.NO_DEPTH_RGB, colormap.BEYOND_RGB):
        assert (legend == colour).all(axis=-1).sum() >= 4
    assert (strip[:, -1] == drawing.PAPER).all(), "text runs out at the right"


# -- readings ---------------------------------------------------------------------------------


def test_labels_say_distance_and_interval_or_the_code():
    assert annotate.label_of(reading(0, 0, 2.0)) == "2.00 m (1.60 to 2.50)"
    assert annotate.label_of(reading(0, 0, 2.0, ratio=np.nan)) == "2.00 m"
    assert annotate.label_of(reading(0, 0, 40.0)) == "40.0 m (32.0 to 50.0)"
    assert annotate.label_of(reading(0, 0, code=Code.NO_DEPTH)) == "no depth"


def test_no_reading_leaves_the_picture_as_it_is():
    rgb = grey(64, 48)
    drawn = annotate.annotate(rgb, None, [])
    assert (drawn == rgb).all() and drawn is not rgb


def test_tint_mixes_the_depth_in():
    depth = np.linspace(1, 3, 64 * 48, dtype=np.float32).reshape(48, 64)
    depth_map = DepthMap(depth, PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48))
    drawn = annotate.annotate(grey(64, 48), depth_map, [], tint=0.5).astype(float)
    expected = (colormap.colourise(depth).astype(float) + 128) / 2
    assert np.abs(drawn - expected).max() <= 0.5
    assert (annotate.annotate(grey(64, 48), depth_map, [], tint=0.0) == 128).all()


@pytest.mark.parametrize("width, height", SIZES)
def test_the_asked_pixel_itself_stays_unpainted(width, height):
    rgb = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    u, v = width // 3, height // 2
    drawn = annotate.annotate(rgb, None, [reading(float(u), float(v))])
    assert not changed(rgb, drawn)[v, u]
    assert changed(rgb, drawn).any()


@pytest.mark.parametrize("width, height", SIZES)
def test_labels_keep_inside_the_picture_and_off_rings_and_each_other(width, height, monkeypatch):
    boxes = []
    whole = annotate._best_box
    monkeypatch.setattr(annotate, "_best_box", lambda *a: boxes.append(whole(*a)) or boxes[-1])
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    pixels = [*corners, (width / 2, height / 2), (width / 2 + 0.06 * width, height / 2)]
    annotate.annotate(grey(width, height), None, [reading(*p) for p in pixels])
    radius = annotate.mark_radius(height, width)
    rings = [annotate._around(p, radius) for p in pixels]
    assert len(boxes) == len(pixels)
    for i, box in enumerate(boxes):
        assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
        for other in [*rings, *boxes[:i]]:
            assert annotate._overlap(box, other) == 0


def test_text_itself_stays_in_its_box(monkeypatch):
    """On black, everything bright that is not the ring lies within the label's box."""
    boxes = []
    whole = annotate._best_box
    monkeypatch.setattr(annotate, "_best_box", lambda *a: boxes.append(whole(*a)) or boxes[-1])
    black = np.zeros((480, 640, 3), np.uint8)
    drawn = annotate.annotate(black, None, [reading(600.0, 20.0)])
    white = (drawn > 150).all(axis=-1)
    ((left, top, right, bottom),) = boxes
    rows, columns = np.nonzero(white)
    in_box = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    near_ring = np.hypot(columns - 600, rows - 20) < 3 * annotate.mark_radius(480, 640)
    assert in_box.sum() > 100
    assert (in_box | near_ring).all()


def test_a_picture_too_small_for_the_text_gets_smaller_text():
    drawn = annotate.annotate(grey(30, 20), None, [reading(15.0, 10.0, 123.0)])
    assert drawn.shape == (20, 30, 3) and (drawn != 128).any()


def test_a_reading_outside_the_picture_is_left_out():
    rgb = grey(64, 48)
    for u, v in ((-0.6, 5.0), (63.5, 5.0), (np.nan, 5.0), (5.0, 1e9)):
        assert (annotate.annotate(rgb, None, [reading(u, v)]) == rgb).all()


def test_a_refused_reading_is_grey_and_a_good_one_red():
    for code, is_red in ((Code.OK, True), (Code.NO_DEPTH, False)):
        drawn = annotate.annotate(grey(640, 480), None, [reading(300.0, 200.0, code=code)])
        red = (drawn[..., 0].astype(int) - drawn[..., 1] > 100).any()
        assert red == is_red


# -- sheets -----------------------------------------------------------------------------------


def test_a_contact_sheet_holds_every_picture_in_its_cell():
    colours = [[(250, 0, 0), (0, 250, 0)], [(0, 0, 250)]]
    rows = [[np.full((60, 80, 3), c, np.uint8) for c in row] for row in colours]
    sheet = contact_sheet.contact_sheet(rows, ["image", "depth"], cell_width=80)
    counts = [int((sheet == c).all(axis=-1).sum()) for row in colours for c in row]
    assert counts == [60 * 80] * 3
    reds, greens = (np.nonzero((sheet == c).all(axis=-1)) for c in colours[0])
    assert reds[0].min() == greens[0].min() and reds[1].max() < greens[1].min()


def test_pictures_of_a_sheet_keep_their_shape():
    sheet = contact_sheet.contact_sheet([[np.full((50, 200, 3), 9, np.uint8)]], ["wide"], 100)
    assert (sheet == 9).all(axis=-1).sum() == 100 * 25


def test_titles_of_a_sheet_may_be_one_for_each_picture():
    rows = [[grey(80, 60)], [grey(80, 60)]]
    both = contact_sheet.contact_sheet(rows, [["first"], ["second"]], 80)
    once = contact_sheet.contact_sheet(rows, ["first"], 80)
    assert both.shape[0] > once.shape[0]


@pytest.mark.parametrize(
    "rows, titles", [([], []), ([[]], []), ([[1]], ["a", "b"]), ([[1]], [["a"], ["b"]])]
)
def test_a_sheet_that_makes_no_sense_is_refused(rows, titles):
    pictures = [[grey(8, 8) for _ in row] for row in rows]
    with pytest.raises(ValueError, match="contact sheet|titles"):
        contact_sheet.contact_sheet(pictures, titles)
