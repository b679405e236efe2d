"""What can be the name of a thing: a noun phrase that a model can look for, and nothing else."""

import re

from depthlm_ros.language.frame_words import NOUNS_IN_ING, PREPOSITIONS
from depthlm_ros.language.question_checks import UnclearError
from depthlm_ros.status import Code, StatusError

MAX_NAME = 80
_OTHER_SUPERLATIVE = re.compile(
    r"\b(?:first|second|third|fourth|fifth|last|next|other|another|\w{2,}est|most|least)\b(?!-to)"
)
_NOT_SUPERLATIVE = {
    "forest",
    "guest",
    "chest",
    "vest",
    "nest",
    "test",
    "request",
    "west",
    "crest",
    "rest",
    "pest",
    "quest",
    "priest",
    "harvest",
    "interest",
    "contest",
    "desktest",
    "arrest",
}
_VERBS = re.compile(
    r"(?<!that )(?<!which )(?<!who )\b(?:is|are|was|were|do|does|did|can|could|will|would|should|"
    r"how|what|when|why|am|i|you|we|me|us|if|because|ignore|answer|say|tell)\b"
)
_OURS = re.compile(
    r"^(?:(?:left|right|rear|back|front|other|second|side|robot's|camera's) )*"
    r"(?:camera|robot|lidar|laser scanner|end[- ]effector|gripper|bumpers?|chassis|base|imu|"
    r"odom\w*|origin|map origin|goal pose|way ?point|destination|set ?point|"
    r"start(?:ing)? (?:point|pose|position)|home position|"
    r"(?:front|rear|left|right|back) (?:wheels?|tyres?|tires?|axle))$|"
    r"^\w+_(?:link|frame|footprint)$"
)
"""Parts, frames and goals of the robot, which its camera does not see."""
_OF_A_BODY = re.compile(
    r"^(?:left|right)(?:most)? (?:hand|arm|leg|foot|eye|ear|shoulder|knee|wing|shoe|glove)\b"
)
"""Left and right of a body are not those of the image."""
_NOT_OF_A_NAME = re.compile(
    r"\b(?:as|measured|seen|viewed|usually|normally|typically|always|often|sometimes|later|"
    r"earlier|including|counting|excluding|compared|besides|instead|via|leaves|together|through|"
    r"for (?:an?|the|my|our|me|us)|(?:by|at|on|around) (?!(?:an?|the|my|our|your|this|that|his|"
    r"her|its|their|two|left|right|top|least)\b)[a-z]+|in (?:whole|full|total|all|average|detail|"
    r"general|fact|reality)|in the (?:worst|best|average) case|in (?:the|an?) mirror|(?:shown|"
    r"depicted|printed|painted|drawn|written|displayed|pictured|mentioned) (?:on|in|by))\b|"
    r"\b(?:sideways|diagonally|crosswise|lengthwise|backwards?|forwards?|moved|vanished|"
    r"disappeared|appeared)$|^(?:point|pixel|spot|position|location) \w{1,2}$|"
    r"^(?:north|south|east|west)$|"
    r"^(?:travel+ed|covered|driven|walked|remaining)$|"
    r"^(?:limit|safety|focal|braking|stopping|total|whole|overall)\b|"
    r"^(?:no|nothing|none|nobody|too|very|more|less|enough|several|few|many|most|half|three|four|"
    r"five|six|seven|eight|nine|ten|\d+)\b"
)
"""What changes the question and names nothing that a box shows."""
_NOWHERE = re.compile(
    r"\b(?:horizon|sky|infinity|vanishing point)$|"
    r"^(?:edge|border|corner|side|end|middle|cent(?:re|er)|top|bottom|front|back|rear|inside|"
    r"image|photo|scene|view|field|danger|hazard|risk|problem|throw|jump)$"
)


def check_name(name: str, text: str) -> None:
    """Refuse a name with a rank that nobody can tell, or words of another sentence in it."""
    shown = text[:40].replace("-", " ")
    rank = _OTHER_SUPERLATIVE.search(name)
    if rank and rank[0] not in _NOT_SUPERLATIVE:
        raise StatusError(
            Code.BAD_QUESTION,
            f"{shown!r}: which one is meant by {rank[0]!r} is not understood; say the nearest, "
            "farthest, left, right, largest or smallest one",
        )
    if any(p.search(text) for p in (_OURS, _OF_A_BODY)) or _NOWHERE.search(name):
        raise StatusError(
            Code.BAD_QUESTION,
            f"{shown!r} is no thing in the image with a distance: distances are from the camera "
            "to what it sees, and between such things; for parts and frames of the robot ask the "
            "service check_clearance",
        )
    first, last = name.split(" ")[0], name.split(" ")[-1]
    doing = " " not in name and name.endswith("ing") and name not in NOUNS_IN_ING
    if (
        {first, last} & PREPOSITIONS
        or doing
        or _NOT_OF_A_NAME.search(name)
        or _VERBS.search(name)
        or len(name) > MAX_NAME
    ):
        raise UnclearError(
            Code.BAD_QUESTION,
            f"{shown!r} is not understood as the name of one thing: ask in plain words, as in "
            "'How far is the chair?'",
        )
