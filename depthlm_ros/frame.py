"""Frame: a rectified image with its pinhole camera, stamp and frame_id; no ROS message."""

from dataclasses import dataclass

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError


@dataclass(frozen=True)
class Frame:
    """A rectified image with its camera.

    Attributes:
        rgb: uint8 (H, W, 3), RGB order, C-contiguous.
        camera: The pinhole camera of exactly this image, in its pixels.
        stamp_ns: Acquisition time of the image message [ns], unchanged.
        frame_id: Its optical frame (REP-103: x right, y down, z forward), unchanged.
        valid: bool (H, W), False outside the source image after rectification; None: all valid.

    Raises:
        StatusError: BAD_IMAGE, when ``rgb`` or ``valid`` breaks its contract.
    """

    rgb: np.ndarray
    camera: PinholeCamera
    stamp_ns: int = 0
    frame_id: str = ""
    valid: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Raise StatusError(BAD_IMAGE) for an image that breaks the contract."""
        rgb, expected = self.rgb, (self.camera.height, self.camera.width, 3)
        if rgb.dtype != np.uint8 or rgb.shape != expected or not rgb.flags.c_contiguous:
            raise StatusError(
                Code.BAD_IMAGE,
                f"rgb is {rgb.dtype} {rgb.shape}: must be uint8 {expected} (the camera's size), "
                "C-contiguous",
            )
        valid = self.valid
        if valid is not None and (valid.dtype != np.bool_ or valid.shape != expected[:2]):
            raise StatusError(
                Code.BAD_IMAGE,
                f"valid is {valid.dtype} {valid.shape}: must be bool {expected[:2]}",
            )
