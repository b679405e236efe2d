"""The product's camera with a world of the tests' making, run in a process of its own.

``NODE_MODEL`` holds the world's settings as a JSON object; {"world": "real"} is the product's.
"""

import json
import os
import sys
import time
from types import SimpleNamespace

import numpy as np

from depthlm_ros.nodes.camera.sources.rendered_scenes import make_camera_path
from depthlm_ros.nodes.camera_node import main


class RampWalk:
    """Frame ``i`` is red i, green u, blue v; z-depth i + 1 + v / 8 + u / 64 m, row 0 the sky."""

    def __init__(self, camera, seed, kinds, shots_per_scene, rate_hz, seconds=0.0, fails_at=-1):
        self.camera, self.seconds, self.fails_at = camera, seconds, fails_at

    def frame(self, index):
        """Return the frame, or fail as told."""
        if self.seconds:
            print("rendering", flush=True)
            time.sleep(self.seconds)
        if index == self.fails_at:
            raise ValueError("the world ends here")
        height, width = self.camera.height, self.camera.width
        v, u = np.mgrid[:height, :width]
        rgb = np.stack([np.full(u.shape, index % 256), u, v], axis=-1).astype(np.uint8)
        depth = (index + 1 + v / 8 + u / 64).astype(np.float32)
        depth[0] = np.inf
        return SimpleNamespace(rgb=rgb, depth_m=depth, camera=self.camera)


def make_path(**settings):
    """Make the world that NODE_MODEL describes."""
    told = json.loads(os.environ.get("NODE_MODEL", "{}"))
    if told.pop("world", "ramp") == "real":
        return make_camera_path(**settings)
    return RampWalk(**settings, **told)


if __name__ == "__main__":
    sys.exit(main(make_path=make_path))
