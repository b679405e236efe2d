"""ScanNet++, the iPhone recordings: video, lidar depth of 256 x 192, cameras frame by frame.

``data/SCENE/iphone/``: ``rgb.mkv`` (1920 x 1440), or frames of it as ``rgb/frame_%06d.jpg``;
``depth.bin``, or ``depth/frame_%06d.png`` (millimetres); ``rgb_mask.mkv``, or frames of it as
``rgb_masks/frame_%06d.png`` (white: not anonymised), where there;
``pose_intrinsic_imu.json``. Splits: ``splits/nvs_sem_{train,val}.txt``.

As published, DepthLM's labels are sqrt(xn^2 + yn^2 + z^2) with rays that were not multiplied by z,
under one camera for all frames; the right distance is z sqrt(xn^2 + yn^2 + 1).
"""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.datasets.base import DepthFile, LabelKind
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord, draw_points
from depthlm_ros.datasets.depth_reading import read_masked
from depthlm_ros.datasets.files import must_exist, read_list, read_text
from depthlm_ros.datasets.optional_packages import require
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

SIZE, DEPTH_SIZE = (1920, 1440), (256, 192)
EVERY = 10
PUBLISHED_CAMERA = (1427.4375, 1427.4375, 959.5, 719.5)
SCALE = 1000.0


class ScanNetPP:
    """The set's curator."""

    name = "scannetpp"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the split's scenes that are there; "test" is the validation list."""
        listed = "train" if split == "train" else "val"
        names = read_list(root / "splits" / f"nvs_sem_{listed}.txt")
        return [name for name in names if (root / "data" / name / "iphone").is_dir()]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield every tenth frame of a scene (``settings.every``)."""
        phone = root / "data" / scene / "iphone"
        cameras = json.loads(read_text(phone / "pose_intrinsic_imu.json"))
        names = sorted(cameras)[:: settings.every or EVERY]
        images = _images(phone, root, out, scene, names)
        depths = _depths(phone, root, out, scene, names)
        masks = _masks(phone, names) if settings.form == "depthlm" else {}
        for name in names:
            if name not in images or name not in depths:
                continue
            (image, made), depth = images[name], depths[name]
            camera = _camera(cameras[name]["intrinsic"], settings)
            record = FrameRecord(
                image,
                camera,
                DepthFile(Path(depth), SCALE, masks=(), size=DEPTH_SIZE),
                scene=scene,
                made=made,
                range_m=SETS[self.name].range_m,
            )
            if settings.form == "depthlm":
                record = _with_points(record, root, out, masks.get(name), settings)
            yield record


def _camera(matrix, settings: CurationSettings) -> PinholeCamera:
    if settings.as_published and settings.form == "depthlm":
        return PinholeCamera(*PUBLISHED_CAMERA, *SIZE)
    m = np.asarray(matrix, float)
    return PinholeCamera(m[0, 0], m[1, 1], m[0, 2], m[1, 2], *SIZE)


def _with_points(record, root: Path, out: Path, usable, settings) -> FrameRecord:
    """Draw the points here: they must lie where ``usable`` (192, 256), if any, is true."""
    from dataclasses import replace

    base = out if (out / record.depth.path).is_file() else root
    depth = read_masked(replace(record.depth, path=base / record.depth.path), record.range_m)
    if usable is not None:
        depth[~usable] = 0
    cells, z = draw_points(depth, settings.points, [settings.seed, *record.image.encode()])
    scale = np.array(SIZE) / np.array(DEPTH_SIZE)
    pixels = np.rint((cells + 0.5) * scale - 0.5).astype(int)
    if settings.as_published:
        xy = record.camera.normalise(pixels)
        labels = np.sqrt(np.square(xy).sum(axis=1) + z**2)
        return replace(record, points=(pixels, labels, LabelKind.DISTANCE))
    return replace(record, points=(pixels, z, LabelKind.Z))


def _images(phone: Path, root: Path, out: Path, scene: str, names: list) -> dict:
    """Return name to (path, whether it was written here) of the frames."""
    folder = phone / "rgb"
    if folder.is_dir():
        return {
            p.stem: (str(p.relative_to(root)), False)
            for p in folder.glob("frame_*.jpg")
            if p.stem in set(names)
        }
    video = must_exist(phone / "rgb.mkv", "the video of the iPhone, or frames in rgb/")
    target = out / "rgb" / scene
    target.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, frame in _video_frames(video, names):
        path = target / f"{name}.jpg"
        cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
        found[name] = (str(path.relative_to(out)), True)
    if not found:
        raise StatusError(
            Code.BAD_IMAGE, f"{video}: no frame can be read of it; extract it to rgb/"
        )
    return found


def _video_frames(video: Path, names: list) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, BGR image) of a video's frames that are named."""
    wanted = {_number(name): name for name in names}
    capture, number = cv2.VideoCapture(str(video)), 0
    while wanted and number <= max(wanted):
        more, frame = capture.read()
        if not more:
            break
        if number in wanted:
            yield wanted[number], frame
        number += 1
    capture.release()


