"""Status codes of every reply, and the exception that carries one.

The numbers are those of ``depthlm_msgs/msg/Status``; a test holds the two together. Nothing here
knows ROS.
"""

from enum import IntEnum


class Code(IntEnum):
    """Why a reply holds a number (OK) or holds none (everything else)."""

    OK = 0
    NO_FRAME = 1
    STALE = 2
    NO_CAMERA_INFO = 3
    BAD_CAMERA_INFO = 4
    BAD_IMAGE = 5
    BAD_STAMP = 6
    OUT_OF_IMAGE = 7
    IN_MARKER_MARGIN = 8
    NO_DEPTH = 9
    NO_ANSWER = 10
    IMPLAUSIBLE = 11
    NOT_FOUND = 12
    AMBIGUOUS = 13
    BAD_QUESTION = 14
    UNSUPPORTED = 15
    NO_TF = 16
    BUSY = 17
    DEADLINE = 18
    MODEL_NOT_READY = 19
    MODEL_ERROR = 20
    NOT_ACTIVE = 21


class StatusError(Exception):
    """A request or an input that gets a status instead of a number.

    ``text`` names the value, the rule it breaks and the remedy.
    """

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = Code(code)
        self.text = text

    def __reduce__(self) -> tuple:
        """Pickle by both arguments: worker processes raise it too."""
        return type(self), (self.code, self.text)
