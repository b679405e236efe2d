"""The frame of a question: which words may stand beside the points and things it is about.

Every word of a question must belong to its frame, to the name of a thing, or to the label of a
point ("the chair at (320, 240)"). A word that is none of these may change what is asked ("the wall
opposite this point", "at this point by car"), so the question is refused rather than read without
it.
"""

import re

from depthlm_ros.language.question_checks import UnclearError
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

MEASURED = "¤"
"""Stands where the words for what is measured were taken out of a text."""
PREPOSITIONS = frozenset(
    """on in under underneath behind near beside besides above below over inside within against
    beneath beyond outside around across along through with without left-of right-of next-to
    close-to near-to closest-to nearest-to in-front-of on-top-of by next""".split()
)
DETERMINERS = frozenset(
    "the a an my your our this that these those any some his her its their".split()
)
LEAD = frozenset(
    """
about again also am and answer approx approximately are arrive arrived as at away be been being
before brief but calculate can chosen close come comes compute could current currently describe
determine did distant do does doing drive driving each either estimate estimated every exactly far
fast find first fly following for from get gets getting give given go going gives have has head
here hey hi hello hit how i if is it itself just keep know lens let like looking seeing lie lies
long look me measure move moves moving much must near need needed needs now of off ok okay only or
our out please required quick quickly quite reach reached reaching roughly s say see should show
so soon stand stands standing start straight take takes tell than thank thanks that that there then
they think to toward towards travel travelling traveling two under until up us value walk walking
want was way we were what whats when where which while who will wish with within would you your
yourself whatever something anything what's that's it's where's there's i'm i'd we're how's
constant steady average total same position positioned located location would-be both each-other
separate separates separated using according based respect relative relation
""".split()
)
"""Words before a name that are no part of it."""
TAIL = LEAD | frozenset(
    """apart precisely right altogether sitting placed situated now today currently around ahead
    over there respectively instead yet already exactly approximately roughly me us you here in at
    on by
    """.split()
)
"""Words behind a name that are no part of it."""
POINT_WORDS = frozenset(
    """point points pixel pixels spot spots location place position arrow marker object objects
    thing things target coordinate coordinates cross crosshair cursor click dot it here there
    something anything whatever everything stuff one ones them they
    """.split()
)
"""Heads that name no thing: only a point can say what is meant."""
NOUNS_IN_ING = frozenset(
    """building ceiling painting railing opening thing ring wing string swing parking crossing
    housing awning clothing lightning pudding spring tubing wiring piping sibling
    marking""".split()
)
_FRAME = (
    (POINT_WORDS - {"everything", "whatever", "anything", "stuff"})
    | DETERMINERS - {"his", "her", "their", "its"}
    | frozenset(
        """
    about also am and answer approx approximately are at away be both calculate can chosen
    compute could current currently determine distant do does each-other estimate estimated
    exactly far find for from give given has have how i if in is just know lens let lie lies
    located look me measure much need needed now of off only or out please positioned
    precisely quite required respectively right roughly s say see should show sitting
    situated placed so stand stands standing straight tell than that's there's then to two
    us value want we what what's whats where where's which will would you your yet already
    altogether it's i'm i'd how's separate separates separated obstacle
        """.split()
    )
)
"""Words that change nothing of what is asked at a point."""
_GOING = frozenset(
    """go reach reached get arrive take takes move drive walk travel must need needs before until
    when if towards toward with constant steady at be hit start long soon fast quickly quick within
    once""".split()
)
"""More of them, where the way to a point is asked for in time or speed."""
_VERB = r"(?:go|walk|drive|travel|move|get|reach|cover|fly)"
_WE_GO = re.compile(
    rf"\b(?:i|we|you|one|it)(?: (?:must|should|have|need|would|will|do|does|has|needs|am|are))* "
    rf"(?:to )?{_VERB}(?: to (?:reach|get to|be at))?\b|"
    rf"\b(?:must|needs? to|has to|have to) {_VERB}(?: to (?:reach|get to|be at))?\b|"
    rf"\b(?:it takes(?: me| us)?|needed|required|is it) to {_VERB}(?: to)?\b|\bto {_VERB}\b(?! of)"
)
"""The way that we go, in a question about its length."""
_SOON = re.compile(
    r"\b(?:(?:in |at )?(?:at most|no more than|not more than|less than)|under|within) <n>"
)
"""A time that may be shorter: the speed for it is the least one."""
_ON_OUR_WAY = re.compile(
    r"^\W*(?:driving|going|walking|moving|travel+ing|flying)\b|"
    r"\bgoing(?= (?:at )?<n>)|\b(?:gets|brings|takes) (?:me|us)\b"
)
_ASIDES = re.compile(
    r"\b(?:that |which )?(?:i|we|you)(?: have| had| just|'ve)* (?:clicked|gave|given|marked|"
    r"selected|picked|chose|chosen|tapped|sent|pointed|meant|mean|am looking|are looking)(?: you)?"
    r"(?: on| at| to)?(?=\W*$| from| and| in\b)|"
    r"\bin order(?= to\b)|\b(?:over|up|down|right) (?:there|here)\b"
)
_NOT_A_LABEL = frozenset(
    """line other next first second third last previous same following opposite neighbour
    neighbor neighboring neighbouring neighbourhood neighborhood vicinity area region ghost shadow
    shadows reflection reflections copy owner surroundings surrounding rest half inside
    outside interior map plan chart mirror list scale screen everything anything whatever
    nothing nearby twin pair distance how was were did had been being will is are would
    could should might may do does if because until when while who whose why not no never
    always again""".split()
)
_OF_COMPONENT = {
    "axis": frozenset(("forward", "backward")),
    "vertical": frozenset("up down upwards downwards above below over under higher lower".split()),
    "lateral": frozenset(("left", "right")),
}
_WE = frozenset(
    """what's where's a an am are be can cart camera car could do does drone for get go got have
    how i is it let may might much must my of one our robot robot's rover should the
    there this to us vehicle agv base we what which where will would you
    your now currently please still that""".split()
)
_OF_WAY = _WE | frozenset(
    """able advance ahead any anything area at available away barrier be before blocked bump
    bumping clear clearance clearest close closest collide colliding collision continue
    corridor crash crashing direction directions distance drivable drive empty enough
    everything far fly first forward forwards free freest from front further hand have head
    hit hits hitting in into lane left long longest many metre metres meter meters more most
    move near nearest next object objects obstacle obstacles obstruction obstructed off on
    onwards open or path passable possible proceed range reach reaching road roll room route
    run running safe safely safest side something space steer step straight surface thing
    things till to touch touching towards travel turn unobstructed until walk wall walls way
    without right left has than either feet foot inches yards cm centimetres centimeters km
    miles maximum find else""".split()
)
_OF_PASSAGE = _WE | frozenset(
    """big broad clearance distance drive enough fit fits gap if large make move narrow opening
    pass passage room sized space squeeze sufficient through travel too walk way wide width
    with when given assuming having slip navigate way""".split()
)
_WIDE = re.compile(r"<n>(?: in)?(?: wide)?(?: [a-z]+)?")
_EXTENT_OF = re.compile(
    r"\b(?:top|bottom|end|cent(?:er|re)|middle|sides?|tip|edge|corner|part)s? of (?:the |this "
    r"|that |an? )?(?:[\w'-]+ )*(?:at|under|in|on|with)? ?<g>"
)
_OF_AN_OBJECT = re.compile(
    r"\b[\w'-]+ of (?:the |this |that |an? )?(?:object|thing|one|something|whatever)s? "
    r"(?:at|under|in|on) <"
)
_BEFORE_A_NAME = frozenset("is are to of from reach and at in".split())
_MAX_LABEL = 5
_WORD = re.compile(rf"<[a-z]+>|{MEASURED}|[^\W\d_][\w'/&-]*|\d\w*")


