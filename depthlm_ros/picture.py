"""Pictures for people: depth in colours, a scale in metres, readings on the photograph.

Near is red and far is blue (TURBO, turned round). Two colours stand for what is no number: grey
for "no depth" (NaN), white for "beyond range" (+Inf, such as the sky); neither occurs on the
scale. Depth is spread over the colours evenly, or by its logarithm where the far end is more than
LOG_RATIO times the near one: ``place`` is the one rule for colours and ticks. All pictures are
uint8 (H, W, 3), RGB. Nothing here changes a picture that it was given.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.status import Code

NO_DEPTH_RGB = (112, 112, 112)
BEYOND_RGB = (244, 246, 250)
LOG_RATIO = 6.0
_ENDS = (0.05, 0.95)
"""The part of TURBO that is used: its dark ends look alike."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAP_PX = 21.0
"""Height of a capital of this font at scale 1."""
_SMALLEST_CAP_PX = 7.5
_INK, _PAPER, _REFUSED = (255, 255, 255), (20, 22, 26), (190, 190, 190)
_MARK = (255, 64, 48)


# -- colours ----------------------------------------------------------------------------------


def range_of(depth_m: np.ndarray) -> tuple[float, float]:
    """Return the (low, high) [m] that shows a map well: its 2nd and 98th percentile.

    A map of one depth gets 5 % to each side; a map without a finite depth gets 1 to 10 m.
    """
    finite = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    if not finite.size:
        return 1.0, 10.0
    low, high = (float(value) for value in np.percentile(finite, (2, 98)))
    return (low, high) if high > 1.1 * low else (0.95 * low, 1.05 * high)


def place(depth_m, low_m: float, high_m: float) -> np.ndarray:
    """Return where depths [m] lie on the scale: 0 at ``low_m``, 1 at ``high_m``, NaN unchanged."""
    if not 0 <= low_m < high_m < np.inf:
        raise ValueError(f"low_m = {low_m}, high_m = {high_m}: must be 0 <= low < high, finite")
    depth = np.asarray(depth_m, dtype=np.float32)
    if not _is_log(low_m, high_m):
        return (depth - np.float32(low_m)) / np.float32(high_m - low_m)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(depth / np.float32(low_m)) / np.float32(np.log(high_m / low_m))


def _is_log(low_m: float, high_m: float) -> bool:
    return low_m > 0 and high_m > LOG_RATIO * low_m


def colourise(
    depth_m: np.ndarray, low_m: float | None = None, high_m: float | None = None
) -> np.ndarray:
    """Show a depth map (H, W) [m] in colours; depths outside low..high take the end's colour.

    ``low_m``, ``high_m``: default ``range_of`` the map. NaN: NO_DEPTH_RGB; +Inf: BEYOND_RGB.
    """
    low, high = range_of(depth_m)
    low = low if low_m is None else low_m
    high = high if high_m is None else high_m
    at = np.clip(np.nan_to_num(place(depth_m, low, high)), 0, 1)
    rgb = _colours()[np.rint(255 * at).astype(np.uint8)]
    rgb[~np.isfinite(depth_m)] = NO_DEPTH_RGB
    rgb[depth_m == np.inf] = BEYOND_RGB
    return rgb


