"""``depthlm bench ask``: questions in English over rendered scenes, answers against exact truth.

Twice: with the true depth and true boxes put in, so that what is measured is the reading of
questions and the geometry; and, with ``--model``, with what a model sees and finds.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.asking import FrameScene, able, answer_frame
from depthlm_ros.benchmarks.asking_forms import REFUSED, forms
from depthlm_ros.estimator import FrameDepth, FrameEstimator
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.rectify import CameraModel, Rectifier
from depthlm_ros.language.answer import Answer, refused
from depthlm_ros.language.question import Able, FreeQuestion, read_any_question
from depthlm_ros.models.arguments import add_model_name
from depthlm_ros.models.base import QWEN3_VL_BOXES
from depthlm_ros.status import StatusError
from depthlm_ros.tasks import Task

CAMERA = PinholeCamera(420.0, 420.0, 239.5, 179.5, 480, 360)
LENS = CameraModel(480, 360, (420.0, 0.0, 239.5, 0.0, 420.0, 179.5, 0.0, 0.0, 1.0))
LEAST_SHARE = 0.004
"""Smaller parts of a view have no name here."""
RANGES = 0.05, 100.0
CLOSE = 0.01
SURFACES = {"wall", "floor", "ceiling", "road", "pavement", "sky", "roof", "window", "door frame"}


@dataclass(frozen=True)
class View:
    """A rendered picture with its truth; ``masks``: name -> one mask, bool (H, W), an object."""

    rgb: np.ndarray
    depth_m: np.ndarray
    masks: dict

    def point(self, pixel) -> np.ndarray:
        """Return the true 3-D point (3,) [m] at the pixel nearest to (u, v)."""
        u, v = round(float(pixel[0])), round(float(pixel[1]))
        z = float(self.depth_m[v, u])
        return np.array([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z])


class TrueModel:
    """Gives the truth in a model's place: depth as it is, boxes around what is there."""

    name, ratio_90, speaks, grounding = "truth", 1.0, True, QWEN3_VL_BOXES

    def __init__(self, view: View):
        self._view = view

    def reply(self, rgb, camera, prompt: str, max_tokens: int = 128) -> str:
        """Name the boxes of what the prompt asks for, in Qwen3-VL's form."""
        name = prompt.removeprefix("Locate every ").partition(",")[0]
        boxes = []
        for mask in self._view.masks.get(name) or self._view.masks.get(f"{name}s", []):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
            shares = edges / [CAMERA.width, CAMERA.height, CAMERA.width, CAMERA.height]
            boxes.append({"bbox_2d": (1000 * shares).tolist(), "label": name})
        return json.dumps(boxes)


@dataclass
class Row:
    """What was counted of one task."""

    asked: int = 0
    understood: int = 0
    answered: int = 0
    on_thing: int = 0
    with_thing: int = 0
    right: int = 0
    checked: int = 0
    within: int = 0
    misses: list = field(default_factory=list)


def make_view(seed: int) -> View:
    """Render a random scene from where there is something to see."""
    import torch

    from depthlm_ros.scenes.camera_poses import draw_kind, informative_pose, make_scene
    from depthlm_ros.scenes.render import render

    rng = np.random.default_rng([seed, 11])
    scene = make_scene(draw_kind(rng), [seed, 12])
    torch.manual_seed(seed)
    rendered = render([scene], [informative_pose(scene, rng)], CAMERA)
    ids = rendered.object_id[0].numpy()
    masks: dict = defaultdict(list)
    for number in np.unique(ids):
        mask, name = ids == number, scene.names[number]
        if name not in SURFACES and mask.mean() >= LEAST_SHARE:
            masks[name].append(mask)
    return View(rendered.rgb[0].numpy(), rendered.depth_m[0].numpy(), dict(masks))


def fill(form: str, view: View, rng: np.random.Generator) -> tuple[str, dict] | None:
    """Put what a view shows into a form; None where it does not show it."""
    single = [name for name, masks in view.masks.items() if len(masks) == 1]
    several = [name for name, masks in view.masks.items() if len(masks) > 1]
    if not (single or "{a}" not in form) or ("{m}" in form and not several):
        return None
    if "{b}" in form and len(single) < 2:
        return None
    names = list(rng.permutation(single)) + ["", ""]
    pixels = [_free_pixel(view, rng) for _ in "pq"]
    absent = next(name for name in ("giraffe", "piano") if name not in view.masks)
    words = {"a": str(names[0]), "b": str(names[1]), "x": absent}
    words["m"] = str(rng.choice(several)).removesuffix("s") if several else ""
    words |= {key: "({:g}, {:g})".format(*pixel) for key, pixel in zip("pq", pixels, strict=True)}
    return form.format(**words), {**words, "p": pixels[0], "q": pixels[1]}


