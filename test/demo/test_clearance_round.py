"""The clearance round without nodes: answers of a made-up client beside exact depth."""

import numpy as np
import pytest

from depthlm_ros.client_geometry import ClearanceReply
from depthlm_ros.demo import clearance_round
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.clearance import Verdict
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.status import Code

NAN = float("nan")
CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)


def reply(code=Code.OK, verdict="CLEAR", distance=NAN, low=NAN, text=""):
    clear = verdict == "CLEAR" and code == Code.OK
    numbers = {name: NAN for name in ClearanceReply.__dataclass_fields__}
    told = {
        "code": code,
        "text": text,
        "clear": clear,
        "verdict": verdict,
        "distance_m": distance,
        "low_m": low,
        "stamp_ns": 7,
    }
    return ClearanceReply(**{**numbers, **told})


class Client:
    """Answers in turn, and notes what it is asked."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def check_clearance(self, **arguments):
        """Answer."""
        self.asked.append(arguments)
        return self.replies.pop(0)


def walls(metres):
    seen = DepthMap(np.full((48, 64), 2.0, np.float32), CAMERA, ratio_90=1.5)
    return seen, DepthMap(np.full((48, 64), metres, np.float32), CAMERA, ratio_90=1.0)


def ways(client, metres):
    return clearance_round.ask_ways(
        lambda function, **arguments: function(**arguments), client, lambda stamp: walls(metres)
    )


def test_each_way_is_asked_and_judged_by_the_exact_depth():
    client = Client(reply(Code.OK, "BLOCKED", 2.0, 1.4), reply(), reply(Code.STALE))
    found = ways(client, 2.5)
    turns = [np.degrees(np.arctan2(a["direction"][0], a["direction"][2])) for a in client.asked]
    assert turns == pytest.approx([0.0, -12.0, 12.0])
    assert all(a["airborne"] and a["width_m"] == 0.6 for a in client.asked)
    assert [way.true and way.true.verdict for way in found] == [
        Verdict.BLOCKED,
        Verdict.BLOCKED,
        None,
    ]
    assert found[0].true.obstacle.distance_m == pytest.approx(2.5, abs=0.01)
    assert [way.is_wrong for way in found] == [False, True, False]
    said = clearance_round.lines(found)
    assert "blocked at 2.00 m (perhaps at 1.40 m)" in said[1] and "blocked at 2.50 m" in said[1]
    assert said[2].endswith("WRONG") and "STALE" in said[3]
    assert found[0].as_dict()["true_distance_m"] == pytest.approx(2.5, abs=0.01)
    assert clearance_round.from_above(found, (120, 160)).shape == (120, 160, 3)


def test_a_free_way_that_is_called_clear_is_right():
    found = ways(Client(reply(), reply(), reply()), 9.0)
    assert [way.true.verdict for way in found] == [Verdict.CLEAR] * 3
    assert not any(way.is_wrong for way in found)


def test_without_images_nothing_is_drawn():
    found = ways(Client(*[reply(Code.STALE)] * 3), 9.0)
    assert clearance_round.from_above(found, (120, 160)) is None
