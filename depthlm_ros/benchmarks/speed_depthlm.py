"""The contenders of ``depthlm bench speed`` for DepthLM: one query, and one of many at once.

A small image at the unified focal length (``--size 64 64 --fx 1000``, 750 for Pixtral) is bound
by decoding; the default 640 x 480 of f = 525 px by encoding. Tiny models are first taught the
reply's form (``benchmarks/template_overfit.py``), so that both ways write what a trained model
would and can be compared; large ones of random weights write as many tokens and are trusted.
"""

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from depthlm_ros.benchmarks.random_weights import SIZES, random_depthlm
from depthlm_ros.benchmarks.reference_depthlm import ReferenceDepthLM
from depthlm_ros.benchmarks.speed import Contender, Frame, Subject, flop_of
from depthlm_ros.benchmarks.template_overfit import overfit_template
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.registry import load
from depthlm_ros.models.weights.quantization import make_quantizer, quantize_in_place
from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.prompting.prompts import prompt

MANY, FEW = 64, 4
LARGE_PIXELS = 256 * 256
"""On a CPU, images beyond this get ``FEW`` queries at once instead of ``MANY``: seconds each."""
COMPARED = 4


@dataclass
class _OfMany(Contender):
    """A contender that does many queries in a run: its times are one query's share."""

    queries: int = 1

    def measure(self, synchronise: Callable[[], None]) -> None:
        """Run once and add the times of one query."""
        super().measure(synchronise)
        for times in self.times_ms.values():
            times[-1] /= self.queries


def grid_pixels(camera: PinholeCamera, count: int) -> np.ndarray:
    """Return pixels on a grid well inside the image, float (count, 2)."""
    side = math.ceil(count**0.5)
    u, v = np.meshgrid(np.linspace(0.15, 0.85, side), np.linspace(0.15, 0.85, side))
    return np.stack([u * camera.width, v * camera.height], axis=-1).reshape(-1, 2)[:count]


def subject(
    name: str, frame: Frame, device: torch.device, dtype: torch.dtype, quantize: str = "none"
) -> Subject:
    """Build the published way, ours, and ours with many queries of one frame."""
    tiny = name.startswith("depthlm-tiny")
    if name in SIZES:
        model = random_depthlm(name, device, dtype, trust_template=not tiny)
    else:
        kind = str(dtype).removeprefix("torch.")
        model = load(name, str(device), kind, quantize=quantize)
    if tiny:
        asked, picture = prompt(), model.resampled(frame.rgb, frame.camera)
        overfit_template(model, [(picture, asked.question, [asked.answer(3.42)])], 120)
    if name in SIZES and (quantizer := make_quantizer(quantize, device, dtype)):
        quantize_in_place(model.network.model, quantizer)
    view = model.view_of(frame.camera)
    few = device.type == "cpu" and view.width * view.height > LARGE_PIXELS
    many = FEW if few else MANY
    reply = len(model.network.encode(prompt().answer(3.42))) + 1
    stock = ReferenceDepthLM(model, reply if name in SIZES and not tiny else 128)
    contenders = [
        Contender("published way", _published(stock, frame)),
        _OfMany("ours", _ours(model, frame, 1)),
        _OfMany(f"ours, each of {many}", _ours(model, frame, many), queries=many),
    ]
    pixel = grid_pixels(frame.camera, 1)
    flop = flop_of(lambda: model.distances(frame.rgb, frame.camera, pixel))
    return Subject(
        f"{name} on {frame.camera.width} x {frame.camera.height} px, f = {frame.camera.fx:g} px, "
        "a query",
        contenders,
        {} if name in SIZES and not tiny else _difference(stock, model, frame),
        sum(parameter.numel() for parameter in model.network.model.parameters()),
        flop,
    )


def _published(stock: ReferenceDepthLM, frame: Frame) -> Callable:
    pixel = grid_pixels(frame.camera, 1)[0]

    def run(stage) -> float:
        value = parse_answer(stock.reply(frame.rgb, frame.camera, pixel, stage)).value
        stage("to message")
        return value

    return run


def _ours(model: DepthLM, frame: Frame, count: int) -> Callable:
    pixels = grid_pixels(frame.camera, count)

    def run(stage) -> array:
        model.stage_callback = stage
        readings = model.distances(frame.rgb, frame.camera, pixels)
        message = array("d", [reading.distance_m for reading in readings])
        stage("to message")
        return message

    return run


def _difference(stock: ReferenceDepthLM, model: DepthLM, frame: Frame) -> dict:
    """Compare the numbers of a few queries; relative to the published way's."""
    pixels = grid_pixels(frame.camera, COMPARED)
    ours = np.array([r.distance_m for r in model.distances(frame.rgb, frame.camera, pixels)])
    replies = [stock.reply(frame.rgb, frame.camera, pixel) for pixel in pixels]
    theirs = np.array([parse_answer(reply).value for reply in replies])
    both = np.isfinite(ours) & np.isfinite(theirs)
    error = np.abs(ours[both] / theirs[both] - 1)
    return {
        f"difference of {COMPARED} distances, max": float(error.max()) if both.any() else math.nan,
        "share answered by only one way": float((np.isfinite(ours) != np.isfinite(theirs)).mean()),
    }
