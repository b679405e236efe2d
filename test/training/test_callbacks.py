"""The picture of a run's loss: what is drawn, and where."""

import numpy as np

from depthlm_ros.training.callbacks import SIZE, loss_picture


def test_the_curve_falls_from_the_left_to_the_right():
    """Loss 1 to 0.01 over 100 steps, on a logarithmic scale: a straight line."""
    history = [{"step": s, "loss": 10 ** (-s / 50)} for s in range(101)]
    history += [{"step": 50, "loss": float("nan")}, {"train_runtime": 3.0}]  # are left out
    drawn = loss_picture(history)
    assert drawn.shape == (*SIZE, 3)
    red = (drawn[..., 0] > 150) & (drawn[..., 1] < 90) & (drawn[..., 2] < 90)
    rows, columns = np.nonzero(red[60:, :480])  # below and left of the legend
    assert np.corrcoef(rows, columns)[0, 1] > 0.99


def test_nothing_logged_is_an_empty_picture():
    assert (loss_picture([]) == 255).all()
