"""From tagged words to the kind of a question: which task, of which component, about how many.

Works on text in which points ("<p>", "<c>", "<a>"), points beside the question ("<g>") and
quantities ("<n>") are tags already. What it recognises it takes out, so that what remains is about
the targets alone.
"""

import re

from depthlm_ros.language import phrases, unsupported
from depthlm_ros.language.classify_way import read_passage, read_way
from depthlm_ros.language.frame_words import MEASURED
from depthlm_ros.language.kind import FreeKindError, Kind
from depthlm_ros.language.unit_tables import LENGTHS_M
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import ONE_POINT, TWO_POINT, Task

_UNIT_WORDS = "|".join(
    sorted(
        {rf"{n}s?" if len(n) > 2 else n for n in LENGTHS_M if n not in ("in", "m")}
        | {"inches", "feet"},
        key=len,
        reverse=True,
    )
)
_IN_UNITS = re.compile(
    rf"\b(?:in|measured in|expressed in|using|unit:?)\s+(?:units of )?(?:{_UNIT_WORDS}|m|si "
    rf"units?|metric(?: units)?|"
    r"degrees?|radians?|seconds?|minutes?|hours?|m/s|km/h|kmh|mph|meters per second|metres per "
    r"second)\b(?!/)"
)
_ADJECTIVES = (
    r"(?:(?:approximate|exact|rough|current|total|metric|straight[- ]line|euclidean|direct|3-?d|"
    r"shortest|"
    r"lateral|vertical|horizontal|sideways|forward|longitudinal|axial|perpendicular|planar|"
    r"orthogonal|"
    r"angular|required|needed|necessary|minimum|estimated|constant|average|steady|optical|"
    r"principal|viewing|"
    r"camera|camera's|image|sensor|ground|floor|level|height|depth|arrival|travel|travelling|"
    r"driving|walking|distance|"
    r"physical|actual|real|true|metric|z|x|y)[- ])*"
)
_MEASURE = re.compile(
    rf"\b(?:(?:in|at|by|under|with|along|as) )?(?:(?:the|a|an|its|my|your|our|what|"
    rf"which)\s+)?{_ADJECTIVES}(?:distance|distances|range|ranges|depth|z-depth|separation|gap|"
    r"offset|displacement|difference|speed|velocity|time|eta|angle|bearing|direction|azimuth|"
    r"heading|axis|axes|"
    r"coordinate|coordinates|plane|value|height|elevation|path length|clearance|degrees|pace)\b"
    r"(?: (?:in|of) (?:the )?(?:z |x |y )?(?:depth|heights?|distances?|elevation|range|direction|"
    r"forward backward direction))?(?: of arrival)?"
)
_CUES = re.compile(
    r"\bhow (?:far|close|near|distant|remote|long|soon|fast|quick|quickly|deep|much|many)\b(?: "
    r"away| off)?"
    r"(?: (?:further|farther|closer|nearer|deeper|higher|lower|taller|time|to the|over|forwards?|"
    r"off|up|down|above|below|left|right|more))*|"
    r"\b(?:milli|centi|deci|kilo)?met(?:er|re)s?(?: per second| a second)?\b|\b(?:km/h|m/s)(?!\w)|"
    r"\bcm\b|\bmm\b|\bkm\b|"
    r"\b(?:feet|inches|yards|miles|seconds|minutes|hours)\b"
    r"(?: per \w+)?|"
    r"\b(?:away|apart|from each other|from one another|each other|one another|respectively|"
    r"vertically|horizontally|laterally|sideways)\b|"
    r"\b(?:along|on|over|across|in) (?:the )?(?:ground|floor|z|optical axis|principal axis|camera "
    r"axis|forward direction|"
    r"forward backward direction|depth|height|x|y)\b|"
    r"\bby how much\b|\b(?:closer|nearer|farther|further)\b|"
    r"\bas the crow flies\b|\b(?:in a |as a )?straight line\b|\bignoring (?:the )?height\b|"
    r"\bdegrees (?:to the )?(?:left|right|up|down|above|below)\b|"
    r"\b(?:further|farther|more) (?:left|right|up|down|away|off)\b|"
    r"\b(?:ground|floor) plane\b|\b(?:above|below|over|under)(?= <| the camera|\W*$)"
)
_HOW = re.compile(
    r"\bhow (?:far|close|fast|quick|quickly|long|deep|tall|high|wide|soon|near|much (?!time))\b"
)