def _free_pixel(view: View, rng: np.random.Generator) -> tuple[int, int]:
    """Draw a pixel away from the border whose neighbours lie at about its own depth."""
    for _ in range(200):
        u, v = int(rng.integers(20, CAMERA.width - 20)), int(rng.integers(20, CAMERA.height - 20))
        around = view.depth_m[v - 4 : v + 5, u - 4 : u + 5]
        if np.isfinite(around).all() and around.max() < 1.05 * around.min():
            break
    return u, v


def true_value(task: Task, answer: Answer, question, view: View) -> float:
    """Return the truth at the answer's pixels, worked out apart from it; NaN: not checked."""
    points = [view.point(reading.pixel) for reading in answer.evidence]
    signs = {"left": -1, "right": 1, "up": -1, "down": 1}
    if task in (Task.DISTANCE, Task.SPEED, Task.TIME):
        far = float(np.linalg.norm(points[0]))
        return far if task is Task.DISTANCE else far / question.amount
    if task in (Task.DEPTH, Task.HORIZONTAL, Task.BEARING):
        x, _, z = points[0]
        return float({Task.DEPTH: z, Task.HORIZONTAL: np.hypot(x, z)}.get(task, np.arctan2(x, z)))
    axes = {
        Task.LATERAL: 0,
        Task.VERTICAL: 1,
        Task.TWO_POINT_LATERAL: 0,
        Task.TWO_POINT_VERTICAL: 1,
        Task.TWO_POINT_DEPTH: 2,
    }
    if task in axes:
        along = [point[axes[task]] for point in points]
        value = along[0] - along[1] if len(along) == 2 else along[0]
        sign = signs.get(question.direction)
        return float(abs(value) if sign is None else sign * value)
    if task in (Task.HEIGHT, Task.WIDTH):
        return _extent(task, question.points[0].name, view)
    if len(points) == 2:
        return _between(task, *points)
    return float("nan")


def _between(task: Task, a: np.ndarray, b: np.ndarray) -> float:
    far = np.linalg.norm(a), np.linalg.norm(b)
    if task is Task.TWO_POINT_ANGLE:
        return float(np.arccos(np.clip(a @ b / (far[0] * far[1]), -1, 1)))
    values = {
        Task.TWO_POINT_DISTANCE: np.linalg.norm(a - b),
        Task.TWO_POINT_HORIZONTAL: np.hypot(*(a - b)[[0, 2]]),
        Task.DISTANCE_DIFFERENCE: far[0] - far[1],
        Task.NEARER: abs(far[0] - far[1]),
        Task.FARTHER: abs(far[0] - far[1]),
    }
    return float(values.get(task, np.nan))


def _extent(task: Task, name: str, view: View) -> float:
    """Return how far the visible points of an object reach along y or x [m]."""
    (mask,) = view.masks[name]
    rows, columns = np.nonzero(mask)
    z = view.depth_m[mask]
    at, centre, focal = (
        (rows, CAMERA.cy, CAMERA.fy) if task is Task.HEIGHT else (columns, CAMERA.cx, CAMERA.fx)
    )
    low, high = (at - 0.5 - centre) / focal * z, (at + 0.5 - centre) / focal * z
    return float(high.max() - low.min())


def ask(estimator: FrameEstimator, depth: FrameDepth, text: str) -> tuple:
    """Return (question or None, answer) as the node answers."""
    scene = FrameScene(estimator, depth)
    try:
        question = read_any_question(text, able=able(estimator.model) | Able.WAYS)
        if isinstance(question, FreeQuestion):
            question.check(writes=False)
    except StatusError as refusal:
        return None, refused(refusal.code, refusal.text)
    return question, answer_frame(question, scene)