def without_manner(rest: str, task: Task) -> str:
    """Return a question's tagged text without the ways to say that we go to a place."""
    rest = _ASIDES.sub(" ", rest)
    if task is Task.SPEED:
        rest = _SOON.sub("in <n>", rest)
    if task in (Task.SPEED, Task.TIME):
        return _ON_OUR_WAY.sub(" ", rest)
    return _WE_GO.sub(" ", rest)


def check_frame(pieces: list[tuple[str, list[str]]], task: Task, component: str) -> None:
    """Refuse a question with a word that is neither frame nor name nor label.

    ``pieces``: of its text as ``without_manner`` returns it, each with the words that name a thing
    there. The words are named: by UnclearError, which a model that reads may still answer, where
    nothing is said of a point; else by StatusError, since no model may leave them out.
    """
    allowed = _FRAME | _OF_COMPONENT.get(component, frozenset())
    if task in (Task.SPEED, Task.TIME):
        allowed |= _GOING
    several = sum(bool(name) or "<p>" in text or "<g>" in text for text, name in pieces) > 1
    for text, name in pieces:
        if _EXTENT_OF.search(text) or _OF_AN_OBJECT.search(text):
            _refuse(text, StatusError)
        words = _WORD.findall(text)
        if several and name and f"{name[-1]} {MEASURED}" in " ".join(words):
            _refuse(" ".join(name), StatusError)  # "the braking distance to ..."
        for word in name:
            if word in words:
                words.remove(word)
        words = [word for word in words if word != MEASURED or "<p>" in words or "<g>" in words]
        if any(word in ("<p>", "<g>") for word in words):
            strange, error = _outside_labels(words, allowed), StatusError
        else:
            error = UnclearError
            vague = POINT_WORDS if {"<a>", "<c>"} & set(words) else frozenset()
            strange = _strange(words, allowed | vague)
        if strange:
            _refuse(" ".join(strange), error)


