"""The words: which English phrases mean which task, and how to tell people to ask."""

import re

from depthlm_ros.language.quantities import NUMBER

EXAMPLES = (
    "'How far is the point at (320, 240)?', 'How fast must I go to reach pixel 320, 240 in 2 s?' "
    "or 'How far apart are (100, 200) and (400, 200)?'"
)
HOW_TO_GIVE_POINTS = (
    "give them in the field `pixels` ({u: 320, v: 240}; on the command line --at 320 240) or in "
    "the text, as in 'at (320, 240)' or 'the image centre'"
)
TOO_MANY = (
    "leave the others out, ask 'How far apart are these two points?', or use the service "
    "query_points for many at once"
)
_METRES = (
    r"(?:(?:milli|centi|deci|kilo)?met(?:er|re)s?|m|cm|mm|dm|km|feet|foot|ft|inch(?:es)?|yards?|"
    r"miles?)\b"
)


def _one(*patterns: str) -> re.Pattern:
    return re.compile("|".join(patterns))


ASKS_SPEED = _one(
    r"\bhow (?:fast|quick(?:ly)?)\b",
    r"\b(?:what|which|required|needed|necessary|minimum)(?: \w+)? (?:speed|velocity)\b",
    r"\bhow many <?\w+>?(?: \w+)? per \w+\b",
    r"\bhow many (?:m/s|km/h|kmh|kph|mph|knots)",
    r"\bspeed\b|\bvelocity\b",
)
ASKS_TIME = _one(
    r"\bhow (?:long|much time|soon|many (?:milli)?(?:second|minute|hour)s?)\b",
    r"\b(?:what|which) time\b",
    r"\btime (?:to|until|till|needed|required|of arrival|does|it takes)\b",
    r"\bwhen (?:will|do|would|can|am|are|should)\b",
    r"\beta\b|\btime\b|\bduration\b",
)
ASKS_DISTANCE = _one(
    r"\bhow (?:far|close|near|distant|remote)\b|\bdistan(?:ce|t)\b|\brange\b|\baway\b|\bfar\b",
    rf"\bhow many {_METRES}",
    r"\bseparat\w+\b|\bapart\b|\bseparation\b|\bgap\b",
    r"\bhow much (?:closer|nearer|farther|further|higher|lower|deeper)\b",
)
_SIDES = r"(?:left|right)"
_FAR = rf"\b(?:how (?:far|much|close)|how many {_METRES}|(?:the )?distance)(?: away)?"
LATERAL = _one(
    r"\blateral(?:ly)?\b|\bside-?ways?\b|\bside to side\b|\b(?:left|right)ward\b",
    r"\bleft[- ](?:to[- ])?right\b|\bleft/right\b|\bx[- ](?:offset|distance|coordinate|value|axis|"
    r"direction)\b",
    rf"{_FAR} (?:further |farther |more )?(?:off |over )?(?:to (?:the |my |our |your "
    rf")?)?{_SIDES}\b(?= (?:is|are|of|from|does|do|must|should|to|the|<)| *\W*$)(?! to <)",
    rf"(?:<g>|<p>)\s+(?:is |lies? )?(?:to|towards?) (?:the|my|our|your) {_SIDES}\b(?! of)",
    rf"\bhow much (?:farther |further |more )?(?:to the )?{_SIDES}\b|\bfurther {_SIDES}\b",
)
_HEIGHT = r"(?:height|elevation|altitude)"
VERTICAL = _one(
    r"\bvertical(?:ly)?\b|\by[- ](?:offset|distance|coordinate|value|axis|direction)\b",
    rf"\b{_HEIGHT} (?:difference|offset|gap)\b|\bdifference (?:in|of) {_HEIGHT}s?\b",
    r"\bhow (?:much|many \w+|far) (?:higher|lower|taller)\b|\b(?:much|far) (?:higher|lower)\b",
    rf"{_FAR} (?:up|down|upwards?|downwards?)(?= (?:is|are|do|does|from|must|should|to)\b| (?:<g>|"
    rf"<p>)|\W*$)",
    rf"{_FAR} (?:above|below|over|under|beneath|underneath)(?: us| me| you)?\b",
    r"<[gp]> (?:above|below)(?: the camera| me| us)?\b",
)
HORIZONTAL = _one(
    r"\bhorizontal(?:ly)?\b|\b(?:ground|floor|level) distance\b",
    r"\b(?:along|over|across|measured on) the (?:ground|floor)\b|\bignoring (?:the )?height\b|"
    r"\bbird'?s[- ]eye\b",
)
ASKS_DEPTH = _one(
    r"\bz[- ]?(?:depth|distance|value|coordinate|offset|direction)\b|\bdepth\b|\bhow (?:much "
    r")?deep(?:er)?\b",
    r"\b(?:principal|optical|viewing|forward|camera|camera's|z)[- ]?(?:ax[ie]s|direction)\b",
    r"\b(?:forward|perpendicular|planar|orthogonal|axial|longitudinal) (?:distance|offset)\b",
    r"\b(?:image|camera|sensor) plane\b|\bforwards?[- /]?(?:and )?backwards?\b|"
    r"\blongitudinal(?:ly)?\b",
    r"\balong (?:the|its|my|our|this) (?:camera's )?axis\b|\balong z\b|\bin z\b",
    r"\bhow (?:far|much (?:further|farther)) forwards?\b",
)
ANGLE = _one(
    r"\bangle\b|\bangular\b|\bbearing\b|\bazimuth\b|\bhow many degrees\b|\bheading\b",
    r"\b(?:which|what) direction (?:is|are|lies?|to)\b|\bin (?:which|what) direction\b|"
    r"\bdegrees?\b",
)
STRAIGHT = _one(
    r"\bstraight[- ]line\b|\beuclidean\b|\b3-?d\b|\bdirect distance\b|\bas the crow flies\b"
)
COMPONENTS = {
    "lateral": LATERAL,
    "vertical": VERTICAL,
    "horizontal": HORIZONTAL,
    "axis": ASKS_DEPTH,
    "angle": ANGLE,
}
"""Parts of a distance, by name; none of them named: the straight line."""
TO_A_SIDE = re.compile(r"\b(left|right|up|down|above|below|over|under|higher|lower)\w*\b")

