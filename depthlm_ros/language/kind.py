"""The kind of a question, before it is known what it is about."""

from dataclasses import dataclass

from depthlm_ros.status import Code
from depthlm_ros.tasks import Task


@dataclass(frozen=True)
class Kind:
    """What a question asks for; ``rest``: its words about the targets.

    ``component``: "straight" or a key of ``COMPONENTS``. ``two``: it speaks of two targets,
    whatever joins them. ``ordered``: it matters which target comes first. ``direction``: as in
    ``Question``. ``swapped``: the second target counts as the first.
    """

    task: Task
    rest: str
    component: str = "straight"
    two: bool = False
    ordered: bool = False
    direction: str = ""
    swapped: bool = False


class FreeKindError(Exception):
    """The question asks for no measure: ``code`` and ``reason`` for those who cannot write."""

    def __init__(self, code: Code, reason: str):
        super().__init__(reason)
        self.code, self.reason = code, reason
