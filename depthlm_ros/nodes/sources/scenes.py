"""The procedural world as a source: a moving camera with the true depth of every pixel."""

import itertools

import numpy as np
from std_msgs.msg import Header

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes import conversions
from depthlm_ros.nodes.sources.calibration import camera_of
from depthlm_ros.nodes.sources.outgoing import FRAME_ID, Outgoing
from depthlm_ros.nodes.sources.shot import Shot, nominal
from depthlm_ros.nodes.truth import DenseTruth

DEFAULT_RATE_HZ = 5.0
WIDTHS_OF_FOCAL_LENGTH = 0.82


def real_walk(**settings):
    """Return the world's walk; it is imported only here, on the source's thread."""
    from depthlm_ros.scenes.walk import Walk

    return Walk(**settings)


class Scenes:
    """Plays ``make_walk(camera, seed, kinds, shots_per_scene, rate_hz)``."""

    default_rate_hz = DEFAULT_RATE_HZ

    def __init__(self, values, make_walk=real_walk):
        self._outgoing, self._count = Outgoing(values), values.count
        self._rate_hz = values.rate_hz or DEFAULT_RATE_HZ
        camera = camera_of(values, values.width, values.height) or _default_camera(values)
        self._walk = make_walk(
            camera=camera,
            seed=values.seed,
            kinds=tuple(values.scene_kinds.split(",")),
            shots_per_scene=values.shots_per_scene,
            rate_hz=self._rate_hz,
        )
        self.title = (
            f"scenes ({values.scene_kinds}), seed {values.seed}, {camera.width} x {camera.height}"
            f" px, fx {camera.fx:g} px"
        )

    def shots(self):
        """Play shots 0, 1, ... without end, or ``count`` of them."""
        for index in range(self._count) if self._count else itertools.count():
            yield self._shot(index)

    def _shot(self, index: int) -> Shot:
        seen = self._walk.shot(index)
        image = self._outgoing.of_rgb(np.ascontiguousarray(seen.rgb))
        header = Header(frame_id=self._outgoing.frame_id(FRAME_ID))
        image.header.frame_id = header.frame_id
        time_ns = nominal(index, self._rate_hz)
        return Shot(
            image,
            conversions.camera_info(seen.camera, header),
            time_ns,
            conversions.time_of(time_ns),
            DenseTruth(np.asarray(seen.depth_m, np.float32), seen.camera),
        )


def _default_camera(values) -> PinholeCamera:
    width, height = values.width, values.height
    f = WIDTHS_OF_FOCAL_LENGTH * width
    return PinholeCamera(f, f, (width - 1) / 2, (height - 1) / 2, width, height)
