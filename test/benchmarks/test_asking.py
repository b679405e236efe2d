"""The benchmark of asking: with the truth put in, what is asked is read and answered right."""

import pytest

from depthlm_ros.benchmarks import asking
from depthlm_ros.benchmarks.asking_forms import REFUSED, forms
from depthlm_ros.tasks import Task


@pytest.fixture(scope="module")
def rows():
    return asking.measure(1)


def test_the_set_is_large_and_covers_every_task():
    assert len(forms()) >= 100 and len({form for _, form in forms()}) == len(forms())
    assert {task for task, _ in forms()} == {*Task, REFUSED} - {Task.FREEST, Task.CAMERA_MOTION}


def test_with_the_truth_put_in_all_is_understood_and_right(rows):
    asked = sum(row.asked for row in rows.values())
    assert asked >= 80
    assert sum(row.understood for row in rows.values()) >= 0.97 * asked
    for task, row in rows.items():
        if task not in (Task.HEIGHT, Task.WIDTH):  # of a box: only as good as its edges' depth
            assert row.right == row.checked, (task, row.misses)


def test_nothing_that_must_be_refused_is_answered(rows):
    assert rows[REFUSED].understood == rows[REFUSED].asked > 15
    assert asking.table("truth", rows).startswith("truth: asked, understood")
