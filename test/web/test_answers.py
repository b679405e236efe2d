"""What the page asks the node about clicked pixels; the answers are those of a stand-in."""

from types import SimpleNamespace

import pytest

from depthlm_ros.status import Code
from depthlm_ros.web.page import NEWER, answer_to


class Client:
    """Answers questions about so many pixels; ``gone``: only of the newest picture."""

    def __init__(self, wanted, code=Code.BAD_QUESTION, gone=False):
        self._wanted, self._code, self._gone, self.asked = wanted, code, gone, []

    def ask(self, question, pixels, stamp_ns=0):
        """Return a reply."""
        self.asked.append((list(pixels), stamp_ns))
        if self._gone and stamp_ns:
            return SimpleNamespace(code=Code.NO_FRAME, text="gone", answer="")
        if len(pixels) != self._wanted:
            return SimpleNamespace(code=self._code, text=f"{len(pixels)} given", answer="")
        return SimpleNamespace(code=Code.OK, text="", answer=f"about {len(pixels)}")


@pytest.mark.parametrize(
    ("clicks", "wanted", "answer"),
    [
        ([(1, 2), (3, 4)], 2, "about 2"),
        ([(1, 2), (3, 4)], 1, "about 1"),
        ([(1, 2)], 0, "about 0"),
        ([(1, 2)], 2, "BAD_QUESTION: 1 given"),
        ([], 2, "BAD_QUESTION: 0 given"),
    ],
)
def test_a_question_takes_as_many_of_the_last_clicks_as_it_needs(clicks, wanted, answer):
    client = Client(wanted)
    assert answer_to(client, "How far?", clicks, 5) == answer
    if wanted == 1:
        assert client.asked == [([(1, 2), (3, 4)], 5), ([(3, 4)], 5)]


def test_another_refusal_is_told_at_once():
    client = Client(9, Code.NO_DEPTH)
    assert answer_to(client, "How far?", [(1, 2), (3, 4)], 5) == "NO_DEPTH: 2 given"
    assert len(client.asked) == 1


def test_a_picture_that_is_gone_is_said():
    client = Client(1, gone=True)
    assert answer_to(client, "How far?", [(1, 2)], 5) == f"about 1 {NEWER}"
    assert client.asked == [([(1, 2)], 5), ([(1, 2)], 0)]
