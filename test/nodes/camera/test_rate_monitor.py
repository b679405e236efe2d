"""A camera that is later than its rate says so, once."""

from depthlm_ros.nodes.camera.rate_monitor import WINDOW, RateMonitor


def said(pace, begin, gap, count=WINDOW):
    return [text for i in range(count) if (text := pace.published(begin + i * gap))]


def test_a_slow_source_is_told_once_with_both_rates():
    pace = RateMonitor(5.0)
    (text,) = said(pace, 0.0, 0.5, 60)
    assert "2.00 Hz" in text and "rate_hz is 5 Hz" in text


def test_it_is_told_again_after_it_was_well():
    pace = RateMonitor(5.0)
    assert len(said(pace, 0.0, 0.5)) == 1
    assert said(pace, 100.0, 0.2, 40) == []
    assert len(said(pace, 200.0, 0.5, 40)) == 1


def test_a_source_in_time_or_at_its_own_pace_says_nothing():
    assert said(RateMonitor(5.0), 0.0, 0.2, 100) == []
    assert said(RateMonitor(5.0), 0.0, 0.23, 100) == []
    assert said(RateMonitor(0.0), 0.0, 3.0, 100) == []
