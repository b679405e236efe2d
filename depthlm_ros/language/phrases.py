"""The words: which English phrases mean which task, and how to tell people to ask."""

import re

from depthlm_ros.language.quantities import NUMBER

EXAMPLES = (
    "'How far is the point at (320, 240)?', 'How fast must I go to reach pixel 320, 240 in 2 s?' "
    "or "
    "'How far apart are (100, 200) and (400, 200)?'"
)
HOW_TO_GIVE_POINTS = (
    "give them in the field `pixels` ({u: 320, v: 240}; on the command line --at 320 240) or in "
    "the text, as in 'at (320, 240)' or 'the image centre'"
)
TOO_MANY = (
    "leave the others out, ask 'How far apart are these two points?', or use the service "
    "query_points for many at once"
)

ASKS_SPEED = re.compile(
    r"\bhow (?:fast|quick(?:ly)?)\b|\b(?:what|which|required|needed|necessary)(?: \w+)? (?:speed|"
    r"velocity)\b|"
    r"\bhow many <?\w+>?(?: \w+)? per \w+\b|\bspeed\b|\bvelocity\b"
)
ASKS_TIME = re.compile(
    r"\bhow (?:long|much time|soon|many (?:milli)?(?:second|minute|hour)s?)\b|"
    r"\b(?:what|which) time\b|\btime (?:to|until|till|needed|required|of arrival|does)\b|\bwhen "
    r"(?:will|do|would|can)\b|"
    r"\beta\b|\btime\b"
)
ASKS_DEPTH = re.compile(
    r"\bz[- ]?(?:depth|distance|value|coordinate)\b|\bdepth\b|\bhow deep\b|"
    r"\b(?:principal|optical|viewing|forward|camera|z)[- ]?ax[ie]s\b|"
    r"\b(?:forward|perpendicular|planar|orthogonal|axial) distance\b|\b(?:image|camera) plane\b"
)
ASKS_DISTANCE = re.compile(
    r"\bhow (?:far|close|near|distant|remote)\b|\bdistan(?:ce|t)\b|\brange\b|\baway\b|\bfar\b|"
    r"\bhow many (?:milli|centi|kilo)?(?:met(?:er|re)s?|m|cm|mm|km|feet|foot|ft|inch(?:es)?|"
    r"yards?|miles?)\b"
)
_CAMERA = (
    r"(?:the |this |my |your )?"
    r"(?:camera|robot|lens|sensor|viewer|observer|me|us|you|here|vehicle|car)"
)
_FROM_CAMERA = re.compile(rf"\b(?:between|from|to|of|and)\s+{_CAMERA}\b")
_TWO_POINTS = re.compile(
    r"\bapart\b|\bbetween\b|\beach other\b|\bone another\b|\b(?:two|both|2|these|those)(?: \w+)? "
    r"(?:points|pixels)\b|"
    r"\bseparat\w+\b|<p>.{0,40}\b(?:from|to|and)\b.{0,40}<p>|\bfrom\b.{0,60}\bto\b"
)
_THIS_POINT = re.compile(r"\b(?:this|that) (?:point|pixel|spot|location|place)\b")
_JOINED = re.compile(r"<p>.{0,60}\b(?:from|to|and)\b.{0,60}<p>")

ABOUT_THE_WAY = re.compile(
    r"\b(?:clear|clearance|free|safe|safely|passable|traversable|drivable|walkable|blocked|"
    r"pass|passes|fit|fits|squeeze|collid\w*|collision|hit|bump|obstacle\w*|obstructed)\b|"
    r"\b(?:enough|any) (?:space|room)\b|\b(?:get|go|drive|walk|move|fly) (?:through|past|between|"
    r"on|ahead|forward)\b"
)
ABOUT_A_MEASURE = re.compile(
    r"\b(?:far|farther|further|close|closer|closest|near|nearer|nearest|nearby|distan\w*|"
    r"metres?|meters?|depth|deep|tall\w*|high\w*|wide\w*|long\w*|big\w*|small\w*|larg\w*|"
    r"fast\w*|slow\w*|speed)\b|\d ?(?:m|cm|mm|km|ft|feet|inch\w*|s|seconds?|m/s)\b"
)
NOT_FREELY = (
    (
        ABOUT_THE_WAY,
        "whether a way is free is for geometry to say, not for a model's words: ask for distances",
    ),
    (
        ABOUT_A_MEASURE,
        "a measure is for geometry to take, not for a model's words: ask how far a point is",
    ),
)
"""What a robot might act on by moving: no model's words may settle it."""