def count(row: Row, task, text: str, words: dict, question, answer: Answer, view: View) -> None:
    """Count one question: whether it was read, found, right; or rightly refused."""
    row.asked += 1
    if task == REFUSED:
        row.understood += not answer.success
        if answer.success:
            row.misses.append(f"{text} => {answer.sentence[:80]}")
        return
    read = question is not None and question.task is task
    row.understood += read
    if not read:
        row.misses.append(f"{text} => {answer.code.name} {answer.text[:70]}")
    if not (read and answer.success):
        return
    row.answered += 1
    if task in (Task.COUNT, Task.EXISTS):
        name = question.points[0].name
        truth = float(len(view.masks.get(name) or view.masks.get(name.removesuffix("s"), [])))
        truth = truth if task is Task.COUNT else float(truth > 0)
    else:
        _count_silhouettes(row, question, answer, view)
        truth = true_value(task, answer, question, view)
    if not np.isfinite(truth):
        return
    row.checked += 1
    right = abs(answer.value - truth) <= CLOSE * max(abs(truth), 0.05)
    row.right += right
    row.within += (
        answer.low - 1e-6 <= truth <= answer.high + 1e-6 if np.isfinite(answer.low) else right
    )
    if not right:
        row.misses.append(f"{text} => {answer.value:.3f}, true {truth:.3f}")


def _count_silhouettes(row: Row, question, answer: Answer, view: View) -> None:
    """Count the named things whose pixel lies on an object of the name."""
    for point, reading in zip(question.points, answer.evidence, strict=False):
        masks = view.masks.get(getattr(point, "name", ""), [])
        if masks:
            u, v = (round(float(x)) for x in reading.pixel)
            row.with_thing += 1
            row.on_thing += any(mask[v, u] for mask in masks)


def measure(scenes: int, model=None) -> dict:
    """Ask every form about ``scenes`` views; ``model``: None for the truth. Task -> Row."""
    rows: dict = defaultdict(Row)
    estimator = None if model is None else FrameEstimator(model, *RANGES)
    for seed in range(scenes):
        view, rng = make_view(1000 + seed), np.random.default_rng([seed, 5])
        asked = FrameEstimator(TrueModel(view), *RANGES) if estimator is None else estimator
        frame = Frame(view.rgb, CAMERA, 0, "camera")
        rectifier = Rectifier(LENS, CAMERA.width, CAMERA.height)
        depth = (
            FrameDepth(frame, rectifier, DepthMap(view.depth_m, CAMERA, 0, "camera", 1.0, 1))
            if estimator is None
            else estimator.estimate(frame, rectifier)
        )
        for task, form in forms():
            filled = fill(form, view, rng)
            if filled is not None:
                text, words = filled
                count(rows[task], task, text, words, *ask(asked, depth, text), view)
    return dict(rows)


def add_arguments(parser) -> None:
    """Add the options of the command line."""
    parser.add_argument("--scenes", type=int, default=10, help="rendered views (default 10)")
    add_model_name(parser, None, "also measure a model: name, folder or hub id")
    parser.add_argument("--misses", action="store_true", help="list what went wrong")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(arguments) -> bool:
    """Print the tables; returns whether it was refused."""
    models = [None]
    if arguments.model:
        from depthlm_ros.models import registry

        models.append(registry.load(arguments.model))
    for model in models:
        rows = measure(arguments.scenes, model)
        name = "truth put in" if model is None else model.name
        print(_record(name, rows) if arguments.json else table(name, rows))
        if arguments.misses:
            for row in rows.values():
                print(*row.misses, sep="\n")
    return False


def _record(name: str, rows: dict) -> str:
    counts = {getattr(task, "value", task): vars(row) for task, row in rows.items()}
    return json.dumps({"model": name, "tasks": counts})


def table(name: str, rows: dict) -> str:
    """Return the counts of each task, and their sum, as text."""
    lines = [
        f"{name}: asked, understood (or rightly refused), answered, on the thing, "
        "right within 1 %, within the interval"
    ]
    total = Row()
    for task, row in [*rows.items(), ("all", total)]:
        if task != "all":
            for key in (
                "asked",
                "understood",
                "answered",
                "on_thing",
                "with_thing",
                "right",
                "checked",
                "within",
            ):
                setattr(total, key, getattr(total, key) + getattr(row, key))
        lines.append(
            f"{getattr(task, 'value', task):22} {row.asked:5} {_share(row.understood, row.asked)} "
            f"{_share(row.answered, row.asked)} {_share(row.on_thing, row.with_thing)} "
            f"{_share(row.right, row.checked)} {_share(row.within, row.checked)}"
        )
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:6.1f} %" if whole else "       -"
