"""Taskonomy and HM3D as Omnidata lays them out: 512 x 512 px views with z-buffers.

``rgb/SET/SCENE/point_X_view_Y_domain_rgb.png``, ``depth_zbuffer/...`` (uint16, 512 to a metre) and
``point_info/...`` with the field of view. Splits: Taskonomy's ``train_val_test_fullplus.csv``,
HM3D's (habitat) ``metadata.csv``, in the root.
"""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from depthlm_ros.datasets.base import DepthFile
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.datasets.files import must_exist, read_text
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

SCALE = 512.0


@dataclass(frozen=True)
class Omnidata:
    """One of the two sets; ``info_suffix``: of the file with the field of view."""

    name: str
    info_suffix: str
    split_file: str

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the split's scenes whose images are there."""
        wanted = set(self._listed(root, split))
        folder = must_exist(root / "rgb" / self.name, "the pictures of Omnidata's layout")
        return [p.name for p in folder.iterdir() if p.is_dir() and p.name in wanted]

    def _listed(self, root: Path, split: str) -> list[str]:
        rows = list(csv.DictReader(read_text(root / self.split_file).splitlines()))
        if self.name == "taskonomy":
            return [row["id"] for row in rows if row.get(split) == "1"]
        return [row["scene"] for row in rows if row["split"] == split]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the views of a scene."""
        folder = root / "rgb" / self.name / scene
        for image in sorted(folder.glob("*_domain_rgb.png"))[:: settings.every or 1]:
            stem = image.name.removesuffix("_domain_rgb.png")
            place = f"{self.name}/{scene}/{stem}"
            info = json.loads(read_text(root / f"point_info/{place}{self.info_suffix}"))
            camera = self._camera(info, image)
            size = (camera.width, camera.height)
            depth = Path(f"depth_zbuffer/{place}_domain_depth_zbuffer.png")
            yield FrameRecord(
                str(image.relative_to(root)),
                camera,
                DepthFile(depth, SCALE, size=size),
                scene=scene,
                range_m=SETS[self.name].range_m,
            )

    @staticmethod
    def _camera(info: dict, image: Path) -> PinholeCamera:
        """Return the camera: f = resolution / (2 tan(fov / 2)), principal point in the middle."""
        try:
            side, fov = int(info["resolution"]), float(info["field_of_view_rads"])
        except (KeyError, ValueError, TypeError) as error:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"{image}: its point_info must hold resolution and field_of_view_rads ({error!r})",
            ) from error
        focal = side / (2 * math.tan(fov / 2))
        return PinholeCamera(focal, focal, (side - 1) / 2, (side - 1) / 2, side, side)


TASKONOMY = Omnidata("taskonomy", "_domain_point_info.json", "train_val_test_fullplus.csv")
HM3D = Omnidata("hm3d", "_domain_fixatedpose.json", "metadata.csv")