@lru_cache(maxsize=1)
def _colours() -> np.ndarray:
    """Return the colours from near to far, uint8 (256, 3)."""
    steps = np.rint(255 * np.linspace(_ENDS[1], _ENDS[0], 256)).astype(np.uint8)
    return cv2.applyColorMap(steps[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1].copy()


# -- the scale --------------------------------------------------------------------------------


def with_scale_bar(coloured: np.ndarray, low_m: float, high_m: float) -> np.ndarray:
    """Return the picture with a strip below it: colours, round ticks in metres, the legend."""
    width = coloured.shape[1]
    scale = text_scale(*coloured.shape[:2])
    cap = max(3, round(_CAP_PX * scale))
    margin = max(2, cap)
    strip = np.full((round(7.5 * cap), width, 3), _PAPER, np.uint8)
    left, right = margin, max(margin + 1, width - margin)
    at = np.rint(np.linspace(0, 255, right - left)).astype(int)
    strip[cap // 2 : 2 * cap, left:right] = _colours()[at]
    for value, label in _ticks(low_m, high_m, right - left, scale):
        u = left + round(float(place(value, low_m, high_m)) * (right - left - 1))
        _line(strip, (u, cap // 2), (u, 2.4 * cap), _INK, max(1, cap // 8))
        half = _text_width(label, scale) / 2
        _write(strip, label, (min(max(u - half, 0), width - 2 * half), 3.9 * cap), scale)
    _legend(strip, left, 6.6 * cap, scale, cap)
    return np.concatenate([np.ascontiguousarray(coloured), strip])


def _legend(strip: np.ndarray, left: int, base: float, scale: float, cap: int) -> None:
    """Name the two colours that are no depth; smaller where the strip is narrow."""
    names = (("no depth", NO_DEPTH_RGB), ("beyond range (sky)", BEYOND_RGB))
    needed = sum(_text_width(name, scale) + 3.5 * cap for name, _ in names)
    shrink = min(1.0, 0.95 * (strip.shape[1] - left) / needed)
    scale, cap, u = scale * shrink, max(2, round(cap * shrink)), float(left)
    for name, colour in names:
        corner = (round(u + 1.4 * cap), round(base))
        cv2.rectangle(strip, (round(u), round(base) - cap), corner, colour, cv2.FILLED)
        _write(strip, name, (u + 1.9 * cap, base), scale)
        u += _text_width(name, scale) + 3.5 * cap


def _ticks(low_m: float, high_m: float, width: int, scale: float) -> list:
    """Return (value [m], label): as many round values as fit side by side, the last with "m"."""
    room = 1.5 * _CAP_PX * scale
    best = []
    for values in _candidates(low_m, high_m):
        labels = [f"{value:g}" for value in values]
        labels[-1:] = [f"{label} m" for label in labels[-1:]]
        sides = [_text_width(label, scale) / 2 for label in labels]
        at = place(values, low_m, high_m) * width
        gaps = np.diff(at) - np.add(sides[1:], sides[:-1])
        if len(values) > len(best) and (gaps > room).all():
            best = list(zip(values, labels, strict=True))
    return best


def _candidates(low_m: float, high_m: float):
    """Yield lists of round values within the range: 1-2-5 steps, or 1-2-5 series for a log scale.

    The last resort is a single value near the middle.
    """
    powers = 10.0 ** np.arange(np.floor(np.log10(high_m)) - 4, np.ceil(np.log10(high_m)) + 1)
    series = [d * p for p in powers for d in (1, 2, 5)]
    if _is_log(low_m, high_m):
        for digits in ((1, 1.5, 2, 3, 4, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1, 5), (1,)):
            rows = [d * p for p in powers for d in digits]
            yield [_tidy(v) for v in rows if low_m <= v <= high_m]
    for step in series:
        if (high_m - low_m) / step <= 50 and not _is_log(low_m, high_m):
            counts = np.arange(np.ceil(low_m / step - 1e-9), np.floor(high_m / step + 1e-9) + 1)
            yield [_tidy(n * step) for n in counts]
    yield [_tidy((low_m + high_m) / 2, 2)]


def _tidy(value: float, digits: int = 6) -> float:
    """Drop the rounding error of a decimal number."""
    return float(f"{value:.{digits}g}") + 0.0  # no negative zero


# -- readings on the photograph ---------------------------------------------------------------


def annotate(
    rgb: np.ndarray, depth_map: DepthMap | None, points: Sequence, tint: float = 0.3
) -> np.ndarray:
    """Return the picture with the readings marked and labelled, uint8 (H, W, 3).

    ``points``: PointDepth (or alike) whose ``pixel`` is of this picture; a reading without a
    number is grey and says its code; one outside the picture is left out. A ring leaves the pixel
    itself unpainted, and labels keep off all rings. ``tint``: how much of the depth's colours is
    blended in (0 to 1), where there is a map.
    """
    drawn = rgb.copy()
    if depth_map is not None and tint > 0:
        cv2.addWeighted(colourise(depth_map.depth_m), tint, rgb, 1 - tint, 0, dst=drawn)
    height, width = rgb.shape[:2]
    shown = [p for p in points if _inside(p.pixel, width, height)]
    scale, radius = text_scale(height, width), mark_radius(height, width)
    for point in shown:
        _mark(drawn, point.pixel, radius, _MARK if point.code == Code.OK else _REFUSED)
    taken = [_around(point.pixel, 1.6 * radius) for point in shown]
    for point in shown:
        taken.append(_label(drawn, point, radius, scale, taken))
    return drawn


def text_scale(height: int, width: int) -> float:
    """Return the font scale for a picture: capitals of 1/40 of its size, 7.5 px at least."""
    return max(_SMALLEST_CAP_PX, np.sqrt(height * width) / 42) / _CAP_PX


def mark_radius(height: int, width: int) -> int:
    """Return the radius [px] of the ring around a reading."""
    return max(4, round(np.sqrt(height * width) / 75))


def label_of(point, with_interval: bool = True) -> str:
    """Return what a label says: the distance with its interval, or the code in words."""
    if point.code != Code.OK:
        return Code(point.code).name.lower().replace("_", " ")
    text = f"{_metres(point.distance_m)} m"
    if with_interval and np.isfinite([point.low_m, point.high_m]).all():
        text += f" ({_metres(point.low_m)} to {_metres(point.high_m)})"
    return text


def _metres(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _inside(pixel, width: int, height: int) -> bool:
    u, v = pixel
    return bool(-0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5)


def _mark(drawn: np.ndarray, pixel, radius: int, colour: tuple) -> None:
    """Draw a ring with ticks, dark below and bright above so that it shows on any ground."""
    u, v = (float(x) for x in pixel)
    for ink, thick in ((_PAPER, max(3, radius // 2)), (colour, max(1, radius // 5))):
        centre, r = _fixed((u, v)), round(radius * 16)
        cv2.circle(drawn, centre, r, ink, thick, cv2.LINE_AA, 4)
        for du, dv in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            ends = [(u + du * k * radius, v + dv * k * radius) for k in (1.0, 1.5)]
            _line(drawn, *ends, ink, thick)


def _label(drawn: np.ndarray, point, radius: int, scale: float, taken: list) -> tuple:
    """Write a reading's label at the best free place; return its box."""
    height, width = drawn.shape[:2]
    text = label_of(point)
    if _text_width(text, scale) > 0.45 * width:
        text = label_of(point, with_interval=False)
    pad = max(2.0, 0.35 * _CAP_PX * scale)
    scale *= min(1.0, (width - 2 * pad) / _text_width(text, scale))
    size = (_text_width(text, scale) + 2 * pad, _CAP_PX * scale + 2 * pad)
    box = _best_box(point.pixel, size, radius, (width, height), taken)
    _shade(drawn, box)
    _leader(drawn, point.pixel, box, radius)
    ink = _INK if point.code == Code.OK else _REFUSED
    _write(drawn, text, (box[0] + pad, box[3] - pad), scale, ink)
    return box


def _best_box(pixel, size, radius: float, picture: tuple, taken: list) -> tuple:
    """Return the box (left, top, right, bottom) near a pixel that covers least of what is taken.

    Candidates lie on three rings around the pixel, pushed into the picture; the nearer ones win.
    """
    (u, v), (w, h) = pixel, size
    best, least = None, np.inf
    for ring in (1, 2, 3.5, 5):
        away = radius * 1.7 + (ring - 1) * h
        for du, dv in ((1, -1), (1, 1), (-1, -1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1)):
            left = u + du * away - (0 if du > 0 else w if du < 0 else w / 2)
            top = v + dv * away - (0 if dv > 0 else h if dv < 0 else h / 2)
            left = min(max(left, 0), max(0, picture[0] - 1 - w))
            top = min(max(top, 0), max(0, picture[1] - 1 - h))
            box = (left, top, left + w, top + h)
            covered = sum(_overlap(box, other) for other in taken)
            if covered < least:
                best, least = box, covered
        if least == 0:
            break
    return best


def _overlap(a: tuple, b: tuple) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high)


def _around(pixel, reach: float) -> tuple:
    u, v = pixel
    return u - reach, v - reach, u + reach, v + reach


def _shade(drawn: np.ndarray, box: tuple) -> None:
    """Darken the box so that white text stands out, and what is behind still shows."""
    left, top, right, bottom = (max(0, round(x)) for x in box)
    part = drawn[top : bottom + 1, left : right + 1]
    part[:] = np.rint(0.28 * part + 0.72 * np.array(_PAPER)).astype(np.uint8)


def _leader(drawn: np.ndarray, pixel, box: tuple, radius: float) -> None:
    """Join a label to its ring: among several it must be plain which belongs to which."""
    end = np.array([np.clip(pixel[0], box[0], box[2]), np.clip(pixel[1], box[1], box[3])])
    way = end - pixel
    length = np.hypot(*way)
    if length > 1.6 * radius:
        _line(drawn, np.add(pixel, way / length * 1.5 * radius), end, _INK, max(1, radius // 8))


# -- sheets -----------------------------------------------------------------------------------


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence, cell_width: int = 480
) -> np.ndarray:
    """Lay pictures out in rows of equally wide cells, each under its title.

    ``titles``: one for each column (repeated in no other row), or, as a list of lists, one for
    each picture. Pictures are resized to ``cell_width`` px, keeping their shape.
    """
    if not rows or not any(len(row) for row in rows):
        raise ValueError("a contact sheet of no pictures: give at least one row with a picture")
    columns, scale = max(len(row) for row in rows), text_scale(cell_width, cell_width)
    one_each = len(titles) > 0 and not isinstance(titles[0], str)
    named = list(titles) if one_each else [list(titles)] + [[]] * (len(rows) - 1)
    if len(named) != len(rows) or max(len(row) for row in named) > columns:
        raise ValueError(f"titles {titles}: must be one for each column, or a list for each row")
    gap = max(2, round(_CAP_PX * scale / 2))
    bands = [
        _band(row, heads, columns, cell_width, gap, scale)
        for row, heads in zip(rows, named, strict=True)
    ]
    return np.concatenate(bands)


def _band(row, heads, columns: int, cell: int, gap: int, scale: float) -> np.ndarray:
    """Lay out one row with its titles on dark paper, a gap before and below."""
    fitted = [_fit(picture, cell) for picture in row]
    title = round(2.2 * _CAP_PX * scale) if heads else 0
    height = title + max((picture.shape[0] for picture in fitted), default=0) + gap
    band = np.full((height, gap + columns * (cell + gap), 3), _PAPER, np.uint8)
    for i, head in enumerate(heads):
        fit = scale * min(1.0, cell / max(1.0, _text_width(head, scale)))
        _write(band, head, (gap + i * (cell + gap), title - 0.6 * _CAP_PX * scale), fit)
    for i, picture in enumerate(fitted):
        left = gap + i * (cell + gap)
        band[title : title + picture.shape[0], left : left + cell] = picture
    return band


def _fit(picture: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    smaller = picture.shape[1] > width
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=how)


# -- drawing ----------------------------------------------------------------------------------


def _text_width(text: str, scale: float) -> float:
    return cv2.getTextSize(text, _FONT, scale, _stroke(scale))[0][0]


def _stroke(scale: float) -> int:
    return max(1, round(1.6 * scale))


def _write(drawn, text: str, base_left, scale: float, ink: tuple = _INK) -> None:
    at = (round(base_left[0]), round(base_left[1]))
    cv2.putText(drawn, text, at, _FONT, scale, ink, _stroke(scale), cv2.LINE_AA)


def _fixed(point) -> tuple:
    """Return a float point as OpenCV's fixed-point pair (4 fractional bits)."""
    return round(float(point[0]) * 16), round(float(point[1]) * 16)


def _line(drawn, start, end, ink: tuple, thick: int) -> None:
    cv2.line(drawn, _fixed(start), _fixed(end), ink, int(thick), cv2.LINE_AA, 4)
