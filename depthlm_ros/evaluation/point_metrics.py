"""How far readings are from the truth: pure arithmetic on (N,) arrays of metres."""

from dataclasses import asdict, dataclass

import numpy as np

WITHIN = 1.25
"""delta1 counts readings within this factor of the truth."""


@dataclass(frozen=True)
class Accuracy:
    """Figures of readings against the truth at the same points.

    ``points``: points with a truth; ``read``: those of them that got a reading. ``delta1``: share
    of ``points`` read within a factor of 1.25, a point without a reading counts as wrong.
    ``delta1_scaled``: the same after the image's readings are multiplied by its median of
    truth / reading, so that a wrong scale does not count. ``abs_rel``, ``abs_rel_median``: mean
    and median of |reading - truth| / truth over ``read``; NaN when nothing was read.
    """

    points: int
    read: int
    delta1: float
    delta1_scaled: float
    abs_rel: float
    abs_rel_median: float

    def as_dict(self) -> dict:
        """Return the figures for a JSON file."""
        return asdict(self)


def accuracy(read_m, true_m, scaled_m=None) -> Accuracy:
    """Compare readings (N,) [m] (NaN: none) with truths (N,) [m]; truths that are none are left.

    ``scaled_m``: the readings in the right scale, where they come from several images; else
    they are taken as of one image.
    """
    read, true = np.asarray(read_m, float), np.asarray(true_m, float)
    scaled = in_true_scale(read, true) if scaled_m is None else np.asarray(scaled_m, float)
    known = np.isfinite(true) & (true > 0)
    read, scaled, true = read[known], scaled[known], true[known]
    error = np.abs(read - true) / true
    error = error[np.isfinite(error)]
    return Accuracy(
        len(true),
        len(error),
        _delta1(read, true),
        _delta1(scaled, true),
        float(error.mean()) if len(error) else float("nan"),
        float(np.median(error)) if len(error) else float("nan"),
    )


def in_true_scale(read_m, true_m) -> np.ndarray:
    """Return one image's readings (N,) times its median of truth / reading."""
    read, true = np.asarray(read_m, float), np.asarray(true_m, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = true / read
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    return read * np.median(ratio) if len(ratio) else np.full(read.shape, np.nan)


def pooled(pairs) -> Accuracy:
    """Return the figures over several images, each scaled alone; every point counts alike.

    ``pairs``: of (readings (N,), truths (N,)) [m], one for each image.
    """
    pairs = [(np.asarray(read, float), np.asarray(true, float)) for read, true in pairs]
    if not pairs:
        return accuracy([], [])
    read, true = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return accuracy(read, true, np.concatenate([in_true_scale(r, t) for r, t in pairs]))


def best_constant(true_m) -> float:
    """Return the depth [m] that, said everywhere, would reach the highest delta1 on these truths.

    The truths are known to it: no model without a look at the image can do better by delta1.
    """
    true = np.asarray(true_m, float)
    logs = np.sort(np.log(true[np.isfinite(true) & (true > 0)]))
    if not len(logs):
        return float("nan")
    ends = np.searchsorted(logs, logs + 2 * np.log(WITHIN), side="left")  # open on both sides
    first = int(np.argmax(ends - np.arange(len(logs))))
    return float(np.exp((logs[first] + logs[ends[first] - 1]) / 2))


def constant_accuracy(truths) -> Accuracy:
    """Return the figures of one ``best_constant`` for all images, each (N,) [m]."""
    truths = [np.asarray(true, float) for true in truths]
    constant = best_constant(np.concatenate(truths)) if truths else float("nan")
    return pooled([(np.full(true.shape, constant), true) for true in truths])


def _delta1(read: np.ndarray, true: np.ndarray) -> float:
    if not len(true):
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.maximum(read / true, true / read) < WITHIN))
