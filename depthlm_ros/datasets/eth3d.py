"""ETH3D high-resolution training images: undistorted images, depth of the DISTORTED ones.

``multi_view_training_dslr_undistorted/SCENE/images/dslr_images_undistorted/*.JPG`` with COLMAP's
``dslr_calibration_undistorted/{cameras,images}.txt`` (PINHOLE), depth as raw float32 of 6048 x
4032 in ``SCENE/ground_truth_depth/dslr_images/*.JPG``, and the lens of the distorted images in
``SCENE/dslr_calibration_jpg/{cameras,images}.txt`` (THIN_PRISM_FISHEYE), each below ``depthmap``,
``multi_view_training_dslr_jpg`` or the undistorted images' folder.

The two images differ by up to 150 px. Here points of the depth map go through the lens to the
undistorted image; as published, DepthVLM's lines lay the map over it as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthlm_ros.datasets.base import DepthFile, LabelKind
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord, draw_points
from depthlm_ros.datasets.depth_reading import read_masked
from depthlm_ros.datasets.files import must_exist, read_text
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

UNDISTORTED = "multi_view_training_dslr_undistorted"
INDOOR = ("delivery_area", "kicker", "office", "pipes", "relief", "relief_2", "terrains")
OUTDOOR = ("courtyard", "electro", "facade", "meadow", "playground", "terrace")
BORDER_PX = 10


@dataclass(frozen=True)
class ThinPrismFisheye:
    """COLMAP's THIN_PRISM_FISHEYE lens.

    ``fx fy cx cy k1 k2 p1 p2 k3 k4 sx1 sy1``. COLMAP counts pixels from the corner: its (0.5, 0.5)
    is the centre of the first pixel, which is (0, 0) here.
    """

    numbers: tuple
    width: int
    height: int

    def pixel_of(self, xy: np.ndarray) -> np.ndarray:
        """Map normalised rays (N, 2) to pixels (N, 2)."""
        fx, fy, cx, cy = self.numbers[:4]
        return self._distorted(np.asarray(xy, float)) * (fx, fy) + (cx - 0.5, cy - 0.5)

    def ray_of(self, pixels: np.ndarray, rounds: int = 20) -> np.ndarray:
        """Map pixels (N, 2) to normalised rays (N, 2), by Newton's method on the plane."""
        fx, fy, cx, cy = self.numbers[:4]
        wanted = (np.asarray(pixels, float) - (cx - 0.5, cy - 0.5)) / (fx, fy)
        xy, h = wanted.copy(), 1e-6
        for _ in range(rounds):
            miss = self._distorted(xy) - wanted
            by_x = (self._distorted(xy + (h, 0)) - self._distorted(xy - (h, 0))) / (2 * h)
            by_y = (self._distorted(xy + (0, h)) - self._distorted(xy - (0, h))) / (2 * h)
            matrix = np.stack([by_x, by_y], axis=-1)
            xy = xy - np.linalg.solve(matrix, miss[..., None])[..., 0]
        return xy

    def _distorted(self, xy: np.ndarray) -> np.ndarray:
        k1, k2, p1, p2, k3, k4, sx, sy = self.numbers[4:]
        r = np.linalg.norm(xy, axis=1, keepdims=True)
        stretch = np.where(r > 1e-12, np.arctan(r) / np.maximum(r, 1e-12), 1.0)
        u, v = (xy * stretch).T
        uu, vv, uv = u * u, v * v, u * v
        r2 = uu + vv
        radial = k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
        du = u * radial + 2 * p1 * uv + p2 * (r2 + 2 * uu) + sx * r2
        dv = v * radial + 2 * p2 * uv + p1 * (r2 + 2 * vv) + sy * r2
        return np.stack([u + du, v + dv], axis=1)


