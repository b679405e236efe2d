"""The contact sheets: images side by side, in the colours of one scale in metres."""

import cv2
import numpy as np

from depthlm_ros.client import Reading
from depthlm_ros.demo.clearance_round import from_above
from depthlm_ros.demo.tables import answer_lines, figure
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.status import Code
from depthlm_ros.visualization import annotate, colormap, contact_sheet, scale_bar

CELL_PX, PHOTO_CELL_PX = 384, 320
TITLES = ["camera image", "true depth", "estimated depth", "readings", "questions and answers"]
FROM_ABOVE = "from above: true grey, seen orange"
PHOTOS_A_ROW = 2
_PAPER, _INK = (20, 22, 26), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def scene_sheet(rounds: list) -> np.ndarray:
    """Return the sheet of the live part's looks that have their images, uint8 (H, W, 3)."""
    shown = [asked_round for asked_round in rounds if asked_round.depth_map is not None]
    low, high = common_range([asked_round.true_depth_m for asked_round in shown])
    titles = [*TITLES, FROM_ABOVE] if any(one.ways for one in shown) else TITLES
    rows = [
        [
            asked_round.frame.rgb,
            colormap.colourise(asked_round.true_depth_m, low, high),
            colormap.colourise(asked_round.depth_map.depth_m, low, high),
            annotate.annotate(asked_round.frame.rgb, None, readings_on(asked_round)),
            text_panel(
                answer_lines(asked_round.all_answers), cell_size(asked_round.frame.rgb, CELL_PX)
            ),
            *ways_from_above(asked_round),
        ]
        for asked_round in shown
    ]
    return on_scale(contact_sheet.contact_sheet(rows, titles, CELL_PX), low, high, CELL_PX)


def ways_from_above(asked_round) -> list[np.ndarray]:
    """Return the round's ways from above, as a list of one image; none without ways."""
    drawn = from_above(asked_round.ways, cell_size(asked_round.frame.rgb, CELL_PX))
    return [] if drawn is None else [drawn]


def photograph_sheet(read: list) -> np.ndarray:
    """Return the sheet of the photographs, three images of each, uint8 (H, W, 3)."""
    low, high = common_range([one.photograph.depth_m for one in read])
    each = [
        [
            one.frame.rgb,
            with_labels(one.frame.rgb, one.photograph, low, high),
            colormap.colourise(one.depth_map.depth_m, low, high),
        ]
        for one in read
    ]
    titles = [
        [one.photograph.name, "true depth at the labels", f"estimate: {short_figures(one)}"]
        for one in read
    ]
    starts = range(0, len(read), PHOTOS_A_ROW)
    rows, heads = (
        [sum(items[at : at + PHOTOS_A_ROW], []) for at in starts] for items in (each, titles)
    )
    sheet = contact_sheet.contact_sheet(rows, heads, PHOTO_CELL_PX)
    return on_scale(sheet, low, high, PHOTO_CELL_PX)


def on_scale(sheet: np.ndarray, low_m: float, high_m: float, cell: int) -> np.ndarray:
    """Return the sheet with the scale of its colours below, two cells wide, under the second."""
    width = min(2 * cell, sheet.shape[1])
    nothing = np.zeros((cell, width, 3), np.uint8)
    bar = scale_bar.with_scale_bar(nothing, low_m, high_m)[cell:]
    strip = np.full((bar.shape[0], sheet.shape[1], 3), _PAPER, np.uint8)
    left = min(cell, sheet.shape[1] - width)
    strip[:, left : left + width] = bar
    return np.concatenate([sheet, strip])


def cell_size(rgb: np.ndarray, cell: int) -> tuple[int, int]:
    """Return the (height, width) that an image takes in a cell."""
    return round(rgb.shape[0] * cell / rgb.shape[1]), cell


def short_figures(one) -> str:
    """Say how good the readings of a photograph are, in few words."""
    found = one.accuracy()
    return f"delta1 {figure(found.delta1, 2)}, scaled {figure(found.delta1_scaled, 2)}"


def common_range(depths_m: list) -> tuple[float, float]:
    """Return one range (low, high) [m] that shows all these depths well."""
    ranges = [colormap.range_of(np.asarray(depth, np.float32)) for depth in depths_m]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def readings_on(asked_round) -> list[Reading]:
    """Return the readings behind a look's answers that rest on its image, each pixel once."""
    found = {}
    for answer in asked_round.all_answers:
        if answer.reply.stamp_ns == asked_round.depth_map.stamp_ns:
            found.update({reading.pixel: reading for reading in answer.reply.evidence})
    return [reading for reading in found.values() if reading.code == Code.OK]


def with_labels(rgb: np.ndarray, photograph, low_m: float, high_m: float) -> np.ndarray:
    """Return the image, dimmed, with its labelled pixels as dots in the colours of the scale."""
    drawn = np.rint(0.35 * rgb).astype(np.uint8)
    depth = photograph.depth_m.astype(np.float32)
    colours = colormap.colourise(depth[None], low_m, high_m)[0]
    radius = max(2, rgb.shape[1] // 110)
    for (u, v), colour in zip(photograph.pixels, colours, strict=True):
        at = (round(float(u)), round(float(v)))
        cv2.circle(drawn, at, radius, colour.tolist(), cv2.FILLED, cv2.LINE_AA)
    return drawn


def text_panel(lines: list[str], size: tuple) -> np.ndarray:
    """Return text on dark paper, as large as fits into ``size`` (height, width)."""
    height, width = size
    panel = np.full((height, width, 3), _PAPER, np.uint8)
    widest = max((cv2.getTextSize(line, _FONT, 1.0, 1)[0][0] for line in lines), default=1)
    scale = min(0.92 * width / max(widest, 1), height / (40.0 * max(len(lines), 1)), 0.9)
    thick = max(1, round(1.5 * scale))
    for number, line in enumerate(lines):
        at = (round(0.04 * width), round((number + 1) * 37 * scale))
        cv2.putText(panel, line, at, _FONT, scale, _INK, thick, cv2.LINE_AA)
    return panel


def cloud_of(rounds: list) -> tuple[DepthMap, np.ndarray] | None:
    """Return the depth map and the image of the first look that has them, for a cloud."""
    for asked_round in rounds:
        if asked_round.depth_map is not None:
            return asked_round.depth_map, asked_round.frame.rgb
    return None