def classify(rest: str, quantities, able_things: bool, given: int = 0) -> Kind:
    """Tell what prepared text asks for; ``given``: points that came beside it.

    Raises StatusError for what is understood and not offered, or asks two things at once;
    FreeKindError when no measure is asked for.
    """
    if phrases.BEHIND.search(rest):
        raise StatusError(Code.UNSUPPORTED, unsupported.BEHIND_REASON)
    if len(_HOW.findall(rest)) > 1:
        raise StatusError(Code.BAD_QUESTION, "the question asks several things: ask one at a time")
    way = read_way(rest, quantities)
    if way:
        return way
    if phrases.PASSAGE.search(rest) and re.search(r"\bbetween\b", rest):
        return read_passage(rest, quantities)
    for pattern, reason in unsupported.UNSUPPORTED:
        if pattern.search(rest):
            raise StatusError(Code.UNSUPPORTED, reason)
    return (
        _comparison(rest, quantities, given)
        or _of_things(rest, quantities, able_things)
        or _measure(rest, quantities)
    )


def _comparison(rest: str, quantities, given: int) -> Kind | None:
    """Return the kind of a question that compares two targets, None for another."""
    if phrases.DIFFERENCE.search(rest):
        swapped = bool(
            re.search(r"\b(?:closer|nearer)\b", rest)
        )  # by how much the other is farther
        stripped = _stripped(rest)
        return Kind(Task.DISTANCE_DIFFERENCE, stripped, two=True, ordered=True, swapped=swapped)
    for task, cue in ((Task.NEARER, phrases.NEARER), (Task.FARTHER, phrases.FARTHER)):
        if cue.search(rest) and not quantities.lengths_m and not _HOW.search(rest):
            choice = re.search(r"\b(?:or|than)\b|<g> and <g>|<[pg]>.*<[pg]>|\band\b", rest)
            if choice or given == 2:
                return Kind(task, phrases.COMPARING.sub(" ", rest), two=True, ordered=True)
            raise StatusError(Code.UNSUPPORTED, unsupported.MEASURE_REASON)
    return None


def _of_things(rest: str, quantities, able: bool) -> Kind | None:
    """Return the kind of a question that only a named thing has; FreeKindError for yes-or-no."""
    count, exists = phrases.COUNT.search(rest), phrases.EXISTS.search(rest)
    if able and count and not quantities.lengths_m:
        what = count["what"] or count["counted"] or count["terse"]
        return Kind(Task.COUNT, f"the {what} {rest[count.end() :]}")
    if able and exists and not quantities.lengths_m:
        words = phrases.EXISTS_WORDS.sub(" ", rest)
        return Kind(Task.EXISTS, re.sub(r"^\W*(?:an?|any|some|the)\b", "the", words.strip()))
    if unsupported.YES_OR_NO.search(rest):
        raise FreeKindError(Code.UNSUPPORTED, unsupported.YES_OR_NO_REASON)
    if unsupported.COUNTING.search(rest):
        raise FreeKindError(Code.UNSUPPORTED, unsupported.COUNTING_REASON)
    for task, cue in ((Task.HEIGHT, phrases.HEIGHT), (Task.WIDTH, phrases.WIDTH)):
        if cue.search(rest):
            if unsupported.PART_OF.search(rest):
                raise StatusError(Code.UNSUPPORTED, unsupported.SIZES)
            return Kind(task, cue.sub(" ", _IN_UNITS.sub(" ", rest)))
    return None


