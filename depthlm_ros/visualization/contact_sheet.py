"""Images in rows of equally wide cells, each under its title."""

from collections.abc import Sequence

import cv2
import numpy as np

from depthlm_ros.visualization.drawing import CAP_PX, PAPER, text_scale, text_width, write_text


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence, cell_width: int = 480
) -> np.ndarray:
    """Lay images out in rows of equally wide cells, each under its title.

    ``titles``: one for each column (repeated in no other row), or, as a list of lists, one for
    each image. Images are resized to ``cell_width`` px, keeping their shape.
    """
    if not rows or not any(len(row) for row in rows):
        raise ValueError("a contact sheet of no pictures: give at least one row with a picture")
    columns, scale = max(len(row) for row in rows), text_scale(cell_width, cell_width)
    one_each = len(titles) > 0 and not isinstance(titles[0], str)
    named = list(titles) if one_each else [list(titles)] + [[]] * (len(rows) - 1)
    if len(named) != len(rows) or max(len(row) for row in named) > columns:
        raise ValueError(f"titles {titles}: must be one for each column, or a list for each row")
    gap = max(2, round(CAP_PX * scale / 2))
    bands = [
        _band(row, heads, columns, cell_width, gap, scale)
        for row, heads in zip(rows, named, strict=True)
    ]
    return np.concatenate(bands)


def _band(
    row: Sequence[np.ndarray],
    heads: Sequence[str],
    columns: int,
    cell: int,
    gap: int,
    scale: float,
) -> np.ndarray:
    """Lay out one row with its titles on dark paper, a gap before and below."""
    fitted = [_fit(picture, cell) for picture in row]
    title = round(2.2 * CAP_PX * scale) if heads else 0
    height = title + max((picture.shape[0] for picture in fitted), default=0) + gap
    band = np.full((height, gap + columns * (cell + gap), 3), PAPER, np.uint8)
    for i, head in enumerate(heads):
        fit = scale * min(1.0, cell / max(1.0, text_width(head, scale)))
        write_text(band, head, (gap + i * (cell + gap), title - 0.6 * CAP_PX * scale), fit)
    for i, picture in enumerate(fitted):
        left = gap + i * (cell + gap)
        band[title : title + picture.shape[0], left : left + cell] = picture
    return band


def _fit(picture: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    smaller = picture.shape[1] > width
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=how)
