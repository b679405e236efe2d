"""Accuracy figures, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from depthlm_ros.evaluation.point_metrics import (
    accuracy,
    best_constant,
    constant_accuracy,
    in_true_scale,
    pooled,
)


def test_accuracy_by_hand():
    # Ratios 1.2 (within), 1.25 (not: it must be less), 1 / 1.3 (not), no reading (wrong).
    found = accuracy([2.4, 2.5, 2.0, math.nan], [2.0, 2.0, 2.6, 1.0])
    assert (found.points, found.read) == (4, 3)
    assert found.delta1 == 0.25
    errors = [0.2, 0.25, 0.6 / 2.6]
    assert found.abs_rel == pytest.approx(sum(errors) / 3)
    assert found.abs_rel_median == pytest.approx(0.6 / 2.6)


def test_scaled_by_the_median_a_wrong_scale_does_not_count():
    true = np.array([1.0, 2.0, 3.0, 8.0])
    read = true / 2.0
    read[3] = 8.0  # twice too far once the scale is right
    assert accuracy(read, true).delta1 == 0.25
    assert accuracy(read, true).delta1_scaled == 0.75
    np.testing.assert_allclose(in_true_scale(read, true), [1.0, 2.0, 3.0, 16.0])


def test_each_picture_is_scaled_alone():
    first, second = (np.array([1.0, 1.0]), np.array([2.0, 2.0])), ([3.0], [1.0])
    found = pooled([first, second])
    assert (found.points, found.delta1, found.delta1_scaled) == (3, 0.0, 1.0)
    assert found.abs_rel == pytest.approx((0.5 + 0.5 + 2.0) / 3)


@pytest.mark.parametrize("nothing", [math.nan, math.inf, 0.0, -1.0])
def test_a_truth_that_is_none_is_no_point(nothing):
    found = accuracy([1.0, 1.0], [1.0, nothing])
    assert (found.points, found.read, found.delta1) == (1, 1, 1.0)


@pytest.mark.parametrize("nothing", [math.nan, math.inf])
def test_no_reading_is_wrong_and_has_no_error(nothing):
    found = accuracy([nothing, 1.1], [1.0, 1.0])
    assert (found.points, found.read, found.delta1) == (2, 1, 0.5)
    assert found.abs_rel == pytest.approx(0.1)
    assert found.delta1_scaled == 0.5


def test_of_nothing_nothing_is_claimed():
    found = pooled([])
    assert (found.points, found.read) == (0, 0)
    assert math.isnan(found.delta1) and math.isnan(found.abs_rel_median)
    assert math.isnan(best_constant([])) and math.isnan(best_constant([math.nan, math.inf]))


def test_best_constant_by_hand():
    # 2 and 3 differ by 1.5 < 1.25^2 = 1.5625: sqrt(6) is within 1.25 of both; nothing reaches 10.
    assert best_constant([10.0, 3.0, 2.0]) == pytest.approx(math.sqrt(6.0))
    assert constant_accuracy([[10.0], [3.0, 2.0]]).delta1 == pytest.approx(2 / 3)
    # 1 and 1.5625 differ by exactly 1.25^2: no constant is within less than 1.25 of both.
    assert constant_accuracy([[1.0, 1.5625]]).delta1 == 0.5


def test_the_constant_too_is_scaled_for_each_picture_alone():
    found = constant_accuracy([[2.0, 2.0], [8.0, 8.0, 8.0]])
    assert (found.delta1, found.delta1_scaled) == (0.6, 1.0)
    assert constant_accuracy([]).points == 0


def test_best_constant_beats_every_constant_of_a_sweep():
    true = np.exp(np.random.default_rng(3).normal(0.7, 0.6, 200))
    best = constant_accuracy([true]).delta1
    sweep = [accuracy(np.full(200, c), true).delta1 for c in np.geomspace(0.1, 30, 3000)]
    assert max(sweep) <= best <= max(sweep) + 1 / 200
