"""From a lens as CameraInfo describes it to a pinhole image, and between their pixels.

Choices, each with its reason:

* ``k`` and ``d`` belong to the full sensor of ``width`` x ``height`` pixels; the image is its
  region of interest divided by the binning. Intrinsics follow by the pixel-centre rule of
  ``camera.py``: a super-pixel's centre is the centre of the square of pixels it was made of.
* A raw image stays in the camera's own optical frame: the stereo rotation ``r`` is not applied
  (the frame_id names the unrotated frame, and one camera needs no epipolar lines).
* The new pinhole is ``p`` where ``p`` describes this very frame (``r`` is the identity or unset);
  otherwise it keeps the source's own focal lengths and principal point. The size stays that of the
  source image. So the centre keeps its resolution and every field of view gives a finite pinhole:
  180 degrees of an equidistant lens become the central 115, and what lies outside is cropped.
* A lens without distortion is used as it is: no resampling for a difference between ``k`` and
  ``p``.
* A small skew of ``k`` (fisheye calibrations have one) is removed with the distortion, where
  OpenCV and image_geometry leave it in.
* What the remapped image cannot know (the lens never saw it) is black, and False in ``valid``.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.distortion import NoDistortion, SkewedDistortion, distortion_of
from depthlm_ros.status import Code, StatusError

MAX_PIXELS = 40_000_000
"""Largest image that gets tables (8K is 33 Mpx)."""
MAX_SHEAR = 0.02
"""Largest skew of K that is accepted, as part of fx: one degree between rows and columns."""
NO_SHEAR = 1e-6


@dataclass(frozen=True)
class CameraModel:
    """The content of a CameraInfo in plain values; hashable, so that any change is seen.

    ``width``, ``height``: of the full sensor [px]. ``k`` (9), ``r`` (9) and ``p`` (12): row-major;
    empty or all zero ``r`` and ``p`` are unset. ``d``: see ``distortion.py``. Binning 0 means 1; a
    region of interest that is all zero means the full sensor; its values are full-sensor pixels.
    ``do_rectify``: the rectified image shall have a window of its own, placed where the rectified
    region of interest lies (REP-104).
    """

    width: int
    height: int
    k: tuple
    distortion_model: str = ""
    d: tuple = ()
    r: tuple = ()
    p: tuple = ()
    binning_x: int = 0
    binning_y: int = 0
    roi_x: int = 0
    roi_y: int = 0
    roi_width: int = 0
    roi_height: int = 0
    do_rectify: bool = False

    def __post_init__(self):
        """Refuse matrices that are not finite, of the wrong length, or skewed."""
        for name, allowed in (("k", (9,)), ("r", (0, 9)), ("p", (0, 12))):
            value = getattr(self, name)
            if len(value) not in allowed:
                raise StatusError(
                    Code.BAD_CAMERA_INFO, f"{name} has {len(value)} values: must be {allowed[-1]}"
                )
            if not np.isfinite(np.asarray(value, dtype=np.float64)).all():
                raise StatusError(
                    Code.BAD_CAMERA_INFO,
                    f"{name} = {list(value)}: must be finite; calibrate the camera",
                )
        if not any(self.k):
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                "K is zero, which means an uncalibrated camera: calibrate it "
                "(camera_calibration) or give the driver its calibration file",
            )
        if abs(self.k[1]) > MAX_SHEAR * abs(self.k[0]):
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"K has the skew {self.k[1]} px: must be at most {MAX_SHEAR:g} of fx = "
                f"{self.k[0]} px; calibrate the camera",
            )

    @property
    def shear(self) -> float:
        """The skew of ``k`` as part of fx, 0 where it is too small to matter."""
        shear = self.k[1] / self.k[0] if self.k[0] else 0.0
        return shear if abs(shear) > NO_SHEAR else 0.0

    @property
    def binning(self) -> tuple:
        """Sensor pixels of a super-pixel (x, y), at least 1."""
        return max(1, self.binning_x), max(1, self.binning_y)

    @property
    def window(self) -> tuple:
        """The region of interest (x, y, width, height) in sensor pixels; refused if outside."""
        if self.width <= 0 or self.height <= 0:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"CameraInfo is for {self.width} x {self.height} px: must be positive",
            )
        roi = (self.roi_x, self.roi_y, self.roi_width, self.roi_height)
        if not any(roi):
            return 0, 0, self.width, self.height
        x, y, w, h = roi
        if x < 0 or y < 0 or w <= 0 or h <= 0 or x + w > self.width or y + h > self.height:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"region of interest {w} x {h} px at ({x}, {y}): must lie in the sensor of "
                f"{self.width} x {self.height} px; correct the driver's roi",
            )
        return roi

    @property
    def image_size(self) -> tuple:
        """The (width, height) of its images: window over binning, remainders dropped."""
        (_, _, w, h), (bx, by) = self.window, self.binning
        return w // bx, h // by


class Rectifier:
    """Turns images and pixels of one lens into those of its pinhole camera, and pixels back.

    ``camera``: the PinholeCamera of the rectified image. ``valid``: bool (H, W), False where the
    rectified image knows nothing; None when all of it is valid.
    """

    def __init__(
        self,
        lens: CameraModel,
        image_width: int,
        image_height: int,
        image_is_rectified: bool = False,
    ):
        """Prepare for images of ``image_width`` x ``image_height`` px.

        ``image_is_rectified``: the subscribed image is rectified already (image_rect), so that the
        camera is ``p`` (``k`` where p is unset) and nothing is resampled. Raises
        StatusError(BAD_CAMERA_INFO): see ``CameraModel``, and sizes that do not agree.
        """
        size = (int(image_width), int(image_height))
        if size != lens.image_size or min(size) < 1:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"the image is {size[0]} x {size[1]} px, its CameraInfo is for "
                f"{lens.image_size[0]} x {lens.image_size[1]} px (sensor "
                f"{lens.width} x {lens.height}, window "
                f"{lens.window}, binning {lens.binning}): must be equal; "
                "publish the CameraInfo that belongs to this image",
            )
        if size[0] * size[1] > MAX_PIXELS:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"{size[0]} x {size[1]} px: must be at most {MAX_PIXELS} px in all",
            )
        self.lens, self._size = lens, size
        self._sensor = PinholeCamera.from_matrix(
            np.reshape(lens.k, (3, 3)), lens.width, lens.height
        )
        self._ideal = _matrix_p(lens) if image_is_rectified or not _rotated(lens) else None
        lens_shape = NoDistortion() if image_is_rectified else _distortion(lens)
        self._distortion = lens_shape
        self.is_identity = isinstance(lens_shape, NoDistortion)
        self._offset = lens.window[:2]
        if image_is_rectified:
            self._sensor = self._ideal or self._sensor
        if self.is_identity or self._ideal is None:
            self._ideal = self._sensor
        if lens.do_rectify and not self.is_identity:
            self._offset = self._rectified_offset()
        self.camera = _windowed(self._ideal, self._offset, lens.binning, size)
        self._maps, self.valid = (None, None) if self.is_identity else self._tables()

    @property
    def source_size(self) -> tuple:
        """The (width, height) [px] of the images that it takes."""
        return self._size

    @property
    def source_camera(self) -> PinholeCamera:
        """The rectified camera, at the source's size."""
        return self.camera

    def rectify(self, rgb: np.ndarray) -> np.ndarray:
        """Return the rectified image of ``rgb``, uint8 (H, W, 3); itself if nothing is to do."""
        if rgb.shape[:2] != self._size[::-1]:
            raise StatusError(
                Code.BAD_IMAGE,
                f"image of {rgb.shape[1]} x {rgb.shape[0]} px: must be {self._size} here",
            )
        if self.is_identity:
            return rgb
        return cv2.remap(
            rgb, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )

    def source_to_rectified(self, pixels) -> np.ndarray:
        """Map pixels (..., 2) of the subscribed image to the rectified one; NaN where no ray is.

        The result may lie outside the rectified image: ``camera.contains`` tells.
        """
        pixels = np.asarray(pixels, dtype=np.float64)
        if self.is_identity:
            return pixels.copy()
        sensor = _to_sensor(pixels, self.lens.window[:2], self.lens.binning)
        rays = self._distortion.undistort(self._sensor.normalise(sensor))
        return _from_sensor(_to_pixels(self._ideal, rays), self._offset, self.lens.binning)

    def rectified_to_source(self, pixels) -> np.ndarray:
        """Map pixels (..., 2) of the rectified image to the subscribed one; NaN: no ray."""
        pixels = np.asarray(pixels, dtype=np.float64)
        if self.is_identity:
            return pixels.copy()
        ideal = _to_sensor(pixels, self._offset, self.lens.binning)
        shown = self._distortion.distort(self._ideal.normalise(ideal))
        return _from_sensor(
            _to_pixels(self._sensor, shown), self.lens.window[:2], self.lens.binning
        )

    def _rectified_offset(self) -> tuple:
        """Return where (sensor pixels) a window of this size holds the rectified region."""
        x, y, w, h = self.lens.window
        u, v = np.meshgrid(
            np.linspace(x - 0.5, x + w - 0.5, 9), np.linspace(y - 0.5, y + h - 0.5, 9)
        )
        rays = self._distortion.undistort(self._sensor.normalise(np.stack([u, v], axis=-1)))
        rectified = _to_pixels(self._ideal, rays).reshape(-1, 2)
        rectified = rectified[np.isfinite(rectified).all(axis=1)]
        if not len(rectified):
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"region of interest {self.lens.window}: its lens model reaches none of it; "
                "calibrate the camera",
            )
        centre = np.median(rectified, axis=0)
        return int(np.floor(centre[0] - w / 2 + 1)), int(np.floor(centre[1] - h / 2 + 1))

    def _tables(self):
        """Return OpenCV's remap tables and the validity mask (None when all is valid)."""
        width, height = self._size
        shown = _windowed(self._sensor, self.lens.window[:2], self.lens.binning, self._size)
        u, v = self._distortion.tables(shown.matrix, self.camera.matrix, self._size)
        valid = (u >= -0.5) & (u < width - 0.5) & (v >= -0.5) & (v < height - 0.5)
        valid &= self._reached()
        if not valid.any():
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                "the rectified image would be empty: K, D and P do not belong together; "
                "calibrate the camera",
            )
        # The outer half pixel has no second neighbour to interpolate with: it takes the border
        # pixel's colour.
        for table, last in ((u, width - 1), (v, height - 1)):
            np.clip(table, 0, last, out=table)
            table[~valid] = -9.0
        # Fixed-point tables hold 16 bit coordinates; larger images keep the float ones.
        maps = cv2.convertMaps(u, v, cv2.CV_16SC2) if max(self._size) < 32767 else (u, v)
        return maps, None if valid.all() else valid

    def _reached(self) -> np.ndarray:
        """Tell, bool (H, W), which rays of the rectified image the lens model reaches."""
        camera = self.camera
        x = (np.arange(camera.width) - camera.cx) / camera.fx
        y = (np.arange(camera.height) - camera.cy) / camera.fy
        return np.square(x) + np.square(y)[:, None] <= self._distortion.max_ray**2