APART = _one(
    r"\bapart\b|\bbetween\b|\beach other\b|\bone another\b|\bseparat\w+\b",
    r"\b(?:two|both|2|these|those)(?: \w+)? (?:points|pixels)\b|\bdifference\b",
)
"""Speaks of two points, whatever else."""
DIFFERENCE = _one(
    r"\bhow (?:much|many \w+|far) (?:closer|nearer|farther|further)(?: away)?\b(?! (?:left|right|"
    r"up|down))",
    r"\bdifference (?:in|of|between the) (?:distance|range)s?\b|\bdistance difference\b",
)
_WHICH = r"\b(?:which|what|who|whichever)\b[^,?]{0,40}?\b(?:is|are|lies) "
_NO_SIDE = r"(?! (?:to (?:the|my) )?(?:left|right|up|down))"
NEARER = _one(
    rf"{_WHICH}(?:the )?(?:closer|closest|nearer|nearest)\b",
    r"^\W*(?:is|are)\b.{0,120}\b(?:closer|nearer)\b",
    r"\b(?:closer|nearer)(?: to (?:me|us|the camera|the robot))?\s*[,:?].*\bor\b",
)
FARTHER = _one(
    rf"{_WHICH}(?:the )?(?:farther|further|farthest|furthest|more distant|most distant)\b"
    rf"{_NO_SIDE}",
    rf"^\W*(?:is|are)\b.{{0,120}}\b(?:farther|further|more distant)\b{_NO_SIDE}",
    r"\b(?:farther|further)(?: away)?(?: from (?:me|us|the camera|the robot))?\s*[,:?].*\bor\b",
)
COMPARING = re.compile(
    r"\b(?:which|what|who)\b(?: (?:one|point|pixel|thing|object|of (?:them|these|those|the (?:two|"
    r"following)|the)))?"
    r"(?:(?: two)? (?:points|pixels|things|objects))?(?: is| are| lies)?|"
    r"\b(?:the )?(?:closer|nearer|closest|nearest|farther|further|farthest|furthest|more distant|"
    r"most distant)\b"
    r"(?: (?:one|point|pixel|thing|object|away|off))*"
)

