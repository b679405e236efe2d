"""What a model must offer, whatever it is made of. Free of torch: everybody may import it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code


@dataclass(frozen=True)
class DistanceReading:
    """A model's own words about one pixel, as numbers.

    ``distance_m``, ``low_m``, ``high_m``: Euclidean distance and its 90 % interval in metres; NaN
    when there is no answer (the interval may be NaN beside a number: unknown). ``text``: what the
    model wrote, sanitised. ``reason``: empty, or why there is no number; ``code``: the same as a
    status, OK with a number and else NO_ANSWER unless told.
    """

    distance_m: float
    low_m: float
    high_m: float
    text: str = ""
    reason: str = ""
    code: Code = Code.OK

    def __post_init__(self):
        """Hold code and reason together."""
        if self.reason and self.code is Code.OK:
            object.__setattr__(self, "code", Code.NO_ANSWER)


@runtime_checkable
class DenseDepthModel(Protocol):
    """One pass, one dense map."""

    name: str
    ratio_90: float
    """90 % of true depths are expected within [pred / ratio_90, pred * ratio_90]; NaN: unknown.

    What it rests on: ``interval`` (``interval.py``), where the model has that too.
    """

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Say which view of a source camera's image this model wants."""

    def depth(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Map a source image, uint8 (H, W, 3), to z-depth, float32 (view.height, view.width) [m].

        The model resamples the source to ``view`` itself (on its device). Values are those of the
        model at the unified focal length: the caller applies ``view.depth_scale``. NaN where it
        has no opinion.
        """


@dataclass(frozen=True)
class PostprocessConfig:
    """Postprocessing of a map: the range of z-depth that is accepted [m]."""

    min_range_m: float
    max_range_m: float


@dataclass(frozen=True)
class PostprocessedDepth:
    """Depth of the source image, float32 (H, W) [m], as in ``DepthMap``.

    ``number``: names the map for ``OnDevicePostprocess.packed_cloud``.
    """

    depth_m: np.ndarray
    number: int


@runtime_checkable
class OnDevicePostprocess(DenseDepthModel, Protocol):
    """A dense model that can do on its own device what the host would do to its map."""

    postprocesses: bool
    """Whether that is worth it: on a GPU, from which only the result need come back."""

    def postprocessed(
        self,
        rgb: np.ndarray,
        view: CanonicalView,
        options: PostprocessConfig,
        valid: np.ndarray | None = None,
    ) -> PostprocessedDepth:
        """Map a source image as ``depth`` does, and finish it.

        ``valid``: bool (H, W), as ``Frame.valid``. Equal to the estimator's own way but for
        rounding.
        """

    def packed_cloud(self, number: int, edge_ratio: float | None) -> np.ndarray | None:
        """Pack the cloud of a map on the device where it is: int32 (H, W, 4).

        ``number``: of the ``PostprocessedDepth``; None where the device holds it no more (the
        newest one only is held). ``edge_ratio`` and the bits: as in ``point_cloud.pack_into``.
        """


@runtime_checkable
class PointDepthModel(Protocol):
    """Text answers, point by point."""

    name: str

    def distances(
        self, rgb: np.ndarray, camera: PinholeCamera, pixels: Sequence
    ) -> list[DistanceReading]:
        """Read the Euclidean distance at pixels (N, 2) of a source image, uint8 (H, W, 3).

        Returns one reading a pixel, in order.
        """


@dataclass(frozen=True)
class GroundingForm:
    """How a model is asked where a thing is, and in what numbers it answers.

    ``prompt``: with "{name}" for the thing. ``scale``: what x and y run to in its boxes; None:
    pixels of the picture as it is shown to the model.
    """

    prompt: str
    scale: tuple[float, float] | None = (1000.0, 1000.0)


QWEN3_VL_BOXES = GroundingForm("Locate every {name}, report bbox coordinates in JSON format.")
"""Qwen3-VL, and the compact model, which is trained in its form."""
QWEN25_VL_BOXES = GroundingForm(QWEN3_VL_BOXES.prompt, None)
"""Qwen2.5-VL: pixels of the resized picture."""


@runtime_checkable
class LanguageModel(Protocol):
    """Free text about an image; whoever asks parses it strictly."""

    name: str
    speaks: bool
    """Whether it has learned to write: the embedded model has not."""

    def reply(
        self, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
    ) -> str:
        """Answer ``prompt`` about a source image, uint8 (H, W, 3), in the model's own words.

        Decoded greedily; special tokens are left out, nothing else is cleaned. A model that has an
        attribute ``on_token`` calls it after each token; it may raise, which ends the reply.
        """


def grounding_of(model) -> GroundingForm | None:
    """Return how a model is asked where things are; None where it cannot tell.

    A model says so itself by its attribute ``grounding``.
    """
    return getattr(model, "grounding", None)


def speaks(model) -> bool:
    """Tell whether a model answers in words of its own (``LanguageModel``)."""
    return bool(getattr(model, "speaks", False))


def noop(stage: str) -> None:
    """Take no notice of a finished stage."""
