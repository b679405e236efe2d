"""Rules that parameters of the geometry keep together."""

import pytest

from depthlm_ros.nodes.depth.geometry_parameters import geometry_error
from depthlm_ros.nodes.depth.parameters import PARAMETERS

DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


@pytest.mark.parametrize(
    "change, said",
    [
        ({}, ""),
        ({"ground_source": "given"}, "ground_source = given needs camera_height_m"),
        ({"ground_source": "given", "camera_height_m": 0.4}, ""),
        ({"scale_follow": "camera_height"}, "scale_follow = camera_height needs camera_height_m"),
        ({"scale_follow": "camera_height", "camera_height_m": 0.4}, ""),
        (
            {"clearance_begin_m": 2.0, "clearance_length_m": 2.0},
            "clearance_begin_m = 2.0, clearance_length_m = 2.0: the first must be less",
        ),
        (
            {"scan_range_min_m": 9.0, "scan_range_max_m": 8.0},
            "scan_range_min_m = 9.0, scan_range_max_m = 8.0: the first must be less",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_with_the_rule(change, said):
    found = geometry_error({**DEFAULTS, **change})
    assert found.startswith(said) and bool(found) == bool(said)