_GO = r"(?:go|drive|move|travel|walk|fly|continue|proceed|advance|roll|run|step|head)"
_SELF = (
    r"(?:i|we|you|one|it|(?:the |my |our |this )?(?:robot|camera|drone|cart|rover|vehicle|agv|"
    r"base))"
)
_HINDRANCE = r"(?:obstacle|obstruction|object|thing|anything|something|barrier|surface)s?"
WAY = _one(
    rf"\bhow (?:far|much further|many \w+) (?:can|could|may|might|should) {_SELF} (?:\w+ "
    rf")?{_GO}\b",
    r"\b(?:free|clear|open|empty|unobstructed|passable|drivable|available) (?:distance|space|path|"
    r"way|room|road|range|run)\b",
    r"\bhow much (?:free |clear |open |empty )?(?:space|room|clearance|distance)\b(?! (?:between|"
    r"separates))",
    r"\bclearance\b(?! between)",
    rf"\b(?:nearest|closest|first|next) {_HINDRANCE}\b",
    rf"\b(?:how far|distance|how close|how near)\b.*\b(?:nearest|closest|first) {_HINDRANCE}\b",
    rf"\b(?:until|before|till) {_SELF} (?:\w+ )?(?:hit|collide|bump|crash|touch|reach(?:es)? "
    rf"(?:an|any|the) obstacle)",
    r"\bis (?:the |my |our )?(?:path|way|road|route|corridor|lane|area|space|it|everything)(?: "
    r"\S+)*? (?:clear|free|blocked|open|empty|unobstructed)\b",
    rf"\b(?:is|are) there (?:an?|any|some)? ?(?:obstacles?|obstructions?|{_HINDRANCE} in (?:the|"
    rf"my|our) way)\b",
    r"\b(?:is|are) there (?:enough |any )?(?:free |clear )?(?:space|room)\b(?! between)",
    r"\bwhat (?:is|are) (?:in|blocking) (?:the|my|our) way\b",
)
FREEST = _one(
    r"\b(?:which|what) (?:way|direction|side)\b.{0,30}\b(?:free|freest|clear|clearest|open|most "
    r"open|most space|most room|safest|longest|more space|more room)\b",
    rf"\b(?:should|can|could|must|shall|do) {_SELF} (?:\w+ )?(?:{_GO[3:-1]}|turn|steer)(?: to "
    rf"the)? (?:left|right) or\b",
    r"\bwhere (?:is|do i have|have i got|can i find) (?:the )?(?:most|more) (?:free |open |clear "
    r")?(?:space|room)\b",
    rf"\b(?:which|what) (?:way|direction) (?:should|can|could|must) {_SELF} (?:\w+ )?{_GO}\b",
    rf"\bwhere (?:should|can|could) {_SELF} (?:\w+ )?{_GO}\b",
    r"\b(?:is there |there is )?(?:more|most) (?:free |open |clear )?(?:space|room) (?:on the |to "
    r"the |at the )?(?:left|right)\b.*\b(?:or|than)\b",
)
BEHIND = re.compile(
    r"\bbehind (?:me|us|you|the robot|the camera|my back|our back)\b|\b(?:in|at) (?:my|our|the) "
    r"(?:back|rear)\b(?! of)|"
    r"\bbackwards?\b(?! direction)|\bin reverse\b|\bto the rear\b|\bbehind\W*$|\bbehind\b(?= <)"
)
PASSAGE = _one(
    rf"\b(?:can|could|will|would|may|do|does|shall|should)\b.{{0,60}}\b(?:pass|fit|squeeze|get|"
    rf"{_GO[3:-1]}|make it)\b.{{0,30}}\b(?:between|through)\b",
    r"\b(?:enough |any |sufficient )?(?:space|room|clearance)\b.{0,40}\bbetween\b",
    r"\b(?:how (?:wide|big|large) (?:is|are)|(?:the )?width of) (?:the )?(?:gap|space|opening|"
    r"passage|distance|way|room|clearance)\b(?: (?:is )?(?:there )?)?",
    r"\bhow much (?:space|room|clearance)\b.{0,40}\bbetween\b",
    r"\bis (?:the )?(?:gap|space|opening|passage|room)\b.{0,60}\b(?:wide|big|large) enough\b",
    r"\b(?:gap|opening|passage) between\b",
)
COUNT = re.compile(
    rf"\bhow many (?!{_METRES}|(?:milli)?seconds?|minutes?|hours?|degrees?|<|kmh|km/h|mph|m/s|"
    rf"pixels?|points?|"
    r"steps?|paces?|times|images?|frames?|ways?|units?)(?P<what>.+?)\b(?:\s+(?:are|is) (?:there|"
    r"visible|shown|present|here|standing|(?=in |on |at |to ))|\s+(?:do|can|could) (?:you|i|we) "
    r"(?:see|find|count|detect|spot)\b|\s+(?:are )?(?=in (?:the|this) (?:image|picture|scene|room|"
    r"view|photo)))"
    r"|\b(?:count|number of) (?:all )?(?:the )?(?P<counted>(?!pixels|points).+)$"
)
EXISTS = re.compile(
    r"^\W*(?:is|are) there (?:an?|any|some|the)\b|^\W*(?:do|can|could) you (?:see|find|detect|"
    r"spot|recogni[sz]e) (?!how|what|where)|"
    r"^\W*(?:is|are) (?:the |an? |any )?.{1,60}\b(?:visible|(?:in|on) (?:the |this )?(?:image|"
    r"picture|photo|view|frame|scene))\W*$|"
    r"^\W*(?:does|do) (?:the|this) (?:image|picture|scene|photo|view) (?:show|contain|have)\b"
)
EXISTS_WORDS = re.compile(
    r"^\W*(?:(?:is|are) there|(?:do|can|could) you (?:see|find|detect|spot|recogni[sz]e)|"
    r"(?:does|do) (?:the|this) (?:image|picture|scene|photo|view) (?:show|contain|have)|is|are)\b|"
    r"\b(?:visible|present|anywhere|somewhere|around|here)\b\W*$"
)
HEIGHT = re.compile(
    r"\bhow (?:tall|high)\b|\b(?:the|what|whats|what's) height\b(?! (?:difference|offset|gap))|"
    r"\bheight of\b|'s height\b"
)
WIDTH = re.compile(
    r"\bhow (?:wide|broad)\b|\b(?:the|what|whats|what's) (?:width|breadth)\b|\bwidth of\b|'s "
    r"width\b"
)
SIZES = "sizes of things are not offered: ask for the distance between two points at its ends"