_ANOTHER_WAY = re.compile(r"\b(?:should|must|shall|turn)\b|\bin the (?:room|area|corridor)\b")


def check_way(rest: str, freest: bool = False) -> None:
    """Refuse a question about a free way that says more than which way.

    ``freest``: it asks for the way, "which way should I turn", not how far one is free.
    """
    if not freest and (other := _ANOTHER_WAY.search(rest)):
        raise StatusError(
            Code.UNSUPPORTED,
            f"{other[0]!r}: how far a way ahead, left or right is free is measured, no more: ask "
            "in plain words, as in 'How far can I go ahead?'",
        )
    _refuse_strange(rest, _OF_WAY, "a free way", "How far can I go ahead?")


def check_passage(frame: str) -> None:
    """Refuse a question whether we pass between two things that says more than how wide we are.

    ``frame``: its tagged text without the two things.
    """
    example = "Can I pass between the chair and the wall with 0.6 m width?"
    _refuse_strange(_WIDE.sub(" ", frame), _OF_PASSAGE, "a gap", example)


def _refuse_strange(text: str, allowed: frozenset, what: str, example: str) -> None:
    """Refuse a tagged text with words other than those allowed where ``what`` is measured."""
    if strange := _strange(_WORD.findall(text), allowed):
        raise StatusError(
            Code.UNSUPPORTED,
            f"{' '.join(strange)[:40]!r} is not taken into account where {what} is measured: ask "
            f"in plain words, as in {example!r}",
        )


def _strange(words: list[str], allowed: frozenset) -> list[str]:
    """Return the words that are neither tags nor allowed."""
    return [word for word in words if word[0] not in f"<{MEASURED}" and word not in allowed]


def _refuse(words: str, error: type[StatusError]) -> None:
    shown = re.sub(r"<[pgcan]>", "...", " ".join(words.split()))[:40]
    raise error(
        Code.BAD_QUESTION,
        f"{shown!r} is not understood in a question of this kind: leave it out, or ask in plain "
        "words, as in 'How far is this point?' or 'How far is the chair?'",
    )


def _outside_labels(words: list[str], allowed: frozenset) -> list[str]:
    """Return the words that are neither frame nor part of a point's label."""
    left = list(words)
    for k in [i for i, word in enumerate(words) if word in ("<p>", "<g>")]:
        for i in (*_label_before(words, k, allowed), *_label_behind(words, k, allowed)):
            left[i] = "<>"
    return _strange(left, allowed)


def _label_before(words: list[str], k: int, allowed: frozenset) -> range:
    """Return where the label stands that ends before the tag ``k``: "the red chair at <p>"."""
    end = k
    while end > 0 and words[end - 1] in ("at", "in", "on", "under", "by", "marked", "with"):
        end -= 1
    joined = end < k
    begin = end
    while (
        begin > 0
        and words[begin - 1] != MEASURED
        and (words[begin - 1] not in allowed or words[begin - 1] in POINT_WORDS | {"of", "the"})
    ):
        begin -= 1
    sure = joined and (begin == 0 or words[begin - 1] in _BEFORE_A_NAME)
    if not sure and not DETERMINERS & set(words[max(begin - 1, 0) : end]):
        return range(0)
    return _as_label(words, begin, end, words[k] == "<p>" and joined)


def _label_behind(words: list[str], k: int, allowed: frozenset) -> range:
    """Return where the label stands that follows the tag ``k``: "<p> on the left wall"."""
    begin = k + 1
    if words[begin : begin + 1] not in (["on"], ["of"]):
        return range(0)
    if words[begin + 1 : begin + 2] not in (["the"], ["this"], ["that"], ["a"], ["my"]):
        return range(0)
    end = begin + 2
    while end < len(words) and words[end][0] != "<" and words[end] not in allowed:
        end += 1
    label = _as_label(words, begin + 2, end)
    return range(begin, end) if len(label) else label


def _as_label(words: list[str], begin: int, end: int, related: bool = False) -> range:
    """Return the range where its words can be a label, an empty one where not.

    ``related``: it may say where the thing is ("the box left of the table").
    """
    label = [word for word in words[begin:end] if word not in ("of", "the")]
    fits = 0 < len(label) <= _MAX_LABEL and not any(
        word[0] == "<"
        or word in _NOT_A_LABEL
        or (word in PREPOSITIONS and not related)
        or (word.endswith("ing") and word not in NOUNS_IN_ING)
        for word in label
    )
    return range(begin, end) if fits and label[-1] not in PREPOSITIONS else range(0)
