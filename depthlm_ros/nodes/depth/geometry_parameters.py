"""The parameters of ground, obstacles, scan, clearance and scale: a part of depth_node's table."""

from depthlm_ros.nodes.common.parameters import Parameter

GEOMETRY_PARAMETERS = (
    Parameter(
        "median_filter",
        False,
        "Replace each depth by the median of the 3 x 3 around it.",
    ),
    Parameter(
        "temporal_filter",
        0.0,
        "Share of the past in the depth of a camera that stands still, in log depth; what changed "
        "by more than a tenth is taken as it is now; 0: off.",
        0.0,
        0.95,
    ),
    Parameter(
        "camera_is_still",
        False,
        "The camera never moves, for temporal_filter; false: it stands still while its pose in "
        "tf_fixed_frame does.",
    ),
    Parameter(
        "ground_source",
        "fit",
        "Where the ground comes from: 'fit': from the depth itself; 'given': camera_height_m and "
        "camera_pitch_rad; 'tf': the plane z = 0 of base_frame.",
        choices=("fit", "given", "tf"),
    ),
    Parameter(
        "camera_height_m",
        0.0,
        "[m] Height of the camera above the ground. With ground_source fit, 0: unknown, else a "
        "ground must be found within a quarter of it (a table is none).",
        0.0,
        20.0,
    ),
    Parameter(
        "camera_pitch_rad",
        0.0,
        "[rad] Elevation of the camera's axis, negative looks down; for ground_source given.",
        -1.5,
        1.5,
    ),
    Parameter(
        "base_frame",
        "base_footprint",
        "Frame whose plane z = 0 is the ground, for ground_source tf.",
        max_length=200,
    ),
    Parameter(
        "obstacle_min_height_m",
        0.05,
        "[m] What is higher above the ground is an obstacle; what is lower is driven over.",
        0.005,
        5.0,
    ),
    Parameter(
        "obstacle_max_height_m",
        1.8,
        "[m] What is higher above the ground is no obstacle of ~/obstacles and ~/scan.",
        0.01,
        50.0,
    ),
    Parameter("max_drop_m", 0.05, "[m] Ground that lies lower than this is a drop.", 0.005, 5.0),
    Parameter(
        "mark_drops",
        True,
        "Put an obstacle into ~/obstacles and ~/scan where the ground is lower or missing.",
    ),
    Parameter(
        "obstacles_stride", 2, "Every how many rows and columns ~/obstacles has a point.", 1, 64
    ),
    Parameter(
        "obstacles_rate_hz",
        0.0,
        "[Hz] Most clouds a second on ~/obstacles; 0: every one.",
        0.0,
        240.0,
    ),
    Parameter(
        "scan_rate_hz", 0.0, "[Hz] Most scans a second on ~/scan; 0: every one.", 0.0, 240.0
    ),
    Parameter(
        "scan_columns_per_beam",
        2,
        "Columns of the image that a beam of ~/scan covers: more make fewer beams.",
        1,
        64,
    ),
    Parameter("scan_range_min_m", 0.1, "[m] Nearest range of ~/scan.", 0.0, 100.0),
    Parameter(
        "scan_range_max_m",
        8.0,
        "[m] Farthest range of ~/scan; free beyond it is +Inf.",
        0.1,
        1000.0,
    ),
    Parameter(
        "clearance_rate_hz",
        5.0,
        "[Hz] Most messages a second on ~/clearance; 0: every one.",
        0.0,
        240.0,
    ),
    Parameter("clearance_width_m", 0.6, "[m] Width of the standing corridor.", 0.01, 100.0),
    Parameter(
        "clearance_height_m",
        1.0,
        "[m] Height of the standing corridor over the ground.",
        0.06,
        100.0,
    ),
    Parameter(
        "clearance_length_m",
        2.0,
        "[m] Far end of the standing corridor, from below the camera.",
        0.1,
        100.0,
    ),
    Parameter(
        "clearance_begin_m",
        0.8,
        "[m] Near end of the standing corridor. What lies below the camera's view is not known: "
        "nearer than visible_from of ~/clearance it is never clear.",
        0.0,
        100.0,
    ),
    Parameter(
        "clearance_margin_m", 0.05, "[m] Added to it ahead, to both sides and above.", 0.0, 10.0
    ),
    Parameter(
        "clearance_max_unseen",
        0.0,
        "Share of a volume that may be unseen and it still count as clear; 0: none.",
        0.0,
        0.5,
    ),
    Parameter(
        "assumed_ratio_90",
        1.25,
        "90 % of depths lie within this factor, for a model that states none.",
        1.0,
        10.0,
    ),
    Parameter(
        "scale_file",
        "",
        "JSON file that keeps calibrated scales over restarts; empty: ~/.ros/depthlm_scale.json.",
    ),
    Parameter(
        "scale_follow",
        "none",
        "Correct the scale slowly all the while: 'camera_height': by camera_height_m over the "
        "fitted ground.",
        choices=("none", "camera_height"),
    ),
)


def geometry_error(values: dict) -> str:
    """Return the rule that values of these break together, or ""."""
    if values["ground_source"] == "given" and not values["camera_height_m"] > 0:
        return "ground_source = given needs camera_height_m greater than 0"
    if values["scale_follow"] == "camera_height" and not values["camera_height_m"] > 0:
        return "scale_follow = camera_height needs camera_height_m greater than 0"
    for low, high in (
        ("scan_range_min_m", "scan_range_max_m"),
        ("clearance_begin_m", "clearance_length_m"),
        ("obstacle_min_height_m", "obstacle_max_height_m"),
        ("obstacle_min_height_m", "clearance_height_m"),
        ("obstacle_min_height_m", "body_height"),
    ):
        if not values[low] < values[high]:
            return f"{low} = {values[low]}, {high} = {values[high]}: the first must be less"
    return ""
