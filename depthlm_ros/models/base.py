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

    Attributes:
        distance_m: Euclidean distance from the camera [m]; NaN when there is no answer.
        low_m, high_m: Its 90 % interval [m]; may be NaN beside a number: unknown.
        text: What the model wrote, sanitised.
        reason: Empty, or why there is no number.
        code: The same as a status: OK with a number, else NO_ANSWER unless another is given.
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
    """One pass, one dense map: DepthVLM, the compact model, adapters of others.

    Used by one thread at a time. A model may offer ``shrink() -> bool`` besides: work on smaller
    pictures from now on, after memory ran out; False when it is as small as it gets.
    """

    name: str
    ratio_90: float
    """90 % of true depths are expected within [pred / ratio_90, pred * ratio_90]; NaN: unknown.

    What it rests on: ``interval`` (``interval.py``), where the model has that too.
    """

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Return the view of a source camera's image that this model wants.

        Args:
            camera: Of the rectified source image, in its pixels.

        Returns:
            The view at the model's unified focal length (DepthVLM section 3.1), with the exact way
            back to source pixels.
        """

    def depth(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Map a source image to z-depth in its view.

        The model resamples the source to ``view`` itself, on its device.

        Args:
            rgb: uint8 (H, W, 3), the image of ``view.source``.
            view: From ``view_of``.

        Returns:
            float32 (view.height, view.width) [m] at the unified focal length: the caller applies
            ``view.depth_scale``. NaN where the model has no opinion.

        Raises:
            StatusError: BAD_IMAGE for another image than the view's source; MODEL_ERROR when the
                device's memory does not suffice.
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
        """Map a source image as ``depth`` does, and finish it on the device.

        Args:
            rgb: uint8 (H, W, 3), the image of ``view.source``.
            view: From ``view_of``.
            options: The range that is accepted.
            valid: bool (H, W), as ``Frame.valid``; None: all.

        Returns:
            Depth in source pixels, equal to the estimator's own way but for rounding.

        Raises:
            StatusError: as ``depth``.
        """

    def packed_cloud(self, number: int, edge_ratio: float | None) -> np.ndarray | None:
        """Pack the cloud of a map on the device where it is.

        Args:
            number: Of the ``PostprocessedDepth``.
            edge_ratio: As in ``point_cloud.pack_into``; None: points at depth steps stay.

        Returns:
            int32 (H, W, 4), the bits of x, y, z [m] as float32 and 0x00RRGGBB; None where the
            device holds the map no more (the newest one only is held).
        """


@runtime_checkable
class PointDepthModel(Protocol):
    """Text answers, point by point: DepthLM, and chat models that are asked in its way."""

    name: str

    def distances(
        self, rgb: np.ndarray, camera: PinholeCamera, pixels: Sequence
    ) -> list[DistanceReading]:
        """Read the Euclidean distance at pixels of a source image.

        Args:
            rgb: uint8 (H, W, 3), rectified.
            camera: Its pinhole camera; the picture is brought to the model's unified focal length.
            pixels: float (N, 2), (u, v) inside the image.

        Returns:
            One reading a pixel, in order; one without an answer has a reason and NaN.

        Raises:
            StatusError: BAD_IMAGE for another size than the camera's; MODEL_ERROR when memory does
                not suffice for a single query.
        """


@runtime_checkable
class TaskModel(Protocol):
    """A model that answers DepthLM's six tasks itself (section 4.4), beside the geometry."""

    asks_tasks: bool
    """Whether this one was trained for them."""

    def task_reading(
        self,
        task: str,
        images: Sequence[np.ndarray],
        camera: PinholeCamera,
        pixels: Sequence = (),
        given: float | None = None,
    ) -> DistanceReading:
        """Ask a task about source images of one camera, with its points marked.

        Args:
            task: Value of a Task that the models are asked (``prompting.prompts.TASKS``).
            images: uint8 (H, W, 3), rectified; two for camera motion, else one.
            camera: Their pinhole camera.
            pixels: float (N, 2), (u, v): one point, two for a distance between them.
            given: Seconds for a speed, metres a second for a time.

        Returns:
            The model's own number in the task's unit, or the reason why there is none.

        Raises:
            StatusError: as ``PointDepthModel.distances``, and BAD_QUESTION for another number of
                images or points.
        """


@dataclass(frozen=True)
class GroundingForm:
    """How a model is asked where a thing is, and in what numbers it answers.

    ``prompt``: with "{name}" for the thing. ``scale``: what x and y run to in its boxes; None:
    pixels of the picture as it is shown to the model. ``exhaustive``: whether what it does not
    find is not there; where not, neither counts nor absence are told from it.
    """

    prompt: str
    scale: tuple[float, float] | None = (1000.0, 1000.0)
    exhaustive: bool = True


QWEN3_VL_BOXES = GroundingForm("Locate every {name}, report bbox coordinates in JSON format.")
"""Qwen3-VL."""
COMPACT_BOXES = GroundingForm(QWEN3_VL_BOXES.prompt, exhaustive=False)
"""The compact model: in the same form, but it misses many things."""
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
        """Answer a prompt about a source image in the model's own words, decoded greedily.

        A model that has an attribute ``on_token`` calls it after each token; it may raise, which
        ends the reply.

        Args:
            rgb: uint8 (H, W, 3), rectified.
            camera: Its pinhole camera.
            prompt: The user's words; special tokens in it have no effect.
            max_tokens: Of the reply.

        Returns:
            The reply without special tokens, not cleaned otherwise: callers parse strictly.

        Raises:
            StatusError: BAD_IMAGE, BAD_QUESTION, or MODEL_ERROR when memory does not suffice.
        """


def grounding_of(model) -> GroundingForm | None:
    """Return how a model is asked where things are; None where it cannot tell.

    A model says so itself by its attribute ``grounding``.
    """
    return getattr(model, "grounding", None)


def speaks(model) -> bool:
    """Tell whether a model answers in words of its own (``LanguageModel``)."""
    return bool(getattr(model, "speaks", False))


def asks_tasks(model: object) -> bool:
    """Tell whether a model answers the six tasks itself (``TaskModel``)."""
    return bool(getattr(model, "asks_tasks", False))


def noop(stage: str) -> None:
    """Take no notice of a finished stage."""
