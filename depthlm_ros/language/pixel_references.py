"""Points of the image written in a question: pixel coordinates, the centre, straight ahead.

A run of coordinates is read whole: two numbers are a pixel, anything else is refused with what was
seen. Coordinates as vision-language models write them (0..1, per cent, 0..1000, boxes, tags) are
converted where their scale is certain, else refused: they are never taken for pixels.
"""

import re
from dataclasses import dataclass

from depthlm_ros.language.quantities import NUMBER
from depthlm_ros.status import Code, StatusError

CENTRE = "image centre"
"""The middle of the image, whatever its size."""
STRAIGHT_AHEAD = "straight ahead"
"""Along the camera's principal axis: the principal point."""
HOW = "write the pixel as (u, v), for example (320, 240), or give it in the field `pixels`"


@dataclass(frozen=True)
class RelativePoint:
    """A point as fractions of the image's width and height, 0 to 1 from edge to edge."""

    x: float
    y: float

    def pixel(self, width: int, height: int) -> tuple[float, float]:
        """Return (u, v); (0, 0) is the centre of the top-left pixel, so its corner is -0.5."""
        return (
            min(max(self.x * width - 0.5, 0.0), width - 1.0),
            min(max(self.y * height - 0.5, 0.0), height - 1.0),
        )


_MODEL_TAG = re.compile(
    r"<\|?\s*/?\s*(?:point|points|box|bbox|loc|ref|quad|poly|obj|region)(?:\d+|"
    r"s)?(?:_\w+)?\b[^>]{0,80}>|"
    r"\b(?:point|bbox|box)_2d\b|\bbbox(?:es)?\b|\bbounding box\b"
)
_SCALE_1000 = re.compile(
    r"[(\[]?\s*(?:(?:in|on|of|as|normali[sz]ed|relative|scaled?|range|with|from|using|out|"
    r"coordinates"
    r"|a|the|to|scale)\s+)*"
    r"(?:\b0\s*(?:-|to|\.\.+)\s*(?:1000|999)\b|\bout of (?:1000|a thousand)\b|\bnormali[sz]ed to "
    r"1000\b"
    r"|\bper ?mille\b)(?:\s+(?:scale|range|coordinates))?\s*[)\]]?"
)
_SCALE_1 = re.compile(
    r"\b(?:normali[sz]ed|relative|fractional)(?:\s+(?:image\s+)?(?:coordinates?|position|"
    r"pixels?))?\b|"
    r"\bfractions? of the (?:image|picture)\b"
)
_LABEL_U, _LABEL_V = r"(?:u|x|col(?:umn)?)", r"(?:v|y|row)"
_IS = r"\s*(?:[=:]|\bis\b)?\s*"
_SEPARATOR = r"(?:\s*[,;]\s*(?:and\s+)?|\s+(?:and\s+)?)"
_RUN = rf"{NUMBER}(?:{_SEPARATOR}{NUMBER})*"
_UNIT = r"(?:\s*(?:px|pixels?)\b)?"
_NO_QUANTITY = (
    r"(?!\s*(?:-\s*)?(?:[a-z]+\s*/|m|cm|mm|km|ft|feet|foot|met(?:er|re)s?|s|sec|seconds?|ms|min|"
    r"minutes?"
    r"|h|hours?|mph|kph|kmh|knots?|per|inch|inches|yards?|miles?|milliseconds?)\b)(?![\w.,/^%]*\d)"
)
_WORD = r"\b(?:pixels?|points?|coordinates?|px|position|location)"
_NAMED = (
    re.compile(
        rf"[(\[{{<]?\s*\b{_LABEL_U}{_IS}(?P<u>{NUMBER}){_UNIT}\s*[,;]?\s*(?:and\s+)?"
        rf"{_LABEL_V}{_IS}(?P<v>{NUMBER}){_UNIT}{_NO_QUANTITY}\s*[)\]}}>]?"
    ),
    re.compile(
        rf"[(\[{{<]?\s*\b{_LABEL_V}{_IS}(?P<v>{NUMBER}){_UNIT}\s*[,;]?\s*(?:and\s+)?"
        rf"{_LABEL_U}{_IS}(?P<u>{NUMBER}){_UNIT}{_NO_QUANTITY}\s*[)\]}}>]?"
    ),
    re.compile(rf"\b{_LABEL_U}\s*[=:]?\s*(?P<run>{_RUN}){_UNIT}{_NO_QUANTITY}"),
)
_BRACKETED = re.compile(
    rf"(?:{_WORD}\s*(?:at\s*)?)?(?:[(\[{{<]\s*)+(?P<run>{NUMBER}\s*%?{_UNIT}"
    rf"(?:{_SEPARATOR}{NUMBER}\s*%?{_UNIT})*)\s*(?:px|pixels?)?(?:\s*[)\]}}>])+"
)
_AFTER_WORD = re.compile(
    rf"(?P<word>{_WORD}\s*(?:at\b|no\.?|number|:)?|\bat)\s*(?<![\d.])(?P<run>{_RUN}){_UNIT}"
    rf"{_NO_QUANTITY}"
)
_BARE = re.compile(
    r"(?:(?<=\bto )|(?<=\bfrom )|(?<=\breach ))(?P<run>\d{2,4},\s?\d{2,4})(?![\d,])"
    rf"{_NO_QUANTITY}"
)
"""Two numbers without brackets where only a point makes sense: "to 100,200" has no unit."""
_IMAGE = r"(?:(?:the\s+)?(?:image|picture|frame|photo|view|screen|camera\s+image)(?:'s)?)"
_MIDDLE = r"(?:cent(?:re|er)|middle|midpoint)(?! between)"
_CENTRE_RE = re.compile(
    rf"\b{_IMAGE}\s+{_MIDDLE}\b(?:\s+(?:pixel|point))?|"
    rf"\b(?:(?:the|its)\s+)?{_MIDDLE}(?:\s+(?:pixel|point))?\s+(?:of|in)\s+{_IMAGE}\b|"
    rf"\b(?:(?:the|its)\s+)?{_MIDDLE}(?:\s+(?:pixel|point))?\b(?!\s+of\b)(?!\s+[a-z]+$)|"
    r"\bcentral\s+(?:pixel|point)\b"
)
_ME = (
    r"(?:(?:the\s+|my\s+|our\s+|your\s+|this\s+)?(?:me|us|you|robot|camera|lens|sensor|viewer)|"
    r"(?:my|our|your|the ego|ego)[ -](?:car|vehicle))\b"
)
_AHEAD_RE = re.compile(
    r"\b(?:straight|dead|directly|right|just)\s+(?:ahead|in\s+front|forwards?)\b(?:\s+of\s+"
    rf"{_ME})?|\bahead\b(?:\s+of\s+{_ME})?|\b(?:right\s+|directly\s+|just\s+)?(?:in\s+front\s+of|"
    rf"before)\s+{_ME}|\bin front\b(?!\s+of)"
)