class ETH3D:
    """The set's curator; all images are for testing."""

    name = "eth3d"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the scenes that are there."""
        folder = must_exist(root / UNDISTORTED, "ETH3D's undistorted images")
        return [p.name for p in folder.iterdir() if p.name in INDOOR + OUTDOOR]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the images of a scene."""
        base = Path(UNDISTORTED, scene)
        straight = read_colmap(root / base / "dslr_calibration_undistorted")
        bent = (
            read_colmap(root / _home(root, scene, "dslr_calibration_jpg"))
            if settings.form == "depthlm"
            else {}
        )
        for name in sorted(straight)[:: settings.every or 1]:
            camera = _pinhole(*straight[name], name)
            image = base / "images" / "dslr_images_undistorted" / name
            depth = _home(root, scene, "ground_truth_depth") / "dslr_images" / name
            size = bent[name][1] if name in bent else (6048, 4032)
            record = FrameRecord(
                str(image),
                camera,
                DepthFile(depth, 1.0, "binary_float32", size=size),
                scene=scene,
                range_m=SETS[self.name].range_m,
                extra={"scene_type": "indoor" if scene in INDOOR else "outdoor"},
            )
            if settings.form == "depthlm":
                record = _with_points(record, root, _lens(*bent[name], name), settings)
            yield record


def _home(root: Path, scene: str, what: str) -> Path:
    """Return the folder, below the root, of a scene's depth or of its distorted calibration.

    Each comes in an archive of its own, and they need not have been unpacked to one place.
    """
    tops = ("depthmap", "multi_view_training_dslr_jpg", UNDISTORTED)
    for top in tops:
        if (root / top / scene / what).is_dir():
            return Path(top, scene, what)
    raise StatusError(
        Code.NO_FRAME, f"{root}: no {what} of {scene} below {', '.join(tops)}; check --root"
    )


def _with_points(record, root: Path, lens: ThinPrismFisheye, settings) -> FrameRecord:
    """Draw points on the distorted map and carry them to the undistorted image."""
    from dataclasses import replace

    depth = read_masked(replace(record.depth, path=root / record.depth.path), record.range_m)
    b = BORDER_PX
    inner = np.zeros_like(depth)
    inner[b:-b, b:-b] = depth[b:-b, b:-b]
    cells, z = draw_points(inner, settings.points, [settings.seed, *record.image.encode()])
    xy = lens.ray_of(cells)
    camera = record.camera
    pixels = np.rint(xy * (camera.fx, camera.fy) + (camera.cx, camera.cy)).astype(int)
    inside = camera.contains(pixels) & (
        np.abs(lens.pixel_of(xy) - cells).max(axis=1) < 0.1  # the lens could be inverted there
    )
    return replace(record, points=(pixels[inside], z[inside], LabelKind.Z))


def read_colmap(folder: Path) -> dict:
    """Return image name to (camera model and numbers, (W, H)) of COLMAP's text files."""
    cameras = {}
    for line in _lines(folder / "cameras.txt"):
        number, model, width, height, *numbers = line.split()
        cameras[number] = ((model, tuple(map(float, numbers))), (int(width), int(height)))
    found = {}
    for line in _lines(folder / "images.txt")[::2]:  # the second line of each pair: 2-D points
        words = line.split()
        found[Path(words[9]).name] = cameras[words[8]]
    return found


def _lines(path: Path) -> list[str]:
    return [line for line in read_text(path).splitlines() if not line.startswith("#")]


def _pinhole(model: tuple, size: tuple, name: str) -> PinholeCamera:
    kind, (fx, fy, cx, cy, *rest) = model
    if kind != "PINHOLE" or rest:
        raise StatusError(Code.BAD_CAMERA_INFO, f"{name}: camera {kind}: must be PINHOLE")
    return PinholeCamera(fx, fy, cx - 0.5, cy - 0.5, *size)  # COLMAP counts from the corner


def _lens(model: tuple, size: tuple, name: str) -> ThinPrismFisheye:
    kind, numbers = model
    if kind != "THIN_PRISM_FISHEYE" or len(numbers) != 12:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{name}: camera {kind}: must be THIN_PRISM_FISHEYE"
        )
    return ThinPrismFisheye(numbers, *size)
