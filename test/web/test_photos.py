"""Photographs on the page, as far as they are tested without a browser (test_page.py has one)."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from depthlm_ros.web.photos import MAX_BYTES, Measured, PhotoDesk


def test_depth_at_a_pixel_of_a_photograph_whose_depth_is_kept_thinner():
    depth_m = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]], np.float32)  # of 6 x 4 px
    measured = Measured(b"", b"", (6, 4), depth_m, "", step=2)
    assert measured.at(0.2, 0.3) == "1.00 m" and measured.at(1.4, 1.2) == "1.00 m"
    assert measured.at(5.0, 3.0) == "6.00 m" and measured.at(2.0, 2.6) == "no depth here"
    assert measured.at(6.0, 0.0) == measured.at(0.0, -1.0) == "outside the picture"


def test_a_file_that_is_too_large_is_not_even_read():
    upload = SimpleNamespace(name="a.jpg", size=lambda: MAX_BYTES + 1)
    with pytest.raises(ValueError, match=f"{MAX_BYTES + 1} bytes: at most {MAX_BYTES}"):
        asyncio.run(PhotoDesk("embedded").measure(upload))
