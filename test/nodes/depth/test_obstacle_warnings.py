"""What comes and goes with every image is told once a minute, what stays once."""

import math
from types import SimpleNamespace

from depthlm_ros.nodes.depth import obstacle_streams
from depthlm_ros.nodes.depth.obstacle_streams import WARN_AGAIN_S, ObstacleStreams


def test_a_warning_that_comes_and_goes_is_told_once_a_minute(monkeypatch):
    told, clock = [], SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(obstacle_streams, "time", clock)
    streams = ObstacleStreams.__new__(ObstacleStreams)
    streams._warned_at_s = {}
    streams._node = SimpleNamespace(get_logger=lambda: SimpleNamespace(warning=told.append))
    for now in (0.0, 1.0, 59.9, 60.0, 61.0, 120.0):
        streams._warn("ground", f"no ground {now}", WARN_AGAIN_S)
        streams._warn("tf", f"no tf {now}", math.inf)
    assert told == ["no ground 0.0", "no tf 0.0", "no ground 60.0", "no ground 120.0"]
