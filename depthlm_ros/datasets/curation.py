"""From a public set's own files to annotation lines: the part that all sets share.

A set's module (``curators.py`` lists them) names its scenes and yields a ``FrameRecord`` for each
image of one: where image and depth map lie, the right camera, what the map measures. Here the
records become lines of either paper's form, scene by scene, in processes or on a Ray cluster. A
scene's lines appear under ``parts/`` when they are complete, so an interrupted run goes on, and
machines that share a disk share the scenes by ``part``.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from depthlm_ros.datasets.base import DepthFile, LabelKind, convert
from depthlm_ros.datasets.depth_reading import CANONICAL_FOCAL_PX, canonical_size, read_masked
from depthlm_ros.datasets.registry import ANY_RANGE, SETS
from depthlm_ros.datasets.scene_map import map_scenes
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.image_io.atomic_write import write_atomically, write_text_atomically
from depthlm_ros.status import Code, StatusError

FORMS = ("depthlm", "depthvlm", "motion")
POINTS = 100
HISTOGRAM_M = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, float("inf"))
PROMPT = (
    "Given this image, estimate the metric depth (in meters, rounded to two decimal places) for "
    "every pixel of the image."
)
REPLY = "OK, I will estimate the depth map of this image."


@dataclass(frozen=True)
class CurationSettings:
    """How lines are made.

    ``form``: "depthlm" (points), "depthvlm" (maps) or "motion" (pairs of images). ``points``:
    drawn an image. ``label``: what the labels of depthlm lines measure; None: distance, or
    as_published the set's own kind. ``every``: only each Nth image of a scene (None: the set's
    usual). ``as_published``: make the labels as the released scripts do, where these err (each
    set's module says how). ``seed``: of the drawn points, with the image's name.
    """

    form: str = "depthlm"
    split: str = "train"
    points: int = POINTS
    label: LabelKind | None = None
    every: int | None = None
    as_published: bool = False
    seed: int = 42

    def __post_init__(self):
        """Refuse what no line can be."""
        if self.form not in FORMS:
            raise StatusError(Code.UNSUPPORTED, f"form {self.form!r}: must be one of {FORMS}")
        if self.points < 1 or (self.every is not None and self.every < 1):
            raise StatusError(
                Code.UNSUPPORTED, f"points {self.points}, every {self.every}: must be at least 1"
            )


@dataclass(frozen=True)
class FrameRecord:
    """One image of a set with its depth.

    Paths are below the set's root (or below the output folder, where ``made`` is True: images and
    maps that curation wrote). ``camera``: of the image. ``depth_label``: what the stored map
    measures. ``points``: (pixels (N, 2) of the image, metres (N,), kind), where labels are no map.
    ``range_m``: labels outside are not drawn. ``second``, ``motion_m``: a later image of the same
    camera and how far [m] its centre has moved until then. ``extra``: further
    fields of a depthvlm line.
    """

    image: str
    camera: PinholeCamera
    depth: DepthFile | None = None
    depth_label: LabelKind = LabelKind.Z
    points: tuple | None = None
    scene: str = ""
    camera_name: str = ""
    made: bool = False
    range_m: tuple = ANY_RANGE
    second: str = ""
    motion_m: float = float("nan")
    extra: dict = field(default_factory=dict)


class Curator(Protocol):
    """What a set's module offers."""

    name: str

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the scenes of a split; StatusError(NO_FRAME) where the files are not there."""

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the records of one scene."""


