"""Error figures and edge sharpness, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from depthlm_ros.evaluation.depth_metrics import bootstrap, depth_metrics, edge_metrics


def test_figures_by_hand():
    # Ratios 1.2, 1.25 (not within: it must be less), 1.5, 2.0; one point has no reading.
    found = depth_metrics([2.4, 2.5, 3.0, 4.0, math.nan], [2.0, 2.0, 2.0, 2.0, 1.0])
    assert (found.points, found.read) == (5, 4)
    assert (found.delta1, found.delta2, found.delta3) == (0.2, 0.6, 0.6)  # 1.5625, 1.953
    assert found.abs_rel == pytest.approx((0.2 + 0.25 + 0.5 + 1.0) / 4)
    assert found.rmse == pytest.approx(math.sqrt((0.16 + 0.25 + 1.0 + 4.0) / 4))
    logs = np.log([1.2, 1.25, 1.5, 2.0])
    assert found.rmse_log == pytest.approx(math.sqrt((logs**2).mean()))
    assert found.silog == pytest.approx(100 * logs.std())


def test_truths_that_are_none_and_readings_that_are_none():
    found = depth_metrics([1.0, 1.0, -1.0, 0.0], [1.0, 0.0, 1.0, math.nan])
    assert (found.points, found.read, found.delta1) == (2, 1, 0.5)
    assert depth_metrics([1.0, -1.0], [1.0, 1.0], only_read=True).delta1 == 1.0
    assert depth_metrics([-1.0], [1.0], only_read=True).delta1 == 0.0
    assert depth_metrics([-3.0, 0.0], [1.0, 1.0], negatives_right=True).delta1 == 0.5
    nothing = depth_metrics([], [])
    assert nothing.points == 0 and math.isnan(nothing.delta1) and math.isnan(nothing.rmse)


def test_a_wrong_scale_is_no_error_of_shape():
    true = np.array([1.0, 2.0, 4.0])
    assert depth_metrics(3 * true, true).silog == pytest.approx(0.0, abs=1e-6)


def steps():
    """Return a wall at 2 m, 4 columns wide, before one at 4 m."""
    true = np.full((6, 8), 4.0)
    true[:, :4] = 2.0
    return true


def test_a_sharp_map_has_no_flying_points_whatever_its_scale():
    found = edge_metrics(1.7 * steps(), steps())
    assert (found.pixels, found.flying, found.boundary_f1) == (12, 0.0, 1.0)


def test_points_between_front_and_back_fly():
    """Of the two columns beside the step, one lies at sqrt(2 * 4) m: half of them fly.

    Its neighbours differ by sqrt(2) > 1.15 on both sides: two steps found, one of them right.
    """
    blurred = steps()
    blurred[:, 3] = math.sqrt(8.0)
    found = edge_metrics(blurred, steps())
    assert found.flying == 0.5
    assert found.boundary_f1 == pytest.approx(2 / 3)
    smooth = np.full((6, 8), 3.0)
    assert edge_metrics(smooth, steps()).boundary_f1 == 0.0


def test_a_map_without_steps_has_no_edges():
    found = edge_metrics(np.ones((4, 4)), np.ones((4, 4)))
    assert found.pixels == 0 and math.isnan(found.flying) and math.isnan(found.boundary_f1)
    assert edge_metrics(np.zeros((4, 4)), np.ones((4, 4))).pixels == 0


def test_the_bootstrap_covers_the_mean_and_narrows():
    rng = np.random.default_rng(5)
    few, many = rng.normal(0.7, 0.1, 25), rng.normal(0.7, 0.1, 2500)
    low, high = bootstrap(few)
    # 1.96 standard errors to each side, but for the random draws.
    assert high - low == pytest.approx(2 * 1.96 * few.std() / 5, rel=0.1)
    assert low < few.mean() < high
    assert np.diff(bootstrap(many))[0] == pytest.approx((high - low) / 10, rel=0.3)
    assert bootstrap(few) == bootstrap(few)
    assert bootstrap([0.5, 0.5, math.nan]) == (0.5, 0.5)
    assert all(math.isnan(end) for end in bootstrap([]))


def test_every_point_counts_where_images_are_weighted():
    low, high = bootstrap([1.0, 0.0], weights=[1e9, 1e-9])
    assert (low, high) == pytest.approx((0.0, 1.0))  # either image may be drawn twice
    ends = bootstrap([1.0] * 50 + [0.0] * 50, weights=[9] * 50 + [1] * 50)
    assert ends[0] < 0.9 < ends[1]
