"""What is not offered: the English patterns of it, and the reason that people are given."""

import re

from depthlm_ros.language.phrases import METRES

SIZES = "sizes of things are not offered: ask for the distance between two points at its ends"
ABOUT_THE_WAY = re.compile(
    r"\b(?:clear|clearance|free|safe|safely|passable|traversable|drivable|walkable|block\w*|"
    r"in (?:the|my|our|your) (?:way|path)|(?:my|our|your) path|"
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
    r"metres?|meters?|depth|deep|tall\w*|high\w*|wide\w*|long\w*|lengths?|big\w*|small\w*|larg\w*|"
    r"fast\w*|slow\w*|speed)\b|\d ?(?:m|cm|mm|km|ft|feet|inch\w*|s|seconds?|m/s)\b"
)
WAY_REASON = (
    "whether a way is free is for geometry to say, not for a model's words: ask for distances, or "
    "the service check_clearance"
)
MEASURE_REASON = (
    "a measure is for geometry to take, not for a model's words: ask how far a point is"
)
BEHIND_REASON = "the camera does not see what is behind it: ask about what is ahead, left or right"
MOTION_REASON = "camera motion between images is not offered: ask about points of the newest image"
UNSUPPORTED = [
    (re.compile(pattern), reason)
    for pattern, reason in (
        (
            r"\b(?:how much|by how much|many [a-z]+) (?:taller|wider|broader|bigger|larger|longer|"
            r"smaller|shorter|thicker)\b",
            "sizes are not compared: ask for the height or the width of each",
        ),
        (
            r"\bhow (?:far|long)\b.{0,20}\b(?:should|could|might) "
            r"(?!i\b|we\b|you\b|it\b|one\b|the robot|the camera)",
            "what is there is measured, not what could be: ask how far it is",
        ),
        (
            r"\b(?:closer|nearer|farther|further) (?:away )?(?:to|from) (?!(?:me|us|you|the robot|"
            r"the camera|our|my)\b)(?:the |this |that |an? |<)|\bthan (?:to|from)\b|"
            r"(?<!from )(?<!between )(?<!from the )(?<!between the )\b(?:closest|nearest) "
            r"(?:(?!to\b|from\b)[\w-]+ ){1,3}to (?:the|this|that|an?|<)|"
            r"\bwhich\b.*\b(?:closest|nearest|farthest|furthest) (?:to|from) (?:the|this|<)|"
            r"\bthere\b.*\b(?:closer|nearer|farther|further) than\b",
            "only distances from the camera are compared: ask for the two distances",
        ),
        (
            r"\b(?:camera|ego)[ -]?(?:motion|movement|translation|rotation|pose)\b|"
            r"\bhow far (?:did|has|have) (?:the |this |my )?(?:camera|robot|i|we|you|it)\b|"
            r"\b(?:camera|robot)\b.{0,20}\b(?:moved?|moving|travel+ed|rotated?|turned)\b.{0,20}\b"
            r"(?:between|since|from)\b|"
            r"\b(?:between|across) (?:the |these |both |two |2 )*(?:images|frames|pictures|"
            r"photos)\b|"
            r"\b(?:second|other|previous|next|last) (?:image|frame|picture|photo)\b",
            MOTION_REASON,
        ),
        (
            r"\bhow (?:heavy|old|warm|hot|cold|bright)\b|"
            r"\b(?:the|what|its) (?:weight|temperature|mass)\b",
            "weights, ages and temperatures are not measured: ask for distances and times",
        ),
        (
            r"\bdepth of (?:the |an? )?(?:water|holes?|snow|pit|pool|puddle|ditch|trench|river|"
            r"lake|sea|drawer|shelf|cupboard)\b|"
            r"\bhow (?:big|large|thick|small|steep|flat)\b|"
            r"\b(?:the|what|its) (?:size|thickness|area|volume|length|diameter|radius|"
            r"circumference|"
            r"perimeter|slope|diagonal)\b|"
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
            r"\bhow far (?:is|are|does|do|was|did|has|have|had|will) (?:the|an?|this|that|my|our) "
            r"(?:\w+ )?(?:run|ran|go|gone|come|came|move|moved|fly|flown|jump|walk|get|got|reach|"
            r"throw)\b|"
            r"\b(?:get|go|move|drive|walk|run|back|turn) away\b|"
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
            r"\boff(?:set from)?(?: of)?(?: the| its)? (?:\w+ )?(?:axis|cent(?:re|er)|<c>)|"
            r"\b(?:off|from) the (?:\w+ )?axis\b",
            "the distance from the axis is not offered: ask for the lateral or vertical offset",
        ),
        (
            r"\bhow (?:much|long)(?: time)? (?:do|did|have|had) (?:we|i|you) (?:have|got|left)\b|"
            r"\bfrom between\b|\bfrom\b.*\bto the (?:left|right)\W*$|"
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
            r"\b(?:not|neither|nor|without(?! distortion)|"
            r"except|other than|besides|instead of|rather than|"
            r"never|no longer|excluding|miss(?:ing)?|avoid(?:ing)?|dodg(?:e|ing)|evad(?:e|ing)|"
            r"no (?:later|sooner) than|(?:any|every|no)thing but|(?:all|any|none) but|"
            r"but not)\b|n't\b",
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
            r"\b(?:shadow|reflection|mirror image|projection)s? of\b|"
            r"\bhow far (?:along|across|around|through|past|into)\b|\bhow far (?:down|up) the\b",
            "only straight lines to what is at a point are measured: ask how far the point is",
        ),
        (
            r"\bhow (?:far|close|near) (?:should|must|may|can|do|shall|could|to) "
            r"(?:(?:i|we|you|it|the robot) )?(?:have to |need to |safely )?"
            r"(?:stay|keep|stop|back|brake|remain|retreat|reverse)\b|"
            r"\bhow (?:close|near) (?:is too|can|could|should|may|must|do|shall)\b|"
            r"\bhow far can (?:(?:the|that|this|an?)\b(?! (?:robot|camera))|<)",
            "what is safe, or can be seen, is not told: ask how far it is",
        ),
        (
            r"\b(?:middle|mid-?point|point half ?way|half ?way point|cent(?:re|er)) between\b",
            "a point between two others is not worked out: give its pixel",
        ),
        (
            r"\b(?:that|which) (?:occludes|hides|covers|obscures)\b",
            "what stands before a thing is not looked for: give the pixel of what is meant",
        ),
        (
            r"\b(?:travel(?:l?ing)?|driving|walking|road|route) distance\b",
            "the length of a path is not known: ask for the straight distance",
        ),
        (
            r"\bhow far off (?:is|are|was) (?:your|the|its|that) (?:[a-z]+ )?(?:estimate|reading|"
            r"measurement|guess|answer|prediction)\b|"
            r"\b(?:error|uncertaint(?:y|ies)|accuracy|precision|variance|deviation) "
            r"(?:of|in|on|for|at)\b|\bhow (?:accurate|precise|certain|sure|reliable)\b",
            "an error is no distance: ask for the distance, its 90 % interval comes with it",
        ),
        (
            r"\bhow many (?:pixels|steps|paces|times|chairs away|car lengths|floors|stories|"
            r"storeys)\b|\b(?:in|of) (?:pixels|steps|paces|car lengths)\b"
            r"|\bpixel distance\b|\bapart\b.*\bon (?:the |my )?screen\b",
            r"this unit is not offered: distances are in metres, or in feet, inches, yards and "
            r"miles",
        ),
        (
            r"\b(?:above|over|off|from) (?:the )?(?:sea|ground level)\b|\b(?:altitude|elevation) "
            r"of\b|"
            r"\b(?:how high|height)\b(?! (?:difference|offset|gap)).{0,60}? "
            r"(?:above|over|off|from)\b",
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
    rf"\bhow many (?!{METRES}|(?:milli)?seconds?|minutes?|hours?|degrees?|<|kmh|km/h|mph|m/s)"
)
COUNTING_REASON = "counting is not offered: ask for a distance, a speed or a time"
IN_TIME = re.compile(r"\bin (?:milli)?(?:seconds|minutes|hours|days)\b")
PART_OF = re.compile(
    r"\b(?:top|bottom|upper part|lower part|edge|half|rest|remainder)s? of\b|"
    r"\b(?:gap|space|opening|room|clearance)\b(?! (?:heater|shuttle|divider))|"
    r"\b(?:corridor|hallway|hall|aisle|road|street|lane|path|way|pavement|sidewalk|floor|ground|"
    r"ceiling|price)\b(?! (?:sign|lamp|light|marking|cone|tile|door|board|tag)s?\b)"
)
"""What has no height or width of its own that a box shows."""
