"""The procedural world as a source: a moving camera with the true depth of every pixel."""

import itertools

import numpy as np
from std_msgs.msg import Header

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.camera.sources.calibration import camera_of
from depthlm_ros.nodes.camera.sources.ground_truth import DenseTruth
from depthlm_ros.nodes.camera.sources.image_messages import FRAME_ID, Outgoing
from depthlm_ros.nodes.camera.sources.source import CameraSample, nominal
from depthlm_ros.nodes.common import conversions

DEFAULT_RATE_HZ = 5.0
WIDTHS_OF_FOCAL_LENGTH = 0.82


def make_camera_path(**settings):
    """Return the world's walk; it is imported only here, on the source's thread."""
    from depthlm_ros.scenes.camera_path import CameraPath

    return CameraPath(**settings)


class Scenes:
    """Plays ``make_path(camera, seed, kinds, shots_per_scene, rate_hz)``."""

    default_rate_hz = DEFAULT_RATE_HZ

    def __init__(self, values, make_path=make_camera_path):
        self._outgoing, self._count = Outgoing(values), values.count
        self._rate_hz = values.rate_hz or DEFAULT_RATE_HZ
        camera = camera_of(values, values.width, values.height) or _default_camera(values)
        self._path = make_path(
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

    def samples(self):
        """Play samples 0, 1, ... without end, or ``count`` of them."""
        for index in range(self._count) if self._count else itertools.count():
            yield self._sample(index)

    def _sample(self, index: int) -> CameraSample:
        rendered = self._path.frame(index)
        image = self._outgoing.of_rgb(np.ascontiguousarray(rendered.rgb))
        header = Header(frame_id=self._outgoing.frame_id(FRAME_ID))
        image.header.frame_id = header.frame_id
        time_ns = nominal(index, self._rate_hz)
        return CameraSample(
            image,
            conversions.camera_info(rendered.camera, header),
            time_ns,
            conversions.time_of(time_ns),
            DenseTruth(np.asarray(rendered.depth_m, np.float32), rendered.camera),
        )


def _default_camera(values) -> PinholeCamera:
    width, height = values.width, values.height
    f = WIDTHS_OF_FOCAL_LENGTH * width
    return PinholeCamera(f, f, (width - 1) / 2, (height - 1) / 2, width, height)
