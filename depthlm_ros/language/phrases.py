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
METRES = (
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
    rf"\bhow many {METRES}",
    r"\bseparat\w+\b|\bapart\b|\bseparation\b|\bgap\b",
    r"\bhow much (?:closer|nearer|farther|further|higher|lower|deeper)\b",
)
_SIDES = r"(?:left|right)"
_FAR = rf"\b(?:how (?:far|much|close)|how many {METRES}|(?:the )?distance)(?: away)?"
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
    r"\bby how much\b.*\b(?:closer|nearer|farther|further)\b",
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
    rf"\bhow (?:far|much further|many \w+) (?:(?:to the )?(?:left|right|ahead|forwards?|straight) "
    rf"(?:ahead )?)?(?:can|could|may|might|should) (?:{_SELF} )?(?:\w+ )?{_GO}\b",
    r"\b(?:free|clear|open|empty|unobstructed|passable|drivable|available) (?:distance|space|path|"
    r"way|room|road|range|run)\b",
    r"\bhow much (?:free |clear |open |empty )?(?:space|room|clearance|distance)\b(?! (?:between|"
    r"separates))(?!.* to (?!(?:the |my |our )?(?:left|right|front)\b))",
    r"^(?!.*<[pg]>).*\b(?:how far|distance|range|how close|how near)\b.*\bobstacles?\W*$",
    r"^(?!.*<[pg]>).*\bobstacles? (?:distance|range)\b",
    r"\bclearance\b(?! between)",
    r"\bhow far (?:is it possible|am i able|are we able) to\b",
    r"\bfree (?:<a>|in front|to the (?:left|right))",
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
    r"\b(?:gap|opening|passage|width) between\b",
)
_NOT_COUNTED = (
    rf"{METRES}|(?:milli)?seconds?|minutes?|hours?|degrees?|<|kmh|km/h|mph|m/s|pixels?|points?|"
    r"steps?|paces?|times|images?|frames?|ways?|units?"
)
COUNT = re.compile(
    rf"\bhow many (?!{_NOT_COUNTED})(?P<what>.+?)\b(?:\s+(?:are|is) (?:there|"
    r"visible|shown|present|here|standing|(?=in |on |at |to ))|\s+(?:do|can|could) (?:you|i|we) "
    r"(?:see|find|count|detect|spot)\b|\s+(?:are )?(?=in (?:the|this) (?:image|picture|scene|room|"
    r"view|photo)))"
    rf"|^\W*how many (?!{_NOT_COUNTED}|.*\b(?:do|does|did|can|could|have|has|is|are|be|"
    r"fit|would|will|need)\b)(?P<terse>[a-z][\w' -]*?)\W*$"
    r"|\b(?:count|number of) (?:all )?(?:the )?(?P<counted>(?!pixels|points).+)$"
)
EXISTS = re.compile(
    r"^\W*any (?!idea)[a-z][\w' -]*\?\W*$|"
    r"^\W*are there (?!enough|more|less|fewer|many|two|three|four|\d)[a-z]|"
    r"^\W*(?:is|are) there (?:an?|any|some|the)\b|^\W*(?:do|can|could) you (?:see|find|detect|"
    r"spot|recogni[sz]e) (?!how|what|where)|"
    r"^\W*(?:is|are) (?:the |an? |any )?.{1,60}\b(?:visible|(?:in|on) (?:the |this )?(?:image|"
    r"picture|photo|view|frame|scene))\W*$|"
    r"^\W*(?:does|do) (?:the|this) (?:image|picture|scene|photo|view) (?:show|contain|have)\b"
)
EXISTS_WORDS = re.compile(
    r"^\W*(?:(?=any\b)|(?:is|are) there|(?:do|can|could) you (?:see|find|detect|spot|"
    r"recogni[sz]e)|"
    r"(?:does|do) (?:the|this) (?:image|picture|scene|photo|view) (?:show|contain|have)|is|are)\b|"
    r"\b(?:visible|present|anywhere|somewhere|around|here)\b\W*$"
)
HEIGHT = re.compile(
    rf"\bhow many {METRES} (?:tall|high)\b|"
    r"\bhow (?:tall|high)\b|(?<=[a-z]) height\W*$|"
    r"\b(?:the|what|whats|what's) height\b(?! (?:difference|offset|gap))|"
    r"\bheight of\b|'s height\b"
)
WIDTH = re.compile(
    rf"\bhow many {METRES} (?:wide|broad)\b|"
    r"\bhow (?:wide|broad)\b|(?<=[a-z]) width\W*$|"
    r"\b(?:the|what|whats|what's) (?:width|breadth)\b|\bwidth of\b|'s "
    r"width\b"
)
_REPLY_FORMAT = re.compile(
    r"\boutput the thinking process\b.*$|\b(?:answer|reply|respond) (?:with|in|using)\b.*$|"
    r"</?(?:think|answer)>"
)
_PREAMBLE = re.compile(
    r"\b(?:given|in|for|with) (?:this|the|these) (?:image|picture|photo)s?,? where the camera "
    r"intrinsics are\b|"
    r"\b(?:and )?the images? (?:is|are) (?:without|free of) (?:lens )?distortions?\b"
)
"""What the papers say of an image before they ask (DepthLM, figure 7)."""
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
    return declared, _PREAMBLE.sub(" ", text) if declared else text
