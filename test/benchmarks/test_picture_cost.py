"""No compressed message under 1 MB costs more than 0.3 s of CPU time or 150 MB."""

import pytest

from depthlm_ros.benchmarks import picture_cost

WORST = dict(picture_cost.worst_messages())


def test_the_messages_are_small_and_ask_for_much():
    assert len(WORST) == 15
    assert all(len(data) < picture_cost.MAX_BYTES for data in WORST.values())


@pytest.mark.parametrize(
    "name",
    ["PNG, 16 bit grey", "PNG, 8 bit with alpha", "PNG, interlaced", "JPEG, progressive, noisy",
     "JPEG, many scans, 3999 x 2250"],
)  # fmt: skip
def test_what_is_decoded_stays_under_the_bounds(name):
    seconds, megabytes, outcome = picture_cost.cost_of(WORST[name])
    assert outcome.startswith("decoded")
    assert seconds < picture_cost.MOST_S and 1 < megabytes < picture_cost.MOST_MB


def test_what_would_cost_more_is_refused_without_decoding():
    seconds, megabytes, outcome = picture_cost.cost_of(WORST["PNG, 10 times too large"])
    assert outcome.startswith("refused") and seconds < 0.02 and megabytes < 5