UNSUPPORTED = [
    (re.compile(pattern), reason)
    for pattern, reason in (
        (
            r"\b(?:camera|ego)[ -]?(?:motion|movement|translation|rotation|pose)\b|"
            r"\bhow far (?:did|has|have) (?:the |this |my )?(?:camera|robot|i|we|you|it)\b|"
            r"\b(?:camera|robot)\b.{0,20}\b(?:moved?|moving|travel+ed|rotated?|"
            r"turned)\b.{0,20}\b(?:between|since|from)\b|"
            r"\b(?:between|across) (?:the |these |both |two )*(?:images|frames|pictures|photos)\b|"
            r"\b(?:second|other|previous|next|last) (?:image|frame|picture|photo)\b",
            "camera motion between images is not offered: ask about points of the newest image",
        ),
        (
            r"\bhow (?:tall|high|wide|big|large|thick|small|heavy|broad)\b|\b(?:the|what) "
            r"(?:height|width|size|thickness|area|"
            r"volume|weight|length)\b|\bhow long (?:is|are|was) (?:the|this|that|a|an|my)\b(?! "
            r"(?:way|path|trip|drive|walk|"
            r"journey|time))",
            "sizes of things are not offered: ask for the distance between two points at its ends",
        ),
        (
            r"\b(?:is|are|was|were)(?: \w+){1,3} (?:moving|approaching|driving|walking|coming)\b|"
            r"\bhow fast (?:is|are|does|do) (?!i\b|we\b|you\b|the robot\b|my\b)",
            "motion of things is not offered: ask how fast to go to reach a point in a given time",
        ),
    )
]
"""Measures that nobody here can take, and why."""

FREE_ONLY = [
    (re.compile(pattern), reason)
    for pattern, reason in (
        (
            r"^\W*(?:is|are|can|could|will|would|does|do|am|should) (?!you (?:tell|say|give|"
            r"estimate|measure|compute|please)"
            r"|i (?:know|ask))(?!.*\bhow\b)",
            "yes-or-no questions are not offered: ask for the distance itself",
        ),
        (
            r"\bhow many (?!(?:milli|centi|kilo)?met|m\b|cm\b|mm\b|km\b|feet|foot|ft\b|inch|yard|"
            r"mile|(?:milli)?second|"
            r"minute|hour|<|kmh|km/h|mph)",
            "counting is not offered: ask for a distance, a speed or a time",
        ),
    )
]
"""What only a model that writes can answer, and what others say to it."""