def _distortion(lens: CameraModel):
    """Return the way from rays to the sensor: the lens, and the skew of ``k``."""
    shape = distortion_of(lens.distortion_model, lens.d)
    return SkewedDistortion(shape, lens.shear) if lens.shear else shape


def _matrix_p(lens: CameraModel) -> PinholeCamera | None:
    """Return the camera of ``p`` on the full sensor, None where it is unset."""
    return (
        PinholeCamera.from_matrix(np.reshape(lens.p, (3, 4)), lens.width, lens.height)
        if any(lens.p)
        else None
    )


def _rotated(lens: CameraModel) -> bool:
    """Tell whether ``r`` turns the camera."""
    return any(lens.r) and not np.allclose(np.reshape(lens.r, (3, 3)), np.eye(3), atol=1e-6)


def _to_pixels(camera: PinholeCamera, rays: np.ndarray) -> np.ndarray:
    """Map normalised rays (..., 2) to the camera's pixels."""
    return rays * (camera.fx, camera.fy) + (camera.cx, camera.cy)


def _to_sensor(pixels: np.ndarray, offset, binning) -> np.ndarray:
    """Map image pixels (..., 2) to full-sensor pixels, by the pixel-centre rule."""
    return (pixels + 0.5) * binning - 0.5 + offset


def _from_sensor(pixels: np.ndarray, offset, binning) -> np.ndarray:
    """Map full-sensor pixels (..., 2) to image pixels: the inverse of ``_to_sensor``."""
    return (pixels - offset + 0.5) / binning - 0.5


def _windowed(camera: PinholeCamera, offset, binning, size) -> PinholeCamera:
    """Return the camera of an image of ``size`` from sensor pixel ``offset`` on, binned."""
    centre = _from_sensor(np.array([camera.cx, camera.cy]), offset, binning)
    return PinholeCamera(
        camera.fx / binning[0], camera.fy / binning[1], float(centre[0]), float(centre[1]), *size
    )
