"""The marker against the published rule, worked out by hand."""

import numpy as np
import pytest

from depthlm_ros.prompting import marker as mk
from depthlm_ros.status import Code, StatusError

NINE = {(-1, 0), (-2, 0), (-3, 0), (-4, 0), (-5, 0), (-2, -1), (-2, 1), (-3, -2), (-3, 2)}


def _red(image):
    y, x = np.nonzero((image == (255, 0, 0)).all(axis=2))
    return set(zip(x.tolist(), y.tolist(), strict=True))


def test_the_published_marker_has_nine_pixels_and_leaves_the_target():
    grey = np.full((20, 30, 3), 90, np.uint8)
    placed = mk.place(mk.Marker(), (12, 9), 30, 20)
    marked = mk.draw(grey, mk.Marker(), placed)
    assert _red(marked) == {(12 + dx, 9 + dy) for dx, dy in NINE}
    assert (marked[9, 12] == 90).all()
    assert (grey == 90).all(), "the caller's picture stays as it was"


@pytest.mark.parametrize(
    "x, y, inside",
    [(5, 5, True), (4, 5, False), (5, 4, False), (24, 14, True), (25, 14, False), (24, 15, False)],
)
def test_margin_rule(x, y, inside):
    assert mk.Marker().margin_px == 5
    if inside:
        assert mk.place(mk.Marker(), (x, y), 30, 20, "refuse").direction == "left"
    else:
        with pytest.raises(StatusError) as caught:
            mk.place(mk.Marker(), (x, y), 30, 20, "refuse")
        assert caught.value.code is Code.IN_MARKER_MARGIN


@pytest.mark.parametrize(
    "target, direction, expected",
    [
        ((2, 9), "right", {(2 - dx, 9 + dy) for dx, dy in NINE}),
        ((12, 3), "left", {(12 + dx, 3 + dy) for dx, dy in NINE}),
        ((12, 19), "up", {(12 + dy, 19 + dx) for dx, dy in NINE}),
        ((12, 1), "down", {(12 + dy, 1 - dx) for dx, dy in NINE}),
    ],
)
def test_flip_at_the_border(target, direction, expected):
    placed = mk.place(mk.Marker(), target, 30, 20)
    assert placed.direction == direction
    assert _red(mk.draw(np.zeros((20, 30, 3), np.uint8), mk.Marker(), placed)) == expected


def test_flip_refuses_only_where_no_side_fits():
    refused = set()
    for y in range(20):
        for x in range(30):
            try:
                painted = mk.place(mk.Marker(), (x, y), 30, 20).painted
            except StatusError as refusal:
                assert refusal.code is Code.IN_MARKER_MARGIN
                refused.add((x, y))
            else:
                assert (
                    (painted >= 0).all()
                    and (painted < (30, 20)).all()
                    and [x, y] not in painted.tolist()
                )
    assert refused == {(x, y) for x in (0, 1, 28, 29) for y in (0, 1, 18, 19)}


def test_pad_grows_the_picture_and_keeps_the_published_marker():
    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    placed = mk.place(mk.Marker(), (1, 19), 30, 20, "pad")
    assert placed.padding == (4, 0, 0, 5) and placed.target == (5, 19)
    marked = mk.draw(image, mk.Marker(), placed)
    assert marked.shape == (25, 34, 3)
    assert (marked[19, 5] == image[19, 1]).all()
    assert (marked[24, 30] == image[19, 26]).all(), "rows below repeat the border"


def test_outside_and_nonsense():
    for target in ((-1, 3), (30, 3), (3, 20)):
        with pytest.raises(StatusError) as caught:
            mk.place(mk.Marker(), target, 30, 20)
        assert caught.value.code is Code.OUT_OF_IMAGE
    for bad in (dict(shape="star"), dict(length_px=2), dict(thickness_px=3)):
        with pytest.raises(StatusError) as caught:
            mk.Marker(**bad)
        assert caught.value.code is Code.UNSUPPORTED


def test_the_pixel_rule_truncates_and_clamps():
    assert mk.pixel_in_view((100, 76), (1000 / 525, 1000 / 525), (1219, 914)) == (190, 144)
    assert mk.pixel_in_view((-0.4, 479.4), (2.0, 1.9), (1280, 910)) == (0, 909)


@pytest.mark.parametrize("shape", mk.SHAPES)
def test_larger_markers_reach_their_length_and_leave_the_target(shape):
    marker = mk.Marker.for_untrained(shape)
    offsets = marker.offsets
    assert np.abs(offsets).max() == 20 == marker.margin_px
    assert not (offsets == 0).all(axis=1).any()
    assert len({tuple(o) for o in offsets.tolist()}) == len(offsets)


def test_two_markers_of_two_colours():
    image = mk.draw_all(
        np.zeros((20, 30, 3), np.uint8),
        (mk.Marker(), mk.Marker(colour=mk.BLUE)),
        ((8, 9), (22, 9)),
    )
    assert (image == (255, 0, 0)).all(axis=2).sum() == 9
    assert (image == (0, 0, 255)).all(axis=2).sum() == 9
    with pytest.raises(StatusError):
        mk.draw_all(image, (mk.Marker(),), ((8, 9),), "pad")
