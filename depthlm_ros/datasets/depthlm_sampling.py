"""One training sample of DepthLM, step by step as published (released sampler; paper 3.2, 4.1).

Resize to the unified focal length, crop, choose a point, keep it off the border, paint the arrow,
write question and answer. Every step is a function of its arguments and a generator; pixels are
whole and truncated by ``int``, as the models were trained. ``fx`` scales both axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from depthlm_ros.datasets import depthlm_tasks
from depthlm_ros.datasets.base import LabelKind, Sample, convert
from depthlm_ros.datasets.depth_reading import read_rgb
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.prompting.marker import Marker, draw, place
from depthlm_ros.prompting.prompts import Prompt, Style, prompt, ray_answer
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

CROP_HEIGHT, CROP_WIDTH = (700.0, 1200.0), (1000.0, 1400.0)
SQUEEZE = (1.0, 1.3)
MARGIN_PX = 5
NOT_CROPPED = "taskonomy"


@dataclass(frozen=True)
class SamplingConfig:
    """How training samples are made; the defaults are the published ones.

    ``focal_px``: unified focal length, None for the image's own (ablation "raw"). ``points``: how
    many questions an image (1 to 4). ``crop_width``, ``crop_height``: ranges of the random crop
    [px]. ``label``: what answers measure; None: what the labels of the file measure, as published.
    ``tasks``: which questions are drawn, evenly (``depthlm_tasks.py``); beside other tasks the
    distance is Euclidean, whatever ``label`` says.
    """

    focal_px: float | None = 1000.0
    points: int = 1
    crop_width: tuple = CROP_WIDTH
    crop_height: tuple = CROP_HEIGHT
    squeeze: tuple = SQUEEZE
    marker: Marker = field(default_factory=Marker)
    style: Style = Style.PUBLISHED
    label: LabelKind | None = None
    tasks: tuple = (Task.DISTANCE,)


@dataclass(frozen=True)
class View:
    """An image on its way: pixels move with it. ``rgb`` uint8 (H, W, 3); ``pixels`` int (N, 2).

    ``kept``: bool (N,), points that are still inside.
    """

    rgb: np.ndarray
    camera: PinholeCamera
    pixels: np.ndarray
    kept: np.ndarray


@dataclass(frozen=True)
class TextSample:
    """A marked image with its conversation; ``metres``: the answer before rounding.

    ``second``: the other image of a question about two, uint8 (H, W, 3).
    """

    rgb: np.ndarray
    prompt: Prompt
    reply: str
    pixel: tuple
    metres: float
    second: np.ndarray | None = None

    @property
    def images(self) -> tuple:
        """All images of the question, in its order."""
        return (self.rgb,) if self.second is None else (self.rgb, self.second)


def unified(image: Image.Image, camera: PinholeCamera, pixels, focal_px: float | None) -> View:
    """Resize to ``s = focal_px / fx``: size (int(W s), int(H s)), bicubic; points by ``int``.

    fx, fy, cx, cy are all multiplied by s. None leaves all as it is.
    """
    s = 1.0 if focal_px is None else focal_px / camera.fx
    size = int(camera.width * s), int(camera.height * s)
    rgb = np.asarray(image if s == 1.0 else image.resize(size, Image.Resampling.BICUBIC))
    moved = PinholeCamera(camera.fx * s, camera.fy * s, camera.cx * s, camera.cy * s, *size)
    centre = np.array([camera.cx, camera.cy])
    pixels = ((np.asarray(pixels, float).reshape(-1, 2) - centre) * s + centre * s).astype(int)
    return View(rgb, moved, pixels, _inside(pixels, size))


def cropped(view: View, config: SamplingConfig, rng: np.random.Generator) -> View:
    """Cut a window of random size about the image's centre; points outside are lost.

    Height int(min(H, U[700, 1200])), width int(min(W, U[1000, 1400])), real-valued draws in this
    order; left = (W - w) // 2.
    """
    camera = view.camera
    height = int(min(camera.height, rng.uniform(*config.crop_height)))
    width = int(min(camera.width, rng.uniform(*config.crop_width)))
    left, top = (camera.width - width) // 2, (camera.height - height) // 2
    rgb = view.rgb[top : top + height, left : left + width]
    pixels = view.pixels - (left, top)
    camera = camera.cropped(left, top, width, height)
    return View(rgb, camera, pixels, view.kept & _inside(pixels, (width, height)))


def squeezed(view: View, config: SamplingConfig, rng: np.random.Generator) -> View:
    """Change the height to int(W / U[1.0, 1.3]); fy, cy and the points go along.

    For Taskonomy, whose intrinsics are noisy.
    """
    camera = view.camera
    height = int(camera.width / rng.uniform(*config.squeeze))
    s = height / camera.height
    resized = Image.fromarray(view.rgb).resize((camera.width, height), Image.Resampling.BICUBIC)
    pixels = np.stack([view.pixels[:, 0], (view.pixels[:, 1] * s).astype(int)], axis=1)
    moved = PinholeCamera(camera.fx, camera.fy * s, camera.cx, camera.cy * s, camera.width, height)
    return View(np.asarray(resized), moved, pixels, _inside(pixels, (camera.width, height)))


def nearest_kept(kept: Sequence[bool], chosen: int) -> int | None:
    """Return the list index nearest to ``chosen`` that the crop kept, left before right."""
    for step in range(len(kept)):
        for index in (chosen - step, chosen + step):
            if 0 <= index < len(kept) and kept[index]:
                return index
    return None


def off_the_border(pixel, width: int, height: int, margin: int = MARGIN_PX) -> bool:
    """Return whether 5 <= x < w - 5 and 5 <= y < h - 5."""
    x, y = pixel
    return margin <= x < width - margin and margin <= y < height - margin


def make_samples(
    sample: Sample, config: SamplingConfig, rng: np.random.Generator
) -> list[TextSample]:
    """Return up to ``config.points`` training samples of one image; [] where none can be made.

    None: fewer than two labelled points, all of them cut off, or the drawn one at the border: the
    caller goes on to the next line, as published. Raises StatusError(BAD_IMAGE) for a broken
    image.
    """
    if sample.second_image is not None:
        return _motion_samples(sample, config, rng)
    points = sample.points
    if points is None or len(points) < 2:
        return []
    image = _image(sample, sample.image)
    view = unified(image, sample.camera, points.on_grid(image.size), config.focal_px)
    view = _cut(sample, view, config, rng)
    made = []
    for chosen in rng.choice(len(points), min(config.points, len(points)), replace=False):
        index = nearest_kept(view.kept, int(chosen))
        size = (view.camera.width, view.camera.height)
        if index is not None and off_the_border(view.pixels[index], *size):
            made += _asked(sample, view, index, config, rng)
    return made


def _image(sample: Sample, path) -> Image.Image:
    """Read an image of a line; StatusError(BAD_IMAGE) for one of another size."""
    image = read_rgb(path)
    if image.size != (sample.camera.width, sample.camera.height):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{sample.place}: {path} is {image.size[0]} x {image.size[1]} px, the line "
            f"says {sample.camera.width} x {sample.camera.height}: correct the intrinsics",
        )
    return image


def _cut(sample: Sample, view: View, config: SamplingConfig, rng) -> View:
    noisy = NOT_CROPPED in str(sample.image).lower() or sample.dataset == NOT_CROPPED
    return (squeezed if noisy else cropped)(view, config, rng)


def _motion_samples(sample: Sample, config: SamplingConfig, rng) -> list[TextSample]:
    """Return the question about the camera's motion between two images, cut to one window.

    [] where that task is not trained.
    """
    if Task.CAMERA_MOTION not in config.tasks:
        return []
    window, views = int(rng.integers(2**32)), []
    for path in (sample.image, sample.second_image):
        image = _image(sample, path)
        view = unified(image, sample.camera, np.empty((0, 2)), config.focal_px)
        views.append(_cut(sample, view, config, np.random.default_rng(window)))
    asked = prompt(Task.CAMERA_MOTION, config.style)
    first, second = (np.ascontiguousarray(view.rgb) for view in views)
    reply = asked.answer(sample.motion_m)
    return [TextSample(first, asked, reply, (), sample.motion_m, second)]


def _asked(sample, view: View, index: int, config: SamplingConfig, rng) -> list[TextSample]:
    """Return the one question about a point, or [] where its task finds no second point."""
    if tuple(config.tasks) == (Task.DISTANCE,):
        return [_text_sample(sample, view, index, config)]
    of_points = [task for task in config.tasks if task != Task.CAMERA_MOTION]
    if not of_points:
        return []
    task = Task(of_points[rng.integers(len(of_points))])
    size = (view.camera.width, view.camera.height)
    others = [
        i
        for i in np.flatnonzero(view.kept)
        if i != index and off_the_border(view.pixels[i], *size)
    ]
    if task is Task.TWO_POINT_DISTANCE and not others:
        return []
    other = int(rng.choice(others)) if task is Task.TWO_POINT_DISTANCE else None
    points = depthlm_tasks.points_3d(sample)
    asked, value = depthlm_tasks.ask(task, points, index, other, rng, config.style)
    pixel = tuple(int(v) for v in view.pixels[index])
    second = None if other is None else tuple(int(v) for v in view.pixels[other])
    rgb = depthlm_tasks.marked(view.rgb, asked, config.marker, pixel, second, config.style)
    return [TextSample(np.ascontiguousarray(rgb), asked, asked.answer(value), pixel, value)]


def answer_metres(sample: Sample, index: int, label: LabelKind | None) -> float:
    """Return a point's label in the kind that answers shall have (None: the file's own)."""
    points, camera = sample.points, sample.camera
    xy = camera.normalise(points.on_grid((camera.width, camera.height))[index])
    return float(convert(points.metres[index], xy, sample.label, label or sample.label))


def _text_sample(sample: Sample, view: View, index: int, config: SamplingConfig) -> TextSample:
    metres = answer_metres(sample, index, config.label)
    pixel = tuple(int(v) for v in view.pixels[index])
    size = (view.camera.width, view.camera.height)
    asked = prompt(style=config.style, size=size, pixel=pixel, camera=view.camera)
    rgb = view.rgb
    if asked.markers:
        rgb = draw(rgb, config.marker, place(config.marker, pixel, *size))
    reply = asked.answer(metres)
    if Style(config.style) is Style.RAY:
        right, down = np.degrees(np.arctan(view.camera.normalise(pixel)))
        reply = ray_answer(float(right), float(down), metres)
    return TextSample(np.ascontiguousarray(rgb), asked, reply, pixel, metres)


def _inside(pixels: np.ndarray, size: tuple) -> np.ndarray:
    return ((pixels >= 0) & (pixels < size)).all(axis=1)
