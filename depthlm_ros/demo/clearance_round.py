"""The clearance round: whether a body can move through, beside what the exact depth says."""

from dataclasses import dataclass

import numpy as np

from depthlm_ros.client_geometry import ClearanceReply
from depthlm_ros.geometry.clearance import Clearance, Verdict, check_clearance
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.status import Code
from depthlm_ros.visualization.top_view import BLOCKED, CLEAR, UNKNOWN, top_view

WIDTH_M, HEIGHT_M, BEGIN_M, LENGTH_M = 0.6, 0.5, 1.2, 3.0
WAYS = {"ahead": 0.0, "12 degrees to the left": -12.0, "12 degrees to the right": 12.0}
"""Name: degrees to the right of the camera's axis."""
REACH_M = 5.0
BODY = (
    f"a body {WIDTH_M:g} m wide and {HEIGHT_M:g} m high, at the camera's height, from {BEGIN_M:g} "
    f"to {LENGTH_M:g} m"
)


@dataclass(frozen=True)
class CheckedWay:
    """An answer about a way beside what the exact depth of the same image says of it.

    ``seen``, ``exact``: the node's and the exact depth map of that image; None: gone.
    """

    name: str
    box: SweptBox
    reply: ClearanceReply
    true: Clearance | None = None
    seen: DepthMap | None = None
    exact: DepthMap | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the way was called clear although something stands in it."""
        return self.reply.clear and self.true is not None and self.true.verdict is Verdict.BLOCKED

    def as_dict(self) -> dict:
        """Return everything for a JSON file."""
        true = self.true
        return {
            "way": self.name,
            "code": self.reply.code.name,
            "verdict": self.reply.verdict,
            "text": self.reply.text,
            "distance_m": self.reply.distance_m,
            "low_m": self.reply.low_m,
            "true_verdict": None if true is None else true.verdict.name,
            "true_distance_m": None if true is None else true.obstacle.distance_m,
            "stamp_ns": self.reply.stamp_ns,
        }


def ask_ways(call, client, maps_of) -> list[CheckedWay]:
    """Ask about all ways; ``call(function, **arguments)`` makes a call of ``client``.

    ``maps_of(stamp_ns)``: the node's and the exact DepthMap of an image, (None, None): gone.
    """
    found = []
    for name, degrees in WAYS.items():
        direction = (np.sin(np.radians(degrees)), 0.0, np.cos(np.radians(degrees)))
        reply = call(
            client.check_clearance,
            width_m=WIDTH_M,
            height_m=HEIGHT_M,
            begin_m=BEGIN_M,
            length_m=LENGTH_M,
            direction=direction,
            airborne=True,
        )
        box = SweptBox.floating((0, 0, 0), direction, LENGTH_M, WIDTH_M, HEIGHT_M, BEGIN_M)
        seen, exact = maps_of(reply.stamp_ns) if reply.code == Code.OK else (None, None)
        true = None if exact is None else check_clearance(ObstacleMap.of(exact, None), box)
        found.append(CheckedWay(name, box, reply, true, seen, exact))
    return found


def from_above(ways: list[CheckedWay], size: tuple[int, int]) -> np.ndarray | None:
    """Draw the image of the first way from above, with all ways, uint8 ``size`` (H, W, 3)."""
    first = next((way for way in ways if way.seen is not None), None)
    if first is None:
        return None
    colours = {"CLEAR": CLEAR, "BLOCKED": BLOCKED}
    boxes = [(way.box, colours.get(way.reply.verdict, UNKNOWN)) for way in ways]
    return top_view(first.seen, size, REACH_M, HEIGHT_M / 2, boxes, first.exact)


def lines(ways: list[CheckedWay]) -> list[str]:
    """Return the lines of a table: way, answer, truth."""
    rows = [f"{'may it go':28} {'answer':38} exact depth"]
    for way in ways:
        reply, true = way.reply, way.true
        if reply.code != Code.OK:
            rows.append(f"{way.name:28} {reply.code.name}: {reply.text}")
            continue
        said = _said(reply.verdict, reply.distance_m)
        if reply.low_m < reply.distance_m:
            said += f" (perhaps at {reply.low_m:.2f} m)"
        truth = "gone" if true is None else _said(true.verdict.name, true.obstacle.distance_m)
        rows.append(f"{way.name:28} {said:38} {truth}{'  WRONG' if way.is_wrong else ''}")
    return rows


def _said(verdict: str, distance_m: float) -> str:
    return verdict.lower() + (f" at {distance_m:.2f} m" if np.isfinite(distance_m) else "")