ABOUT_THE_WAY = re.compile(
    r"\b(?:clear|clearance|free|safe|safely|passable|traversable|drivable|walkable|blocked|"
    r"pass|passes|fit|fits|squeeze|collid\w*|collision|hit|bump|obstacle\w*|obstructed)\b|"
    r"\b(?:enough|any) (?:space|room)\b|\b(?:get|go|drive|walk|move|fly) (?:through|past|between|"
    r"on|ahead|forward)\b|\b(?:get|go|drive|walk|move|fly) <a>|"
    r"\b(?:should|must|may|can|could|shall|do|would|let) (?:i|we|you|us|it|the robot|the car) "
    r"(?:\w+ )?"
    r"(?:go|turn|drive|move|walk|steer|stop|brake|proceed|continue|cross|approach|wait|reverse|"
    r"accelerate|enter|leave|overtake|land|take off|slow down|speed up|keep)\b|\bdanger\w*\b|"
    r"\bsafety\b"
)
ABOUT_A_MEASURE = re.compile(
    r"\b(?:far|farther|further|close|closer|closest|near|nearer|nearest|nearby|distan\w*|"
    r"metres?|meters?|depth|deep|tall\w*|high\w*|wide\w*|long\w*|big\w*|small\w*|larg\w*|"
    r"fast\w*|slow\w*|speed)\b|\d ?(?:m|cm|mm|km|ft|feet|inch\w*|s|seconds?|m/s)\b"
)
WAY_REASON = (
    "whether a way is free is for geometry to say, not for a model's words: ask for distances, or "
    "the service check_clearance"
)
NOT_FREELY = (
    (ABOUT_THE_WAY, WAY_REASON),
    (
        ABOUT_A_MEASURE,
        "a measure is for geometry to take, not for a model's words: ask how far a point is",
    ),
)
"""What a robot might act on by moving: no model's words may settle it."""
BEHIND_REASON = "the camera does not see what is behind it: ask about what is ahead, left or right"

