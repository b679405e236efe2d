"""SUN RGB-D and the NYUv2 images in it.

``SENSOR/SOURCE/.../{image,depth_bfx,depth}/`` with ``intrinsics.txt`` (3 x 3, row by row). Depth
is stored in millimetres, rotated left by three bits: raw / 8000 metres. As published, DepthLM's
lines divide by 10000, which makes every label 0.8 of the truth. NYUv2 is ``kv1/NYUdata``. Splits:
lists of image folders below the root, ``train.txt`` and ``test.txt``, or the set's own
``allsplit.mat`` (read with scipy).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from depthlm_ros.datasets.base import DepthFile
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.datasets.files import must_exist, read_list, read_numbers
from depthlm_ros.datasets.optional_packages import require
from depthlm_ros.datasets.readers import image_size
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

SCALE, PUBLISHED_SCALE = 8000.0, 10000.0
NYU = "kv1/NYUdata"


@dataclass(frozen=True)
class SunRGBD:
    """One of the two sets. ``nyu``: the images of NYUv2, else all others."""

    name: str
    nyu: bool

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the split's image folders, below the root."""
        listed = {str(PurePosixPath(line)) for line in _listed(root, split)}
        found = [
            str(path.parent.relative_to(root))
            for path in must_exist(root, "SUN RGB-D").rglob("intrinsics.txt")
        ]
        mine = [place for place in found if place.startswith(NYU) == self.nyu]
        # the set's own list names some folders by other paths than they have: then by the name
        names = {Path(line).name for line in listed.difference(found)}
        return [place for place in mine if place in listed or Path(place).name in names]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the folder's image. ``depth_bfx`` (holes filled) where it is there."""
        folder = root / scene
        image = _only(folder / "image")
        filled = (folder / "depth_bfx").is_dir()
        raw = settings.as_published and settings.form == "depthlm" and self.nyu
        depth = _only(folder / ("depth_bfx" if filled and not raw else "depth"))
        wrong = settings.as_published and settings.form == "depthlm"
        width, height = image_size(image)
        fx, _, cx, _, fy, cy = read_numbers(folder / "intrinsics.txt", 9)[:6]
        yield FrameRecord(
            str(image.relative_to(root)),
            PinholeCamera(fx, fy, cx, cy, width, height),
            DepthFile(
                depth.relative_to(root),
                PUBLISHED_SCALE if wrong else SCALE,
                size=image_size(depth),
            ),
            scene=scene,
            range_m=(0.005, 25.0) if wrong else SETS[self.name].range_m,
        )


def _only(folder: Path) -> Path:
    """Return the one image of a folder."""
    found = sorted(p for p in must_exist(folder, "one image").iterdir() if p.is_file())
    if len(found) != 1:
        raise StatusError(Code.NO_FRAME, f"{folder}: holds {len(found)} files: must be one image")
    return found[0]


def _listed(root: Path, split: str) -> list[str]:
    text = root / f"{split}.txt"
    if text.is_file():
        return [line.strip("/") for line in read_list(text)]
    return _listed_in_mat(must_exist(root / "allsplit.mat", f"the split (or {text.name})"), split)


def _listed_in_mat(path: Path, split: str) -> list[str]:
    """Read MATLAB's lists; their paths are those of the authors' machine, below SUNRGBD/."""
    matlab = require("scipy.io", f"{path.name} (or {split}.txt, one image folder a line)", "data")
    rows = matlab.loadmat(path, squeeze_me=True)[f"all{split}"]
    return [str(row).rpartition("SUNRGBD/")[2].strip("/") for row in rows]


SUNRGBD = SunRGBD("sunrgbd", nyu=False)
NYUV2 = SunRGBD("nyuv2", nyu=True)
