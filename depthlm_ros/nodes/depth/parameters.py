"""The parameters of depth_node: each declared once, with type, default, range and description."""

from depthlm_ros.nodes.common.parameters import (
    INACTIVE,
    READ_ONLY,
    UNCONFIGURED,
    Parameter,
    Parameters,
)
from depthlm_ros.nodes.depth.geometry_parameters import GEOMETRY_PARAMETERS, geometry_error

PARAMETERS = (
    Parameter(
        "autostart",
        True,
        "Configure and activate at start; false: wait for a lifecycle manager.",
        when=READ_ONLY,
    ),
    Parameter(
        "model",
        "embedded",
        "Which model: 'embedded', a name known to the hub, or the path of a folder with weights.",
        when=UNCONFIGURED,
    ),
    Parameter(
        "revision",
        "",
        "Revision of a hub model that was fetched: branch, tag or commit; empty: the newest.",
        when=UNCONFIGURED,
        max_length=200,
    ),
    Parameter(
        "device",
        "auto",
        "Where the model runs: 'auto', 'cpu', 'cuda' or 'cuda:N'.",
        when=UNCONFIGURED,
        max_length=32,
    ),
    Parameter(
        "dtype",
        "auto",
        "Number type of the weights on the device.",
        choices=("auto", "float32", "bfloat16", "float16"),
        when=UNCONFIGURED,
    ),
    Parameter(
        "quantize",
        "none",
        "Smaller weights for the language model's linear layers, by torchao: less memory, a "
        "little less exact.",
        choices=("none", "int8", "fp8"),
        when=UNCONFIGURED,
    ),
    Parameter(
        "model_options",
        [],
        "Options of the model as texts name=value, as in ['max_pixels=500000']; which there are: "
        "`depthlm models --options`.",
        when=UNCONFIGURED,
        max_length=200,
    ),
    Parameter(
        "model_process",
        "auto",
        "Whether the model runs in a process of its own, which is replaced when it hangs or dies; "
        "'auto': where it runs on a GPU.",
        choices=("auto", "true", "false"),
        when=UNCONFIGURED,
    ),
    Parameter(
        "inference_limit",
        0.0,
        "[s] After so long a call of the model's process counts as hung; 0: learned from how long "
        "such calls take.",
        0.0,
        3600.0,
        when=UNCONFIGURED,
    ),
    Parameter(
        "image_transport",
        "raw",
        "How images come: 'compressed' subscribes to <image>/compressed.",
        choices=("raw", "compressed"),
        when=INACTIVE,
    ),
    Parameter(
        "image_is_rectified",
        "auto",
        "Whether the image has its lens distortion removed already; 'auto': when the last part "
        "of its topic begins with image_rect, or the one before is rect.",
        choices=("auto", "true", "false"),
        when=INACTIVE,
    ),
    Parameter(
        "max_image_pixels",
        40_000_000,
        "Pixels that an image may have; one with more is BAD_IMAGE before it is decoded.",
        1,
        40_000_000,
        when=INACTIVE,
    ),
    Parameter(
        "refuse_blank",
        True,
        "Whether a black or blank image is refused as BAD_IMAGE; false: estimated like any other.",
        when=INACTIVE,
    ),
    Parameter(
        "max_age",
        1.0,
        "[s] Oldest image, by its stamp, that an answer may rest on; older is STALE.",
        0.01,
        3600.0,
    ),
    Parameter(
        "future_tolerance",
        0.1,
        "[s] How far an image's stamp may lie in the future before it is a BAD_STAMP.",
        0.0,
        10.0,
    ),
    Parameter(
        "deadline", 5.0, "[s] How long a request that names no deadline waits.", 0.01, 600.0
    ),
    Parameter(
        "max_waiting",
        16,
        "How many requests may wait for the model; one more is BUSY at once.",
        1,
        1024,
        when=UNCONFIGURED,
    ),
    Parameter(
        "min_range_m", 0.05, "[m] Depths nearer than this are not accepted (NaN).", 0.0, 1000.0
    ),
    Parameter(
        "max_range_m", 100.0, "[m] Depths beyond this are not claimed (+Inf).", 0.1, 100000.0
    ),
    Parameter("max_question_length", 1000, "Characters a question may have.", 1, 10000),
    Parameter(
        "max_reply_tokens",
        128,
        "Tokens that a model may write to a question in free words.",
        1,
        4096,
    ),
    Parameter(
        "verify_things",
        False,
        "Look for named things again in the mirrored image, and believe what is found twice.",
    ),
    Parameter(
        "language_model",
        "",
        "Model that finds things and writes, beside the depth model: openai:MODEL@URL of a "
        "server. Empty: the depth model itself.",
    ),
    Parameter(
        "model_reads_questions",
        True,
        "Let a model that writes put questions that are not understood into a form that is; the "
        "numbers stay the question's own and those of geometry.",
    ),
    Parameter("body_width", 0.6, "[m] Width of who asks for free ways.", 0.01, 20.0),
    Parameter("body_height", 1.0, "[m] Height of who asks for free ways.", 0.01, 20.0),
    Parameter(
        "continuous",
        False,
        "Estimate every frame even when nobody listens, so that requests need not wait.",
    ),
    Parameter(
        "turn_weight",
        1.0,
        "Where several cameras share a model: weight 2 gets twice the turns of weight 1, "
        "at most about every other turn.",
        0.01,
        100.0,
    ),
    Parameter(
        "cloud_keeps_edges",
        False,
        "Keep the cloud's points at depth steps, which may float between two surfaces.",
    ),
    Parameter("cloud_step", 1, "Every how many rows and columns the cloud takes a point.", 1, 32),
    Parameter(
        "cloud_max_rate",
        0.0,
        "[Hz] How often the cloud is published at most; 0: with every depth map.",
        0.0,
        1000.0,
    ),
    Parameter(
        "depth_encoding",
        "32FC1",
        "How the depth image is written: in metres, or 16UC1 in millimetres, 0 where nothing is "
        "known or beyond 65.535 m.",
        choices=("32FC1", "16UC1"),
    ),
    Parameter(
        "tf_fixed_frame",
        "odom",
        "Frame that does not move, through which a clicked point of a moving frame is carried to "
        "the image's time; empty: none.",
        max_length=200,
    ),
    *GEOMETRY_PARAMETERS,
)


def cross_field_error(values: dict) -> str:
    """Return the rule that values break together, or ""."""
    if not values["min_range_m"] < values["max_range_m"]:
        return (
            f"min_range_m = {values['min_range_m']}, max_range_m = {values['max_range_m']}: the "
            "first must be less than the second"
        )
    return geometry_error(values)


def declare(node, state) -> "Parameters":
    """Declare them all; raise ParameterError when a start-up value breaks its rule.

    ``state``: returns the lifecycle state's label, which decides what may change.
    """
    return Parameters(node, state, PARAMETERS, cross_field_error)
