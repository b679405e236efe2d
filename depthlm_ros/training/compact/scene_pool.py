"""Rendered views on the training device: rendered while training runs, the oldest replaced first.

Scenes and poses are numpy and cost most of a view's time, so on a machine with many cores worker
processes make them; rays are cast where the model trains. A pool holds views of one size.
"""

import queue
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import multiprocessing

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.scenes.camera_poses import draw_kind, informative_pose, make_scene
from depthlm_ros.scenes.render import Pose, render
from depthlm_ros.training.compact.names import index_of

MOST_OBJECTS = 512
VIEWS = 3
"""Views of one scene."""
CAR_HEIGHT_M = (1.2, 2.0)


@dataclass(frozen=True)
class Canvas:
    """Size of rendered views in pixels, and what they show.

    ``driving``: streets from the height of a car; else the usual mixture of scenes.
    """

    width: int
    height: int
    driving: bool = False

    def camera(self, focal_px: float) -> PinholeCamera:
        """Return the camera of these views, its principal point in the middle."""
        return PinholeCamera(
            focal_px,
            focal_px,
            (self.width - 1) / 2,
            (self.height - 1) / 2,
            self.width,
            self.height,
        )


CANVASES = (Canvas(352, 288), Canvas(448, 192, driving=True))


def draw_views(canvas: Canvas, seed: int, number: int) -> tuple:
    """Make scene ``number`` of a seed and VIEWS poses in it: (scene, poses)."""
    rng = np.random.default_rng([seed, number, canvas.width])
    kind = "street" if canvas.driving else draw_kind(rng)
    scene = make_scene(kind, [seed, number, canvas.width, 1])
    poses = [informative_pose(scene, rng) for _ in range(VIEWS)]
    if canvas.driving:
        poses = [_at_car_height(pose, rng) for pose in poses]
    return replace(scene, free=None), poses


def _at_car_height(pose: Pose, rng: np.random.Generator) -> Pose:
    forward = pose.rotation[:, 2]
    position = [*pose.position[:2], rng.uniform(*CAR_HEIGHT_M)]
    return Pose.looking(
        position, np.arctan2(forward[1], forward[0]), rng.normal(-0.01, 0.03), rng.normal(0, 0.01)
    )


def _work(canvas: Canvas, seed: int, first: int, step: int, out) -> None:
    """Fill a queue with scenes ``first``, ``first + step``, ... until the process is ended."""
    torch.set_num_threads(1)
    number = first
    while True:
        out.put(draw_views(canvas, seed, number))
        number += step


class SceneSource:
    """Scenes with poses without end: from ``workers`` processes, or made here when 0."""

    def __init__(self, canvas: Canvas, seed: int, workers: int = 0, start: int = 0):
        self.canvas, self.seed, self.next = canvas, seed, start
        self._queue, self._workers = None, []
        if workers:
            context = multiprocessing.get_context("spawn")
            self._queue = context.Queue(maxsize=8 * workers)
            for index in range(workers):
                worker = context.Process(
                    target=_work,
                    daemon=True,
                    args=(canvas, seed, start + index, workers, self._queue),
                )
                worker.start()
                self._workers.append(worker)

    def take(self, timeout_s: float = 120.0) -> tuple:
        """Return the next (scene, poses); raises RuntimeError when the workers have died."""
        if self._queue is None:
            self.next += 1
            return draw_views(self.canvas, self.seed, self.next - 1)
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty as error:
            alive = sum(worker.is_alive() for worker in self._workers)
            raise RuntimeError(
                f"no scene within {timeout_s:g} s: {alive} of "
                f"{len(self._workers)} workers are alive"
            ) from error

    def ready(self) -> int:
        """Return about how many scenes can be taken without waiting."""
        return 1 if self._queue is None else self._queue.qsize()

    def close(self) -> None:
        """End the worker processes."""
        for worker in self._workers:
            worker.terminate()


class ScenePool:
    """The last ``capacity`` views of one canvas, on one device.

    ``rgb`` uint8 (N, H, W, 3); ``depth`` float16 (N, H, W), z-depth [m], +Inf in the sky;
    ``ids`` int16 (N, H, W): object at a pixel, 0 where there is none; ``names`` int16
    (N, MOST_OBJECTS): object to index in NAMES, -1 for none. ``count``: views held.
    """

    def __init__(self, source: SceneSource, capacity: int, focal_px: float, device):
        canvas, self.device = source.canvas, torch.device(device)
        self.source, self.camera, self.capacity = source, canvas.camera(focal_px), capacity
        size = (capacity, canvas.height, canvas.width)
        self.rgb = torch.zeros(*size, 3, dtype=torch.uint8, device=self.device)
        self.depth = torch.zeros(size, dtype=torch.float16, device=self.device)
        self.ids = torch.zeros(size, dtype=torch.int16, device=self.device)
        self.names = np.full((capacity, MOST_OBJECTS), -1, dtype=np.int16)
        self.count = self._next = self.rendered = 0

    def refill(self, scenes: int) -> None:
        """Render VIEWS views of each of so many new scenes over the oldest."""
        taken = [self.source.take() for _ in range(scenes)]
        views = [(scene, pose) for scene, poses in taken for pose in poses]
        self.put(*(list(part) for part in zip(*views, strict=True)))

    def put(self, scenes: list, poses: list) -> None:
        """Render one view of each scene over the oldest."""
        out = render(scenes, poses, self.camera, 1, self.device)
        rows = [(self._next + k) % self.capacity for k in range(len(scenes))]
        at = torch.tensor(rows, device=self.device)
        ids = torch.where(out.object_id < MOST_OBJECTS, out.object_id, 0)
        self.rgb[at], self.ids[at] = out.rgb, ids
        self.depth[at] = (
            out.depth_m.clamp(max=60000.0)
            .half()
            .masked_fill(~torch.isfinite(out.depth_m), torch.inf)
        )
        self.names[rows] = np.stack([_names_of(scene) for scene in scenes])
        self._next = (rows[-1] + 1) % self.capacity
        self.count = min(self.capacity, self.count + len(scenes))
        self.rendered += len(scenes)

    def fill(self, views: int) -> Iterator[int]:
        """Render until ``views`` are held; yields the count after each batch."""
        while self.count < min(views, self.capacity):
            self.refill(16 if self.device.type == "cuda" else 1)
            yield self.count


def _names_of(scene) -> np.ndarray:
    names = np.full(MOST_OBJECTS, -1, dtype=np.int16)
    known = [index_of(str(name)) for name in scene.names[:MOST_OBJECTS]]
    names[: len(known)] = known
    return names
