"""What a model says about a work item, in the kind that the item's labels measure."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from depthlm_ros.datasets.base import LabelKind, Sample, convert
from depthlm_ros.datasets.depth_reading import crop_of, load_dense, read_masked, read_rgb
from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.evaluation.depth_metrics import edge_metrics
from depthlm_ros.evaluation.protocols import WorkItem, to_truth_size
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.base import DenseDepthModel, DistanceReading
from depthlm_ros.point_readings import marker_points, sample_points
from depthlm_ros.status import Code, StatusError

FARTHEST_M = 1000.0
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class Constant:
    """A model that says one depth for everything: what any figure must be compared with."""

    ratio_90 = float("nan")

    def __init__(self, metres: float):
        self.metres, self.name = metres, f"always {metres:g} m"

    def view_of(self, camera: PinholeCamera):
        """Return the image's own view."""
        from depthlm_ros.geometry.canonical_view import CanonicalView

        return CanonicalView.of(camera, camera.fx)

    def depth(self, rgb: np.ndarray, view) -> np.ndarray:
        """Return the constant everywhere, float32 (H, W)."""
        return np.full((view.height, view.width), self.metres, np.float32)


@dataclass(frozen=True)
class Predictor:
    """A model with the rules of reading it.

    ``answers``: what a point model's numbers mean, "distance" (both papers' texts) or "z"
    (DepthLM's labels of some sets, and the protocol for untrained models). ``as_published``:
    numbers are compared with the label as they are, and a dense model's raw map is read at the
    canonical coordinates without scaling.
    """

    model: object
    answers: LabelKind = LabelKind.DISTANCE
    as_published: bool = False

    @cached_property
    def _estimator(self) -> DepthEstimator:
        return DepthEstimator(self.model, 0.0, FARTHEST_M)

    @property
    def is_dense(self) -> bool:
        """Whether the model gives maps."""
        return isinstance(self.model, DenseDepthModel)

    def points(self, item: WorkItem, bench: str) -> np.ndarray:
        """Return the reading (N,) [m] at an item's pixels, in its labels' kind; NaN for none."""
        if bench == "depthvlm" and self.as_published:
            return self._published_points(item)
        return self.read(item.sample, item.pixels)

    def read(self, sample: Sample, pixels: np.ndarray) -> np.ndarray:
        """Return the reading (N,) [m] at pixels (N, 2) of a sample, in its labels' kind."""
        frame = frame_of(sample)
        xy = sample.camera.normalise(pixels)
        if self.is_dense:
            depth_map = self._estimator.depth(frame)
            read = np.array([p.depth_m for p in sample_points(depth_map, pixels)])
            return convert(read, xy, LabelKind.Z, sample.label)
        if self.as_published:
            readings = self.model.distances(frame.rgb, frame.camera, pixels)
            return np.array([published_number(reading) for reading in readings])
        readings = marker_points(self.model, frame, pixels, 0.0, FARTHEST_M)
        read = np.array([point.distance_m for point in readings])
        return convert(read, xy, self.answers, sample.label)

    def whole(self, item: WorkItem, range_m: tuple) -> tuple:
        """Return (prediction, truth), float (H, W) [m] of the truth's size and kind; 0 unknown.

        Raises StatusError(UNSUPPORTED) for a model that answers point by point.
        """
        if not self.is_dense:
            raise StatusError(
                Code.UNSUPPORTED,
                f"{self.model.name} answers point by point: measure it with --mode sparse",
            )
        sample = item.sample
        truth = read_masked(sample.depth, range_m)
        if self.as_published:
            raw, _ = self._raw(sample)
            return to_truth_size(raw, truth.shape), truth
        depth_map = self._estimator.depth(frame_of(sample))
        is_distance = sample.label is LabelKind.DISTANCE
        read = depth_map.distance_m() if is_distance else depth_map.depth_m
        return to_truth_size(read, truth.shape), truth

    def _published_points(self, item: WorkItem) -> np.ndarray:
        """Read the raw map at canonical coordinates; NaN outside (the sizes differ a little)."""
        if not self.is_dense:
            return self._published_answers(item)
        raw, _ = self._raw(item.sample)
        x, y = np.rint(item.pixels).astype(int).T
        inside = (y < raw.shape[0]) & (x < raw.shape[1])
        out = np.full(len(x), np.nan)
        out[inside] = raw[y[inside], x[inside]]
        return out

    def _published_answers(self, item: WorkItem) -> np.ndarray:
        """Ask a point model about the canonical image itself."""
        rgb, camera = _canonical(item.sample)
        readings = marker_points(self.model, Frame(rgb, camera), item.pixels, 0.0, FARTHEST_M)
        read = np.array([point.distance_m for point in readings])
        if self.answers is LabelKind.Z:  # told as z: ``marker_points`` took it for a distance
            return read
        return convert(read, camera.normalise(item.pixels), self.answers, LabelKind.Z)

    def _raw(self, sample: Sample) -> tuple:
        """Return the model's own map of the canonical image, and its view."""
        rgb, camera = _canonical(sample)
        view = self.model.view_of(camera)
        return np.asarray(self.model.depth(rgb, view)), view


def published_number(reading: DistanceReading) -> float:
    """Return what DepthLM's evaluation takes of a reply: its last number, 0 where there is none.

    A model that decodes the number alone has it as its distance; ask DepthLM to write the whole
    reply by its option ``decoding=full``.
    """
    numbers = _NUMBER.findall(reading.text)
    if numbers:
        return float(numbers[-1])
    return reading.distance_m if np.isfinite(reading.distance_m) else 0.0


def edges_of(predicted: np.ndarray, truth: np.ndarray) -> dict:
    """Return the figures of the truth's depth steps for a record."""
    found = edge_metrics(predicted, truth)
    return {"edge_pixels": found.pixels, "flying": found.flying, "boundary_f1": found.boundary_f1}


def frame_of(sample: Sample) -> Frame:
    """Return a sample's image as a frame; StatusError(BAD_IMAGE) for another size than said."""
    return Frame(image_of(sample, sample.image), sample.camera)


def image_of(sample: Sample, path) -> np.ndarray:
    """Return an image of a sample, uint8 (H, W, 3); raises what ``frame_of`` raises."""
    rgb = np.ascontiguousarray(np.asarray(read_rgb(path)))
    camera = sample.camera
    if rgb.shape[:2] != (camera.height, camera.width):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{sample.place}: {path} is {rgb.shape[1]} x {rgb.shape[0]} px, the line says "
            f"{camera.width} x {camera.height}: correct the line",
        )
    return rgb


def _canonical(sample: Sample) -> tuple:
    """Return (rgb, camera) of the canonical, cropped image."""
    rgb, _ = load_dense(sample)
    size = sample.canonical_size or (sample.camera.width, sample.camera.height)
    window = crop_of(sample, *size)
    return rgb, sample.camera.resized(*size).cropped(*window)