def _measure(rest: str, quantities) -> Kind:
    """Return the kind of a question about a distance, a part of one, a speed or a time."""
    _refuse_two_questions(rest, quantities)
    speed, time = phrases.ASKS_SPEED.search(rest), phrases.ASKS_TIME.search(rest)
    components = [name for name, cue in phrases.COMPONENTS.items() if cue.search(rest)]
    if speed or time:
        task = _speed_or_time(quantities, speed, rest)
        if components:
            raise StatusError(
                Code.UNSUPPORTED,
                f"{task.value} is along the straight line to the point: ask for the "
                f"{components[0]} "
                "part of the distance alone",
            )
        return Kind(task, _stripped(rest))
    _refuse_conditions(rest, quantities)
    if len(components) > 1:
        raise StatusError(
            Code.BAD_QUESTION,
            f"the question asks for {' and '.join(components)} parts of a distance: ask for one",
        )
    _refuse_time_unit(rest)
    apart = bool(phrases.APART.search(rest))
    if components:
        (component,) = components
        return Kind(
            ONE_POINT[component],
            _stripped(rest),
            component,
            apart or _compares(rest),
            direction=_direction(rest, component),
            ordered=True,
        )
    if phrases.ASKS_DISTANCE.search(rest):
        return Kind(Task.DISTANCE, _stripped(rest), two=apart)
    raise FreeKindError(
        Code.BAD_QUESTION,
        f"this is not a question that can be read here: ask for example {phrases.EXAMPLES}",
    )


def _refuse_conditions(rest: str, quantities) -> None:
    """Refuse what a distance does not depend on."""
    if unsupported.CONDITION.search(rest):
        raise StatusError(Code.UNSUPPORTED, unsupported.CONDITION_REASON)
    for name, given in (("time", quantities.times_s), ("speed", quantities.speeds_m_s)):
        if given:
            other = "speed" if name == "time" else "time"
            raise StatusError(
                Code.BAD_QUESTION,
                f"the question states a {name} and does not ask for a {other}: leave it out, or "
                "ask "
                f"{'how fast to go' if name == 'time' else 'how long it takes'}",
            )


def _refuse_time_unit(rest: str) -> None:
    if unsupported.IN_TIME.search(rest):
        raise StatusError(
            Code.BAD_QUESTION,
            "a distance has no unit of time: ask how long it takes, with a speed, as in 'at 0.5 "
            "m/s'",
        )


def _refuse_two_questions(rest: str, quantities) -> None:
    if quantities.lengths_m:
        raise StatusError(
            Code.UNSUPPORTED,
            "the question states a length: ask for the distance itself and "
            "compare, lengths are not taken into account",
        )
    if quantities.speeds_m_s and quantities.times_s:
        raise StatusError(
            Code.BAD_QUESTION,
            "the question states a speed and a time: give the time to get a "
            "speed, or the speed to get a time",
        )


def _speed_or_time(quantities, speed, rest: str) -> Task:
    if quantities.times_s and not speed:
        raise StatusError(
            Code.BAD_QUESTION,
            "the question states a time and asks for one: give a speed to get a time",
        )
    strongly = re.search(r"\b(?:how (?:long|soon|much time)|when|eta)\b", rest)
    if quantities.speeds_m_s or not speed or (strongly and not quantities.times_s):
        return Task.TIME
    return Task.SPEED


def _compares(rest: str) -> bool:
    return bool(re.search(r"\b(?:higher|lower|taller|deeper|farther|further)\b.*\bthan\b", rest))


def _direction(rest: str, component: str) -> str:
    """Return the direction in which a component counts as positive, "" where none is asked for."""
    if component == "axis":
        return "forward" if re.search(r"\b(?:deeper|farther|further)\b", rest) else ""
    if component not in ("lateral", "vertical"):
        return ""
    if axis := re.search(r"\b([xy])[- ](?:coordinate|value|position)\b", rest):
        return {"x": "right", "y": "down"}[axis[1]]
    match = phrases.TO_A_SIDE.search(rest)
    word = match[1] if match else ""
    up, down = ("above", "over", "higher"), ("below", "under", "lower")
    return "up" if word in up else "down" if word in down else word


def _stripped(rest: str) -> str:
    """Take out what says which measure is asked for."""
    rest = _IN_UNITS.sub(" ", rest)
    rest = _MEASURE.sub(f" {MEASURED} ", rest)
    return _CUES.sub(" ", rest)


def with_two(kind: Kind) -> Task:
    """Return the task of a kind when it is about two targets."""
    if kind.task in ONE_POINT.values():
        return TWO_POINT[kind.component]
    return kind.task