def draw_points(
    depth_m: np.ndarray, count: int, seed: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw valid pixels of a map (> 0): ((N, 2) as (column, row), metres (N,))."""
    rows, columns = np.nonzero(depth_m > 0)
    rng = np.random.default_rng(list(seed))
    picked = rng.choice(len(rows), min(count, len(rows)), replace=False)
    pixels = np.stack([columns[picked], rows[picked]], axis=1)
    return pixels, depth_m[pixels[:, 1], pixels[:, 0]].astype(float)


def depthlm_line(record: FrameRecord, root: Path, settings: CurationSettings) -> dict | None:
    """Return a line of points, or None for an image without any valid depth."""
    camera = record.camera
    if record.points is not None:
        pixels, metres, have = record.points
    else:
        file = _below(record.depth, root)
        depth = read_masked(file, record.range_m)
        seed = [settings.seed, *record.image.encode()]
        cells, metres = draw_points(depth, settings.points, seed)
        scale = np.array([camera.width / depth.shape[1], camera.height / depth.shape[0]])
        pixels = np.rint((cells + 0.5) * scale - 0.5).astype(int)
        have = record.depth_label
    if not len(metres):
        return None
    want = LabelKind(settings.label or (have if settings.as_published else LabelKind.DISTANCE))
    metres = convert(metres, camera.normalise(pixels), have, want)
    return _named(record) | {
        "pixel_coords": np.asarray(pixels, int).tolist(),
        "depth": [round(float(m), 4) for m in metres],
        "label": want.value,
    }


def depthvlm_line(record: FrameRecord, root: Path, settings: CurationSettings) -> dict | None:
    """Return a line that names the map; StatusError(UNSUPPORTED) for a set without maps."""
    if record.depth is None:
        raise StatusError(Code.UNSUPPORTED, f"{record.image}: this set gives points and no maps")
    camera, depth = record.camera, record.depth
    line = {
        "scene": record.scene,
        "camera": record.camera_name,
        "split": settings.split,
        "image": record.image,
        "depth_path": str(depth.path),
        "depth_scale": depth.scale,
        "original_rgb_size": [camera.width, camera.height],
        "original_fx": round(camera.fx, 2),
        "canonical_fx": int(CANONICAL_FOCAL_PX),
        "canonical_size": list(canonical_size(camera.width, camera.height, camera.fx)),
        "label": record.depth_label.value,
        "prompt": PROMPT,
        "solution": REPLY,
    }
    if depth.size:
        line["original_depth_size"] = list(depth.size)
    if depth.format != "image":
        line["depth_format"] = depth.format
    for key, mask in zip(("mask_valid_path", "mask_transp_path"), depth.masks, strict=False):
        line[key] = str(mask)
    return line | record.extra


def drawn_pairs(count: int, every: int, gap: int, seed: int, place: str) -> Iterator[tuple]:
    """Yield (index, later index) of pairs among ``count`` images of a camera, in their order.

    Every ``every``-th image begins one; the later one is 1 to ``gap`` images behind, drawn by
    ``seed`` and ``place``; a pair whose second image does not exist is left out.
    """
    for at in range(0, count, every):
        rng = np.random.default_rng([seed, *f"{place}/{at}".encode()])
        later = at + int(rng.integers(1, gap + 1))
        if later < count:
            yield at, later


def motion_line(record: FrameRecord, root: Path, settings: CurationSettings) -> dict:
    """Return a line of two images; StatusError(UNSUPPORTED) for a set that gives no pairs."""
    if not record.second:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{record.image}: pairs of images are offered of argoverse2 and nuscenes",
        )
    return _named(record) | {
        "second_image": record.second,
        "camera_motion": round(record.motion_m, 4),
        "label": LabelKind.DISTANCE.value,
    }


def _named(record: FrameRecord) -> dict:
    """Return image, scene and intrinsics of a line."""
    camera = record.camera
    numbers = (camera.fx, camera.fy, camera.cx, camera.cy)
    return {
        "image": record.image,
        "scene": record.scene,
        "intrinsics": [round(float(v), 4) for v in numbers] + [camera.width, camera.height],
    }


LINES: dict[str, Callable] = {
    "depthlm": depthlm_line,
    "depthvlm": depthvlm_line,
    "motion": motion_line,
}


def _below(file: DepthFile, root: Path) -> DepthFile:
    return replace(file, path=root / file.path, masks=tuple(root / mask for mask in file.masks))


def curate_scene(
    curator: Curator, root: Path, out: Path, settings: CurationSettings, scene: str
) -> Path:
    """Write one scene's lines; returns the file, which is left as it is where it is complete."""
    part = out / "parts" / settings.form / settings.split / f"{scene.replace('/', '__')}.jsonl"
    if part.is_file():
        return part
    part.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for record in curator.frames(root, out, scene, settings):
        line = LINES[settings.form](record, out if record.made else root, settings)
        if line is not None:
            lines.append(json.dumps(line))
    write_text_atomically(part, "".join(line + "\n" for line in lines))
    return part


def prepare(
    curator: Curator,
    root: Path,
    out: Path,
    settings: CurationSettings,
    workers: int = 1,
    part: tuple = (0, 1),
    progress: Callable | None = None,
    ray_address: str = "",
) -> Path:
    """Curate a set's split; returns the annotation file, ``NAME_..._SPLIT.jsonl`` in ``out``.

    ``part`` = (i, n): every nth scene from the ith, for several machines; the file is written by
    whoever finds all parts complete. ``ray_address``: see ``map_scenes``. Raises StatusError for
    files that are not as the set's own.
    """
    root, out = Path(root), Path(out)
    scenes = sorted(curator.scenes(root, settings.split))
    if not scenes:
        raise StatusError(
            Code.NO_FRAME, f"{root}: {curator.name} has no scenes of {settings.split}"
        )
    mine = scenes[part[0] :: part[1]]
    work = partial(curate_scene, curator, root, out, settings)
    for done, _ in enumerate(map_scenes(work, mine, workers, ray_address), start=1):
        if progress:
            progress(curator.name, done, len(mine))
    folder = out / "parts" / settings.form / settings.split
    parts = [folder / f"{scene.replace('/', '__')}.jsonl" for scene in scenes]
    kind = "pixel_depth" if settings.form == "depthvlm" else settings.form
    path = out / f"{curator.name}_{kind}_{settings.split}.jsonl"
    if all(file.is_file() for file in parts):
        _join(parts, path)
        report = report_of(curator.name, root, out, path, settings)
        write_text_atomically(
            path.with_suffix(".report.json"), json.dumps(report, indent=2) + "\n"
        )
    return path


def _join(parts: Sequence[Path], path: Path) -> None:
    def fill(file) -> None:
        for part in parts:
            file.write(part.read_bytes())

    write_atomically(path, fill)


def report_of(name: str, root: Path, out: Path, path: Path, settings: CurationSettings) -> dict:
    """Return counts and a histogram of the labels; of maps, those of every 100th at the most."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if settings.form == "depthlm":
        metres = np.concatenate([line["depth"] for line in lines]) if lines else np.empty(0)
    elif settings.form == "motion":
        metres = np.array([line["camera_motion"] for line in lines])
    else:
        some = lines[:: max(1, len(lines) // 100)]
        metres = np.concatenate([_valid(line, root, out) for line in some] or [np.empty(0)])
    counts, _ = np.histogram(metres, HISTOGRAM_M)
    info = SETS.get(name)
    return {
        "set": name,
        "licence": info.licence if info else "unknown",
        "split": settings.split,
        "form": settings.form,
        "as_published": settings.as_published,
        "scenes": len({line.get("scene") for line in lines}),
        "images": len(lines),
        "labels": int(len(metres)),
        "label_kinds": sorted({line["label"] for line in lines}),
        "histogram_ends_m": list(HISTOGRAM_M[:-1]),
        "histogram": counts.tolist(),
    }


def _valid(line: dict, root: Path, out: Path) -> np.ndarray:
    base = out if (out / line["depth_path"]).is_file() else root
    size = tuple(line["original_depth_size"]) if "original_depth_size" in line else None
    form = line.get("depth_format", "image")
    file = DepthFile(base / line["depth_path"], line["depth_scale"], form, size=size)
    depth = read_masked(file)
    return depth[depth > 0]