def read_points(text: str) -> tuple[list, str]:
    """Find points in lower-case text; return them in order, and the text with tags for them.

    A point is (u, v) in pixels, a RelativePoint, CENTRE or STRAIGHT_AHEAD; the tags are "<p>" for
    a point, "<c>" for the centre and "<a>" for straight ahead, which may also tell where a named
    thing is. Raises StatusError(BAD_QUESTION) for coordinates that are not a pixel.
    """
    if match := _MODEL_TAG.search(text):
        raise StatusError(
            Code.BAD_QUESTION,
            f"{match[0][:40]!r} marks coordinates as a vision-language model writes them, whose "
            "scale "
            f"differs from model to model: {HOW}",
        )
    text, scale = _scale(text)
    found: list[tuple[int, object]] = []

    def tag(point, name, match):
        found.append((match.start(), point))
        # same length, so that the positions of later matches stay comparable
        return name.ljust(match.end() - match.start())

    for pattern in _NAMED[:2]:
        text = pattern.sub(
            lambda m: tag(_point((float(m["u"]), float(m["v"])), m[0], scale), " <p> ", m), text
        )
    for pattern in (_BRACKETED, _NAMED[2], _AFTER_WORD, _BARE):
        text = pattern.sub(
            lambda m: tag(point, " <p> ", m) if (point := _run(m, scale)) else m[0], text
        )
    text = _CENTRE_RE.sub(lambda m: tag(CENTRE, " <c> ", m), text)
    text = _AHEAD_RE.sub(lambda m: tag(STRAIGHT_AHEAD, " <a>", m), text)
    found.sort(key=lambda item: item[0])
    return [point for _, point in found], text


def _scale(text: str) -> tuple[str, float]:
    """Return the text without a stated scale, and what its coordinates run to (0: pixels)."""
    for pattern, scale in ((_SCALE_1000, 1000.0), (_SCALE_1, 1.0)):
        if pattern.search(text):
            return pattern.sub(lambda m: " " * len(m[0]), text), scale
    return text, 0.0


def _run(match, scale: float):
    """Return the point of a run of numbers, None where it is a single number after a word."""
    run = match["run"]
    parts = [part.strip() for part in run.split(";")]
    if len(parts) == 2 and all(re.fullmatch(r"-?\d+,\d+", part) for part in parts):
        numbers = [part.replace(",", ".") for part in parts]  # "(320,5; 240,25)"
    else:
        numbers = re.findall(NUMBER, run)
    seen = " ".join(match[0].split())
    if len(numbers) == 2:
        values = tuple(map(float, numbers))
        if "%" in run:
            return _point(values, seen, 100.0)
        return _point(values, seen, scale)
    if len(numbers) == 1:
        return None
    kind = {3: "a 3-D point or a misprint", 4: "a box"}.get(len(numbers), "no pixel")
    raise StatusError(
        Code.BAD_QUESTION, f"{seen!r} holds {len(numbers)} numbers ({kind}), not two: {HOW}"
    )


def _point(values: tuple, seen: str, scale: float):
    """Return a pixel, or a RelativePoint where the scale or the values say that it is none."""
    fractional = all(0 <= v <= 1 for v in values) and any(v % 1 for v in values)
    if not scale and not fractional:
        return values
    if not scale and re.search(r"\b(?:px|pixels?)\b", seen):
        raise StatusError(
            Code.BAD_QUESTION,
            f"{seen!r} looks like fractions of the image, which are no pixels: {HOW}, or write "
            "'normalised (0.5, 0.5)'",
        )
    scale = scale or 1.0
    if not all(0 <= v <= scale for v in values):
        raise StatusError(
            Code.BAD_QUESTION,
            f"{' '.join(seen.split())!r}: must lie within 0 to {scale:g}, as the question says: "
            f"{HOW}",
        )
    return RelativePoint(values[0] / scale, values[1] / scale)
