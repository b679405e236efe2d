"""What a model writes when it is asked where a thing is, read strictly into boxes of the image.

Knows the JSON of Qwen3-VL (0..1000 of width and height) and of Qwen2.5-VL (pixels of the image
that the model was given), in code fences or bare. Nothing else of a reply is read: a label may say
what it likes.
"""

import math
import re
from dataclasses import dataclass

from depthlm_ros.language.json_reply import NoJsonError, first_json
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

MAX_BOXES = 64
OVERSHOOT = 0.03
"""Share of the image by which a coordinate may leave it: it is cut; farther out it is nonsense."""
SMALLEST_PX = 2.0
LARGEST_SHARE = 0.95
"""A box that covers more of the image than this names no thing in it."""
SAME_IOU = 0.8
_NONE = re.compile(
    r"\b(?:no|not|none|nothing|absent|cannot|can't|isn't|aren't|unable)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Box:
    """A box in pixels of an image, edges included: (0, 0) is the centre of the top-left pixel.

    Its outermost edges are -0.5 and width - 0.5. A point is a box whose corners coincide.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (u, v)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def area(self) -> float:
        """Square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)

    def mirrored(self, width: int) -> "Box":
        """Return the box in the image mirrored left to right."""
        return Box(width - 1 - self.right, self.top, width - 1 - self.left, self.bottom)

    def iou(self, other: "Box") -> float:
        """Return the intersection over the union of two boxes."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        common = max(0.0, width) * max(0.0, height)
        union = self.area + other.area - common
        return common / union if union > 0 else float(self == other)


def read_boxes(reply: str, width: int, height: int, scale: tuple[float, float]) -> list[Box]:
    """Read the boxes of a reply into pixels of an image of width x height.

    ``scale``: what x and y run to in the reply: (1000, 1000), or the size in pixels of the image
    that the model saw. An empty list, or words that say there is none, are no boxes. Points
    ("point_2d") become boxes of no extent. Boxes that nearly coincide count once.

    Raises StatusError: NO_ANSWER for a reply that is no such list or was cut off, IMPLAUSIBLE for
    boxes outside the image, without extent or as large as it.
    """
    entries = _entries(reply)
    boxes: list[Box] = []
    reasons = []
    for entry in entries:
        try:
            box = _box(entry, width, height, scale)
        except ValueError as error:
            reasons.append(str(error))
            continue
        if all(box.iou(other) < SAME_IOU for other in boxes):
            boxes.append(box)
    if reasons:  # one bad box makes the number of the others doubtful
        raise StatusError(Code.IMPLAUSIBLE, f"the model's boxes cannot be used: {reasons[0]}")
    return boxes


def _entries(reply: str) -> list:
    """Return the list of a reply; StatusError(NO_ANSWER) where there is none."""
    shown = clean(reply.strip(), 80)
    try:
        value = first_json(reply)
    except NoJsonError as error:
        if _NONE.search(error.body) and not re.search(r"\d", error.body):
            return []
        raise StatusError(Code.NO_ANSWER, f"the model named no boxes: {shown!r}") from error
    except ValueError as error:
        raise StatusError(
            Code.NO_ANSWER, f"the model's list of boxes is broken or was cut off: {shown!r}"
        ) from error
    entries = value if isinstance(value, list) else [value]
    if entries and all(isinstance(x, int | float) for x in entries):
        entries = [{"bbox_2d": entries}]
    if len(entries) > MAX_BOXES:
        raise StatusError(
            Code.NO_ANSWER, f"the model named {len(entries)} boxes: more than {MAX_BOXES}"
        )
    return entries


def _box(entry, width: int, height: int, scale: tuple[float, float]) -> Box:
    """Return the box of one entry in pixels; ValueError where it is none."""
    if not isinstance(entry, dict):
        raise ValueError(f"{clean(str(entry), 40)!r} is no box")
    numbers = next((entry[key] for key in ("bbox_2d", "bbox", "box_2d") if key in entry), None)
    if numbers is None and "point_2d" in entry:
        point = entry["point_2d"]
        numbers = [*point, *point] if isinstance(point, list) and len(point) == 2 else point
    good = (
        isinstance(numbers, list)
        and len(numbers) == 4
        and all(
            isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
            for x in numbers
        )
    )
    if not good:
        raise ValueError(f"{clean(str(numbers), 40)!r} is no box of four numbers")
    x0, y0, x1, y1 = (value / scale[index % 2] for index, value in enumerate(map(float, numbers)))
    if not all(-OVERSHOOT <= share <= 1 + OVERSHOOT for share in (x0, y0, x1, y1)):
        raise ValueError(f"{numbers} leaves the image: x to {scale[0]:g}, y to {scale[1]:g}")
    x0, y0, x1, y1 = (min(max(share, 0.0), 1.0) for share in (x0, y0, x1, y1))
    box = Box(x0 * width - 0.5, y0 * height - 0.5, x1 * width - 0.5, y1 * height - 0.5)
    if "point_2d" not in entry:
        _check_extent(box, numbers, width, height)
    return box


def _check_extent(box: Box, numbers, width: int, height: int) -> None:
    if box.right - box.left < SMALLEST_PX or box.bottom - box.top < SMALLEST_PX:
        raise ValueError(f"{numbers} has no extent: x0 < x1 and y0 < y1 by {SMALLEST_PX:g} px")
    if box.area > LARGEST_SHARE * width * height:
        raise ValueError(f"{numbers} is the whole image, not a thing in it")
