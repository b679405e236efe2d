"""Matterport3D: undistorted colour and depth images with one .conf file of cameras a scene.

``SCENE/undistorted_color_images/*_iC_Y.jpg`` (1280 x 1024),
``undistorted_depth_images/*_dC_Y.png`` (uint16, 4000 to a metre),
``undistorted_camera_parameters/SCENE.conf``: each ``intrinsics_matrix`` line holds for the
``scan`` lines after it. Splits: ``scenes_{train,val,test}.txt``. As published, DepthVLM's lines
take the LAST matrix of the file for all images.
"""

from collections.abc import Iterator
from pathlib import Path

from depthlm_ros.datasets.base import DepthFile
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.datasets.files import read_list, read_text
from depthlm_ros.datasets.readers import image_size
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

SCALE = 4000.0
RANGE_M = (0.05, 50.0)


class Matterport3D:
    """The set's curator."""

    name = "matterport3d"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the split's scenes that are there."""
        return [s for s in read_list(root / f"scenes_{split}.txt") if (root / s).is_dir()]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the images of a scene, in the order of its .conf file."""
        conf = root / scene / "undistorted_camera_parameters" / f"{scene}.conf"
        scans = list(read_scans(conf))
        if settings.as_published and settings.form == "depthvlm" and scans:
            last = scans[-1][2]
            scans = [(depth, color, last) for depth, color, _ in scans]
        for depth, color, matrix in scans[:: settings.every or 1]:
            image = Path(scene, "undistorted_color_images", color)
            width, height = image_size(root / image)
            yield FrameRecord(
                str(image),
                PinholeCamera(*matrix, width, height),
                DepthFile(
                    Path(scene, "undistorted_depth_images", depth), SCALE, size=(width, height)
                ),
                scene=scene,
                range_m=RANGE_M,
            )


def read_scans(conf: Path) -> Iterator[tuple]:
    """Yield (depth file, colour file, (fx, fy, cx, cy)) for every scan line of a .conf."""
    matrix = None
    for number, line in enumerate(read_text(conf).splitlines(), start=1):
        word, *rest = line.split() or [""]
        try:
            if word == "intrinsics_matrix":
                fx, _, cx, _, fy, cy = (float(v) for v in rest[:6])
                matrix = (fx, fy, cx, cy)
            elif word == "scan":
                if matrix is None:
                    raise ValueError("a scan before any intrinsics_matrix")
                yield rest[0], rest[1], matrix
        except (ValueError, IndexError) as error:
            raise StatusError(Code.BAD_CAMERA_INFO, f"{conf}, line {number}: {error}") from error