UNSUPPORTED = [
    (re.compile(pattern), reason)
    for pattern, reason in (
        (
            r"\b(?:camera|ego)[ -]?(?:motion|movement|translation|rotation|pose)\b|"
            r"\bhow far (?:did|has|have) (?:the |this |my )?(?:camera|robot|i|we|you|it)\b|"
            r"\b(?:camera|robot)\b.{0,20}\b(?:moved?|moving|travel+ed|rotated?|turned)\b.{0,20}\b"
            r"(?:between|since|from)\b|"
            r"\b(?:between|across) (?:the |these |both |two |2 )*(?:images|frames|pictures|"
            r"photos)\b|"
            r"\b(?:second|other|previous|next|last) (?:image|frame|picture|photo)\b",
            r"camera motion between images is not offered: ask about points of the newest image",
        ),
        (
            r"\bhow (?:big|large|thick|small|heavy|old|warm|hot|cold|bright|steep|flat)\b|"
            r"\b(?:the|what|its) (?:size|thickness|area|volume|weight|length|diameter|radius|"
            r"circumference|"
            r"perimeter|slope|temperature|mass|diagonal)\b|"
            r"\bhow long (?:is|are|was) (?:the|this|that|a|an|my)\b(?! "
            r"(?:way|path|trip|drive|walk|journey|time|route))|\bhow deep (?:is|are) (?:the|a|an|"
            r"my)\b"
            r"(?! (?:point|pixel))",
            SIZES,
        ),
        (
            r"\b(?:is|are|was|were)(?: \w+){1,3} (?:moving|approaching|driving|walking|coming|"
            r"running)\b"
            r"(?! to)|"
            r"\bhow fast (?:is|are|does|do|was|did) (?!i\b|we\b|you\b|the robot\b|my\b)|"
            r"\b(?:speed|velocity) of (?:the|a|an|this|that) (?!robot|light|camera)",
            r"motion of things is not offered: ask how fast to go to reach a point in a given "
            r"time",
        ),
        (
            r"\bhow (?:far|close|near|deep)\b.{0,40}\b(?:was|were|will|had been|used to)\b|"
            r"\b(?:distance|depth|range) (?:was|were|will)\b|\b(?:yesterday|tomorrow|ago)\b",
            r"only the newest image is measured, not the past or the future: ask how far it is "
            r"now",
        ),
        (
            r"\b(?:twice|thrice|double|triple|squared?|cubed|half(?:way)?|sum|product|ratio|"
            r"midpoint|times as|percent(?:age)?|plus|minus)\b(?! <n>)",
            "arithmetic with distances is not done here: ask for the distances themselves",
        ),
        (
            r"\b(?:and|then|way|come|go|drive|get) back\b|\bround trip\b|\breturn(?:ing)?\b|"
            r"\bback and forth\b",
            "only the way to a point is measured, not the way back: ask for one way",
        ),
        (
            r"\b(?:will|does|do|can|could|would|must|should) (?:the|a|an|that|this|these|those) "
            r"(?!robot|camera|drone|rover)(?:[\w-]+ ){1,3}?(?:reach|arrive|get|hit|pass|be|come|"
            r"move|drive|catch)\b",
            "motion of things is not offered: ask how fast to go to reach a point in a given time",
        ),
        (
            r"\b(?:elevation|pitch|vertical) angle\b|\bangle of elevation\b|"
            r"\bdegrees (?:above|below|up|down|higher|lower)\b",
            "only the angle to the side is offered: ask for the bearing, or the vertical distance",
        ),
        (
            r"\b(?:not|without(?! distortion)|except|other than|besides|instead of|rather than|"
            r"never|no longer|excluding)\b|n't\b",
            r"a question that leaves something out cannot be read with certainty: ask for what is "
            r"meant",
        ),
        (
            r"\b(?:edge|border|corner|bottom|top|margin)s? of (?:the |this )?(?:image|picture|"
            r"frame|photo|screen)\b|"
            r"\b(?:image|picture|frame|screen) (?:edge|border|corner|margin|bottom|top)\b",
            r"parts of the image other than its centre are not places in the scene: give a pixel",
        ),
        (
            r"\b(?:average|mean|median|maximum|minimum|maximal|minimal|max|deepest|shallowest|"
            r"typical)"
            r"(?: \w+)? (?:depth|distance|range)\b|\b(?:depth|distance) map\b",
            r"statistics of the depth are not answered here: subscribe to depth/image",
        ),
        (
            r"\bhow many (?:pixels|steps|paces|times|chairs away|car lengths|floors|stories|"
            r"storeys)\b|\b(?:in|of) (?:pixels|steps|paces|car lengths)\b"
            r"|\bpixel distance\b",
            r"this unit is not offered: distances are in metres, or in feet, inches, yards and "
            r"miles",
        ),
        (
            r"\b(?:above|over|off|from) (?:the )?(?:sea|ground level)\b|\b(?:altitude|elevation) "
            r"of\b|"
            r"\bhow high (?:above|over|off)\b",
            r"heights above the ground are not offered: ask for the vertical distance of two "
            r"points",
        ),
    )
]
"""Measures that nobody here can take, and why."""

CONDITION = re.compile(
    r"\b(?:if|once|after|suppose|supposing|assuming|imagine|when|as soon as) (?:i|we|you|it|one|"
    r"the|this|my|he|she|they)\b"
)
CONDITION_REASON = (
    "the newest image is measured as it is, not as it would be: ask without the condition"
)
YES_OR_NO = re.compile(
    r"^\W*(?:is|are|can|could|will|would|does|do|am|should|has|have|did|was|were) (?!you (?:tell|"
    r"say|give|"
    r"estimate|measure|compute|please|calculate|let|show|determine|find out)"
    r"|i (?:know|ask))(?!.*\bhow\b)(?!.*\bwhat (?:is|the)\b)"
)
YES_OR_NO_REASON = "yes-or-no questions are not offered: ask for the distance itself"
COUNTING = re.compile(
    rf"\bhow many (?!{_METRES}|(?:milli)?seconds?|minutes?|hours?|degrees?|<|kmh|km/h|mph|m/s)"
)
COUNTING_REASON = "counting is not offered: ask for a distance, a speed or a time"

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
