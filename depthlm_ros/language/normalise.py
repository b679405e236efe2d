"""Rewording before classification: points that text points at become tags, politeness goes."""

import re

_US = (
    r"(?:(?:the |this |my |your |our )?(?:(?:depth |rgb |front |moving )?camera|robot|lens|sensor|"
    r"viewer|observer|"
    r"photographer|drone|rover)|(?:my|our|your|the ego|ego)[ -](?:car|vehicle)|me|us|you|here|"
    r"myself|"
    r"where (?:i|we|you) (?:am|are|stand)|(?:(?:my|our|your)(?: current| present)?|the current) "
    r"(?:position|location|standpoint)|"
    r"(?:the )?(?:camera|robot)'s (?:position|location))\b(?! (?:wall|arm|head|gripper|base|hand|"
    r"plane|ax[ie]s))"
)
_BETWEEN_US = re.compile(
    rf"(?<!middle )(?<!cent[re]{{2}} )(?<!point )(?<!way )\bbetween (.{{1,80}}?) and {_US}"
)
_FROM_US = re.compile(
    rf"\b(?:(?:as )?(?:seen|viewed|measured|counted) (?=from))?"
    rf"(?:between|from|to|of|and|than|with respect to|relative to) {_US}(?: and\b)?"
)
_ABOVE_US = re.compile(
    rf"\b(above|below|over|under|beneath|underneath|(?:left|right)(?= of))(?: of)? {_US}"
)
_WE_MOVE = re.compile(
    r"\b(?:the|my|our|this) (?:robot|camera|drone|rover)(?= (?:must|should|needs?|has|"
    r"have|can|"
    r"could|would|will|to|take|takes|move|moves|go|goes|drive|drives|travel|travels|reach|reaches|"
    r"get|gets|arrive|be|fly|start)\b)"
)
_GIVEN = (
    (
        r"\b(?:(?:these|those|the|both|both these|both of these|both the|all) )?(?:(?:two|2) "
        r")?(?:[a-z]+ )?"
        r"(?:points|pixels)(?: 1 and 2)?\b|\bpoint 1 and (?:point )?2\b",
        r" <g> and <g> ",
    ),
    (
        r"\b(?:this|that) (?:point|pixel|spot|location|place|position)\b|"
        r"\bthe (?:point|pixel|spot) (?:pointed(?: at| to)? by the (?:red )?arrow|(?:marked|"
        r"indicated) by the "
        r"(?:red )?arrow|i (?:clicked|marked|selected|gave)|given|under the cursor)\b",
        r" <g> ",
    ),
)
_GIVEN_RES = [(re.compile(pattern), tag) for pattern, tag in _GIVEN]
_POLITE = re.compile(
    r"\b(?:please|kindly|hey|hi|hello|thanks|thank you|ok|okay|so|well|now)\b|"
    r"\b(?:can|could|would|will) (?:you|anyone|somebody) (?:please |kindly )?(?:tell|say|give|"
    r"show|estimate|measure|compute|"
    r"calculate|determine|find out|figure out|let)(?: (?:me|us))?(?: know)?\b|"
    r"\bwould you mind (?:telling|saying|giving|showing|measuring)(?: me| us)?\b|"
    r"\bi(?:'d| would) (?:like|love|want|need) to (?:know|find out|learn)\b|\bi (?:want|need|wish|"
    r"have) to know\b|"
    r"\b(?:do you know|any idea|i wonder|i am wondering|i'm wondering|tell (?:me|us)|give me|show "
    r"me|let me know)\b|"
    r"\b(?:in|from|of|given) (?:this|the) (?:image|picture|photo)\s*,"
)
_TYPOS = {
    "gimme": "give me",
    "hwo": "how",
    "iz": "is",
    "teh": "the",
    "tha": "the",
    "wat": "what",
    "distnace": "distance",
    "distanse": "distance",
    "dist": "distance",
}
_TYPO = re.compile(rf"\b(?:{'|'.join(_TYPOS)})\b")


def prepare(text: str) -> str:
    """Tag the points that text points at and take out the camera and what is mere politeness."""
    text = " ".join(text.replace('"', " ").replace("“", " ").replace("”", " ").split())
    text = _TYPO.sub(lambda match: _TYPOS[match[0]], text)
    text = re.sub(r"^\W*in (?=how many\b)", "", text)
    text = re.sub(r"\b(?:the )?(?:point|pixel|spot) (?:at|in) (?:the )?<c>", " <c> ", text)
    for pattern, tag in _GIVEN_RES:
        text = pattern.sub(tag, text)
    text = _POLITE.sub(" ", text)
    text = re.sub(r"\b(?:before|to|until) (?:a )?(?:collision|impact|contact) with\b", "to", text)
    text = re.sub(
        r"\b(?:is|are|have|do i have) left(?= (?:in front|ahead|<a>|before))", "is", text
    )
    text = re.sub(r"\bhow far <a>(?= *(?:is|are|does|of)\b)", "how far", text)
    text = _BETWEEN_US.sub(r"to \1 ", text)
    text = re.sub(rf"\bhow high (?=(?:above|over|below) {_US})", "how far ", text)
    text = _ABOVE_US.sub(r"\1", text)
    text = re.sub(rf"\bseparat\w+ {_US}", " far ", text)
    text = _FROM_US.sub(" ", text)
    text = _WE_MOVE.sub(" ", text)
    return " ".join(text.split())
