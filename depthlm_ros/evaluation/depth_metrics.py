"""The error figures of the depth papers, on arrays of metres: pure arithmetic.

A reading that is missing (NaN) or not positive counts as wrong for delta1 to delta3 and has no
part in the errors, whose coverage ``read`` tells. Sources: Eigen et al. 2014 (delta, RMSE, SILog),
DepthVLM section 4, DepthLM section 4; boundaries after Depth Pro (Bochkovskii et al. 2024).
"""

from dataclasses import asdict, dataclass

import cv2
import numpy as np

WITHIN = 1.25
ALWAYS_M = 2.0
"""The constant that both papers print beside their figures."""


@dataclass(frozen=True)
class DepthMetrics:
    """Figures over N points with a truth, of which ``read`` have a positive reading.

    ``delta1`` to ``delta3``: share of all points read within 1.25, 1.25^2, 1.25^3. ``abs_rel``,
    ``rmse`` [m], ``rmse_log``, ``silog`` (100 times the standard deviation of the log error): over
    the points read; NaN where there are none.
    """

    points: int
    read: int
    delta1: float
    delta2: float
    delta3: float
    abs_rel: float
    rmse: float
    rmse_log: float
    silog: float

    def as_dict(self) -> dict:
        """Return the figures for a JSON file."""
        return asdict(self)


def depth_metrics(
    predicted_m, true_m, only_read: bool = False, negatives_right: bool = False
) -> DepthMetrics:
    """Compare readings with truths of the same shape; truths that are not positive are left out.

    ``only_read``: delta over the points read alone, 0 where there are none (the published code
    of DepthVLM). ``negatives_right``: a negative reading counts as right (that of DepthLM, whose
    ratios of it are less than 1.25).
    """
    predicted, true = np.asarray(predicted_m, float).ravel(), np.asarray(true_m, float).ravel()
    known = np.isfinite(true) & (true > 0)
    predicted, true = predicted[known], true[known]
    read = np.isfinite(predicted) & (predicted > 0)
    ratio = np.full(len(true), np.inf)
    ratio[read] = np.maximum(predicted[read] / true[read], true[read] / predicted[read])
    if negatives_right:
        ratio[predicted < 0] = 0.0
    if only_read:
        ratio = ratio[read]
    deltas = [_share(ratio < WITHIN**power, only_read) for power in (1, 2, 3)]
    return DepthMetrics(len(true), int(read.sum()), *deltas, *_errors(predicted[read], true[read]))


def _share(right: np.ndarray, only_read: bool) -> float:
    if not len(right):
        return 0.0 if only_read else float("nan")
    return float(right.mean())


def _errors(predicted: np.ndarray, true: np.ndarray) -> tuple:
    """Return (AbsRel, RMSE, RMSElog, SILog)."""
    if not len(true):
        return (float("nan"),) * 4
    error, log = predicted - true, np.log(predicted / true)
    variance = max(0.0, float(np.mean(log**2) - np.mean(log) ** 2))
    return (
        float(np.mean(np.abs(error) / true)),
        float(np.sqrt(np.mean(error**2))),
        float(np.sqrt(np.mean(log**2))),
        100 * variance**0.5,
    )


@dataclass(frozen=True)
class EdgeMetrics:
    """How sharp a map is at the truth's depth steps.

    ``flying``: share of the pixels beside a step that were read strictly between the surface in
    front and the one behind, as a point that flies in the air; ``pixels``: how many there are.
    ``boundary_f1``: agreement of depth steps between neighbours, scale-free; NaN without steps.
    """

    pixels: int
    flying: float
    boundary_f1: float


def edge_metrics(
    predicted_m: np.ndarray,
    true_m: np.ndarray,
    step: float = 1.15,
    radius_px: int = 1,
) -> EdgeMetrics:
    """Measure the steps of two maps, float (H, W) [m], NaN or not positive where unknown.

    A step: within ``radius_px`` the truth's largest depth is more than ``step`` times its
    smallest. The prediction is first brought to the truth's scale by the median ratio, so that a
    wrong scale is no flying point. "Between": more than a fifth of the step's logarithm away from
    both surfaces.
    """
    predicted, true = (_positive_or_nan(array) for array in (predicted_m, true_m))
    both = np.isfinite(predicted) & np.isfinite(true)
    if not both.any():
        return EdgeMetrics(0, float("nan"), float("nan"))
    predicted = predicted * np.median(true[both] / predicted[both])
    near, far = _near_and_far(true, radius_px)
    beside = both & (far > near * step)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = np.log(predicted / near) / np.log(far / near)
    flying = (place > 0.2) & (place < 0.8)
    count = int(beside.sum())
    share = float(flying[beside].mean()) if count else float("nan")
    return EdgeMetrics(count, share, _boundary_f1(predicted, true, step))


def _positive_or_nan(array) -> np.ndarray:
    array = np.asarray(array, np.float64)
    return np.where(np.isfinite(array) & (array > 0), array, np.nan)


def _near_and_far(depth: np.ndarray, radius_px: int) -> tuple:
    kernel = np.ones((2 * radius_px + 1,) * 2, np.uint8)
    known = np.isfinite(depth)
    near = cv2.erode(np.where(known, depth, 1e30), kernel)
    far = cv2.dilate(np.where(known, depth, 0.0), kernel)
    return near, far


def _boundary_f1(predicted: np.ndarray, true: np.ndarray, step: float) -> float:
    """Return the F1 of steps between horizontal and vertical neighbours, each with its sign."""
    hits = wanted = found = 0
    for axis in (0, 1):
        ratios = [np.diff(np.log(m), axis=axis) for m in (predicted, true)]
        known = np.isfinite(ratios[0]) & np.isfinite(ratios[1])
        signs = [np.sign(r[known]) * (np.abs(r[known]) > np.log(step)) for r in ratios]
        hits += int(((signs[0] == signs[1]) & (signs[1] != 0)).sum())
        found += int((signs[0] != 0).sum())
        wanted += int((signs[1] != 0).sum())
    return 2 * hits / (found + wanted) if found + wanted else float("nan")


def bootstrap(
    values, weights=None, level: float = 0.95, rounds: int = 1000, seed: int = 0
) -> tuple:
    """Return (low, high) of the weighted mean over images, drawn anew with replacement.

    ``values`` (images,): each image's figure; ``weights``: its points, where every point counts
    alike (None: every image does). NaN figures have no part. (NaN, NaN) for none.
    """
    values = np.asarray(values, float)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    good = np.isfinite(values) & (weights > 0)
    values, weights = values[good], weights[good]
    if not len(values):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=rounds)
    means = counts @ (values * weights) / (counts @ weights)
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(ends[0]), float(ends[1])
