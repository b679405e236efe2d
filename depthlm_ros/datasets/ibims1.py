"""iBims-1: 100 test images of 640 x 480 px with laser depth, camera files and masks.

``rgb/*.png``, ``depth/*.png`` (uint16, 65535 is 50 m), ``calib/*.txt`` (fx, fy, cx, cy),
``mask_invalid/*.png``, ``mask_transp/*.png``: in both, > 0 is where depth may be used.
"""

from collections.abc import Iterator
from pathlib import Path

from depthlm_ros.datasets.base import DepthFile
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.datasets.files import must_exist, read_numbers
from depthlm_ros.datasets.readers import image_size
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera

SCALE = 65535 / 50


class Ibims1:
    """The set's curator; each image is a scene of its own, and all are for testing."""

    name = "ibims1"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the images' names."""
        folder = must_exist(root / "rgb", "the PNG images of iBims-1")
        return [path.stem for path in folder.glob("*.png")]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the image."""
        image = Path("rgb", f"{scene}.png")
        width, height = image_size(root / image)
        camera = read_numbers(root / "calib" / f"{scene}.txt", 4)
        masks = [Path(folder, f"{scene}.png") for folder in ("mask_invalid", "mask_transp")]
        yield FrameRecord(
            str(image),
            PinholeCamera(*camera, width, height),
            DepthFile(
                Path("depth", f"{scene}.png"),
                SCALE,
                masks=tuple(mask for mask in masks if (root / mask).is_file()),
                size=(width, height),
            ),
            scene=scene,
            range_m=SETS[self.name].range_m,
        )
