"""The factor of a model's 90 % interval, by split conformal prediction on log ratios.

Labelled pictures are split at random, picture by picture: errors within one picture go together,
so a picture is never on both sides. One side gives the factor, the other tells what share of its
true depths the factor holds. Source: Papadopoulos et al. 2002, "Inductive Confidence Machines for
Regression"; the quantile with (n + 1) as in Lei et al. 2018, "Distribution-Free Predictive
Inference for Regression".

What is guaranteed is guaranteed for pictures like those: of the same cameras and places.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from depthlm_ros.evaluation.accuracy import Sample, make_estimator, read
from depthlm_ros.interval import COVERAGE
from depthlm_ros.status import Code, StatusError

TOLERANCE = 0.05
"""How far the share of held-out true depths may fall short of 90 % before it is refused."""


@dataclass(frozen=True)
class Conformal:
    """What a split gave.

    Fields: as those of the same name in ``models/weights/calibration_file.py``.
    """

    ratio_90: float
    pictures: int
    readings: int
    held_out_pictures: int
    held_out_readings: int
    coverage: float


def log_ratios(read_m, true_m) -> np.ndarray:
    """Return the size of log(reading / truth), (N,), of the readings that are numbers."""
    read_m, true_m = np.asarray(read_m, float), np.asarray(true_m, float)
    known = np.isfinite(read_m) & (read_m > 0) & np.isfinite(true_m) & (true_m > 0)
    return np.abs(np.log(read_m[known] / true_m[known]))


def conformal_quantile(scores, coverage: float = COVERAGE) -> float:
    """Return the ceil((n + 1) coverage)-th smallest of n scores.

    A further score, exchangeable with these, is not greater with at least that probability.
    Raises StatusError(NO_ANSWER) for too few scores to say so.
    """
    ordered = np.sort(np.asarray(scores, float))
    rank = math.ceil(round((len(ordered) + 1) * coverage, 9))
    if rank > len(ordered):
        least = math.ceil(round(coverage / (1.0 - coverage), 9))
        raise StatusError(
            Code.NO_ANSWER,
            f"{len(ordered)} readings on the side that gives the factor: must be at least {least} "
            f"for an interval of {coverage:.0%}; label more pixels or pictures",
        )
    return float(ordered[rank - 1])


def split(names, held_out: float, seed: int) -> tuple[list, list]:
    """Split names at random into (those that give the factor, those held out), each at least one.

    Raises StatusError(NO_FRAME) for fewer than two different names.
    """
    pictures = sorted(set(names))
    if len(pictures) < 2:
        raise StatusError(
            Code.NO_FRAME,
            f"{len(pictures)} labelled pictures: must be at least 2, one of them to check on",
        )
    shuffled = [pictures[i] for i in np.random.default_rng(seed).permutation(len(pictures))]
    count = min(max(1, round(len(pictures) * held_out)), len(pictures) - 1)
    return shuffled[count:], shuffled[:count]


def calibrate(scores: dict, held_out: float = 0.5, seed: int = 0) -> Conformal:
    """Return the factor of scores by picture: name to log ratios (N,).

    Raises StatusError(NO_FRAME, NO_ANSWER) where there are too few, and StatusError(IMPLAUSIBLE)
    where the held-out pictures say that the factor does not hold what it must.
    """
    ours, others = split([name for name, found in scores.items() if len(found)], held_out, seed)
    inside = np.concatenate([scores[name] for name in ours])
    outside = np.concatenate([scores[name] for name in others])
    limit = conformal_quantile(inside)
    coverage = float(np.mean(outside <= limit))
    found = Conformal(math.exp(limit), len(ours), len(inside), len(others), len(outside), coverage)
    if coverage < COVERAGE - TOLERANCE:
        raise StatusError(
            Code.IMPLAUSIBLE,
            f"the factor {found.ratio_90:.2f} of {found.pictures} pictures holds {coverage:.0%} "
            f"of the true depths of {found.held_out_pictures} others: must be at least "
            f"{COVERAGE - TOLERANCE:.0%}; label more pictures, of all the places it is meant for",
        )
    return found


def scores_of(model, samples: Iterable[Sample], progress=None) -> dict:
    """Return the log ratios of a model's readings by picture; several lines of one are joined."""
    found, estimator = {}, make_estimator(model)
    for count, sample in enumerate(samples, 1):
        ratios = log_ratios(read(estimator, sample), sample.depth_m)
        name = sample.picture or sample.name
        found[name] = np.concatenate([found.get(name, np.empty(0)), ratios])
        if progress:
            progress(count, sample.name)
    return found
