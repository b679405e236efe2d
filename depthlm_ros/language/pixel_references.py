"""Points of the image written in a question: pixel coordinates, the centre, straight ahead."""

import re

from depthlm_ros.language.quantities import NUMBER

CENTRE = "image centre"
"""The middle of the image, whatever its size."""
STRAIGHT_AHEAD = "straight ahead"
"""Along the camera's principal axis: the principal point."""

_PAIR = (
    rf"(?P<u>{NUMBER})(?:\s*(?:,|;)\s*(?:and\s+)?|\s+(?:and\s+)?)(?:[vy]\s*[=:]?\s*)?"
    rf"(?P<v>{NUMBER})"
)
_POINT_RES = [
    re.compile(pattern)
    for pattern in (
        rf"(?:\b(?:pixels?|points?|coordinates?|"
        rf"px)\s*(?:at\s*)?)?[(\[{{<]\s*(?:[ux]\s*[=:]?\s*)?{_PAIR}\s*"
        rf"(?:px|pixels?)?\s*[)\]}}>]",
        rf"\b[ux]\s*[=:]?\s*{_PAIR}(?:\s*(?:px|pixels?)\b)?",
        rf"\b(?:pixels?|points?|coordinates?|px|position|location)\s*(?:at\b|no\.?|number|"
        rf":)?\s*{_PAIR}"
        rf"(?!\s*[a-z]*/)",
        rf"\bat\s+{_PAIR}(?!\s*(?:[a-z]+/|m\b|km|s\b|per\b))",
    )
]
_IMAGE = r"(?:(?:the\s+)?(?:image|picture|frame|photo|view|screen|camera\s+image)(?:'s)?)"
_MIDDLE = r"(?:cent(?:re|er)|middle|midpoint)"
_CENTRE_RE = re.compile(
    rf"\b{_IMAGE}\s+{_MIDDLE}\b|\b(?:(?:the|its)\s+)?{_MIDDLE}(?:\s+(?:pixel|point))?"
    rf"(?:\s+(?:of|in)\s+{_IMAGE}\b)?|\bcentral\s+(?:pixel|point)\b"
)
_AHEAD_RE = re.compile(
    r"\b(?:straight|dead|directly|right|just)\s+(?:ahead|in\s+front|forward)\b|\bahead\b|"
    r"\b(?:in\s+front\s+of|before)\s+(?:the\s+|my\s+)?(?:me|us|you|robot|camera|vehicle|car|"
    r"lens)\b"
)


def read_points(text: str) -> tuple[list, str]:
    """Find points in lower-case text; return them in order, and the text with tags for them.

    A point is (u, v) in pixels, CENTRE or STRAIGHT_AHEAD.
    """
    found: list[tuple[int, object]] = []

    def tag(point, name, match):
        found.append((match.start(), point))
        # same length, so that the positions of later matches stay comparable
        return name.ljust(match.end() - match.start())

    for pattern in _POINT_RES:
        text = pattern.sub(lambda m: tag((float(m["u"]), float(m["v"])), " <p> ", m), text)
    text = _CENTRE_RE.sub(lambda m: tag(CENTRE, " <p> ", m), text)
    text = _AHEAD_RE.sub(lambda m: tag(STRAIGHT_AHEAD, " ahead", m), text)
    found.sort(key=lambda item: item[0])
    return [point for _, point in found], text