def _masks(phone: Path, names: list) -> dict:
    """Return name to where a depth map may be used, bool (192, 256); none where no mask is."""
    folder, video = phone / "rgb_masks", phone / "rgb_mask.mkv"
    if folder.is_dir():
        files = {name: folder / f"{name}.png" for name in names}
        read = ((n, cv2.imread(str(p))) for n, p in files.items() if p.is_file())
    elif video.is_file():
        read = _video_frames(video, names)
    else:
        return {}
    found = {
        name: cv2.resize(frame, DEPTH_SIZE, interpolation=cv2.INTER_NEAREST)[..., 0] > 127
        for name, frame in read
    }
    if not found:
        raise StatusError(
            Code.BAD_IMAGE, f"{phone}: no frame of the mask can be read; extract it to rgb_masks/"
        )
    return found


def _depths(phone: Path, root: Path, out: Path, scene: str, names: list) -> dict:
    """Return name to the path of a 16-bit depth map, below the root or the output folder."""
    folder = phone / "depth"
    if folder.is_dir():
        return {p.stem: str(p.relative_to(root)) for p in folder.glob("frame_*.png")}
    data = must_exist(phone / "depth.bin", "depth, or frames of it in depth/").read_bytes()
    target, found = out / "depth" / scene, {}
    target.mkdir(parents=True, exist_ok=True)
    wanted = {_number(name): name for name in names}
    for number, millimetres in enumerate(read_depth_bin(data)):
        if number in wanted:
            path = target / f"{wanted[number]}.png"
            cv2.imwrite(str(path), millimetres)
            found[wanted[number]] = str(path.relative_to(out))
    return found


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def read_depth_bin(data: bytes) -> Iterator[np.ndarray]:
    """Yield the frames of a depth.bin as uint16 (192, 256) millimetres.

    Either one zlib stream of float32 metres, or for every frame a little-endian length of four
    bytes and an lz4 block of uint16 millimetres (or a zlib stream of float32). Raises
    StatusError(BAD_IMAGE) for anything else.
    """
    width, height = DEPTH_SIZE
    whole = _unzipped(data)
    if whole is not None:
        for frame in np.frombuffer(whole, "<f4").reshape(-1, height, width):
            yield np.rint(np.nan_to_num(frame) * 1000).clip(0, 65535).astype(np.uint16)
        return
    at = 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        block, at = data[at + 4 : at + 4 + length], at + 4 + length
        if len(block) < length:
            raise StatusError(Code.BAD_IMAGE, f"depth.bin is cut short at byte {at - length}")
        yield _frame(block, height, width)


def _unzipped(data: bytes) -> bytes | None:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return None


def _frame(block: bytes, height: int, width: int) -> np.ndarray:
    metres = _unzipped(block)
    if metres is not None:
        frame = np.frombuffer(metres, "<f4").reshape(height, width)
        return np.rint(np.nan_to_num(frame) * 1000).clip(0, 65535).astype(np.uint16)
    raw = require("lz4.block", "depth.bin", "data").decompress(
        block, uncompressed_size=2 * height * width
    )
    return np.frombuffer(raw, "<u2").reshape(height, width)