_FUNCTION_WORDS = frozenset(
    """
a about above again ahead along also an and answer any apart approximately are arrive at away axis
be before between both brief by calculate camera can centimeters centimetres close compute consider
coordinate coordinates could current deep depth determine directly distance distant do does drive
each estimate euclidean exact exactly far fast feet find for forward from front get give given go
going gives have head here hit how i if image in inches is it its just keep know lens lie line
location long look many marked marker me measure meter meters metre metres metric minutes moment
move moving much must my near need needed nearest number object of on one optical or other our out
p path photo picture pixel pixels place please point pointed points position principal px quick
quickly range reach red arrow required robot say seconds sensor shall should show shown soon speed
spot start straight take takes tell than that the them there these they thing this those time to
toward towards travel travelled two under unit units until up us value vehicle velocity viewer walk
want was way we what when where which will with within would you your yourself z hours feet ft cm
mm km m kilometers kilometres miles yards millimeters millimetres right now as so arrival second
first eta away separation separated another same using shot frame view target cross crosshair
cursor click clicked selected chosen indicated highlighted following meant let lets needs come
comes driving going only total constant average steady current currently plane perpendicular planar
forwards z-depth straight-line
""".split()
)
_POINTING_WORDS = frozenset(
    """
above another arrow before chosen click clicked cross crosshair cursor each first following front
highlighted indicated line marked marker nearest number object other path pointed red
right same second selected shown target them these they thing those two under up vehicle
""".split()
)
"""Function words that point at something other than the middle of the image."""
_WORD = re.compile(r"(?<![<\w])[^\W\d_][\w'-]*(?![\w>])")
_DEICTIC = re.compile(
    r"\b(?:this|that|these|those|the|here|there)\s+(?:\w+\s+)?(?:points?|pixels?|spots?|arrow|"
    r"marker)\b"
    r"|\bit\b|\bhere\b|\bthere\b"
)

_REPLY_FORMAT = re.compile(
    r"\boutput the thinking process\b.*$|\b(?:answer|reply|respond) (?:with|in|using)\b.*$|"
    r"</?(?:think|answer)>"
)
_SIZE_CLAUSE = re.compile(
    rf"\(?\s*\b(?:image\s+)?(?:of\s+size\s*)?\(?\s*width\s*[=:]?\s*(?P<width>{NUMBER})\s*,?"
    rf"\s*(?:and\s+)?"
    rf"height\s*[=:]?\s*(?P<height>{NUMBER})\s*\)?"
)
_INTRINSICS_CLAUSE = re.compile(
    rf"\(?\s*fx\s*[=:]\s*(?P<fx>{NUMBER})\s*,?\s*fy\s*[=:]\s*(?P<fy>{NUMBER})\s*,?\s*"
    rf"cx\s*[=:]\s*(?P<cx>{NUMBER})\s*,?"
    rf"\s*(?:and\s+)?cy\s*[=:]\s*(?P<cy>{NUMBER})\s*\)?"
)


def strip_reply_format(text: str) -> str:
    """Remove what a prompt says about the form of the reply: the answer's form is fixed here."""
    return " ".join(_REPLY_FORMAT.sub(" ", text).split())


def read_declared(text: str) -> tuple[dict, str]:
    """Take out the image size and the intrinsics that a question states."""
    declared: dict[str, float] = {}
    for clause in (_SIZE_CLAUSE, _INTRINSICS_CLAUSE):
        match = clause.search(text)
        if match:
            declared.update({name: float(value) for name, value in match.groupdict().items()})
            text = text[: match.start()] + " " + text[match.end() :]
    return declared, text


def asks_two_points(rest: str, given: int) -> bool:
    """Tell whether tagged text asks for the distance between two points, not from the camera."""
    rest = _THIS_POINT.sub(" <p> ", rest)
    without_camera = _FROM_CAMERA.sub(" ", rest)
    if not (
        ASKS_DISTANCE.search(rest) or re.search(r"\bapart\b|\bseparat|\bgap\b|\bbetween\b", rest)
    ):
        return False
    if _JOINED.search(without_camera):
        return True
    from_camera = without_camera != rest
    return bool(_TWO_POINTS.search(without_camera)) and (given == 2 or not from_camera)


def named_thing(rest: str) -> str:
    """Return the words of tagged text that name a thing, or "" when it speaks of points only."""
    return "" if _DEICTIC.search(rest) else " ".join(_content_words(rest))


def means_the_centre(rest: str) -> bool:
    """Tell whether text without any point asks about "this point" and speaks of nothing else."""
    if not _THIS_POINT.search(rest) or _content_words(rest):
        return False
    return _POINTING_WORDS.isdisjoint(_WORD.findall(rest))


def _content_words(rest: str) -> list[str]:
    return [word for word in _WORD.findall(rest) if word not in _FUNCTION_WORDS]
