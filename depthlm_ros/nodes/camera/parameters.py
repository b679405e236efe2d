"""The parameters of camera_node: each declared once, with type, default, range and description.

All are read-only: a camera that plays something else is another camera.
"""

from depthlm_ros.nodes.common.parameters import READ_ONLY, Parameter, Parameters

KINDS = ("room", "corridor", "street")


def _fixed(*args, **kwargs) -> Parameter:
    return Parameter(*args, when=READ_ONLY, **kwargs)


PARAMETERS = (
    _fixed(
        "source",
        "scenes",
        "What is played: 'scenes', a webcam (/dev/video0 or webcam), a video file, a stream "
        "(rtsp://, http://), a picture, a folder or pattern of pictures, a .jsonl of annotated "
        "photographs, or a bag (rosbag2 folder, .db3, .mcap; ROS 1 .bag).",
    ),
    _fixed(
        "rate_hz",
        0.0,
        "[Hz] Pictures a second; 0: as recorded in a bag or video, as a webcam gives them, 5 for "
        "everything else.",
        0.0,
        240.0,
    ),
    _fixed(
        "wait_for_stream",
        True,
        "Wait for a network stream that is away at the start, as for one that breaks off; false: "
        "the process ends.",
    ),
    _fixed("loop", True, "Start again at the end of the source; false: the stream ends there."),
    _fixed(
        "count",
        0,
        "Pictures of one round; 0: all that the source has (scenes never end).",
        0,
        1000000000,
    ),
    _fixed(
        "stamp",
        "now",
        "Which time the pictures bear: 'now', or 'recorded': that of the bag, and for everything "
        "else 1 s and on, anew each round.",
        choices=("now", "recorded"),
    ),
    _fixed(
        "publish_clock",
        False,
        "Publish /clock for nodes with use_sim_time: it runs with the pictures, waits when the "
        "source is late, and with stamp 'recorded' jumps back when a round ends.",
    ),
    _fixed(
        "image_transport",
        "raw",
        "How images go out: 'compressed' publishes <image>/compressed.",
        choices=("raw", "compressed"),
    ),
    _fixed(
        "compression",
        "jpeg",
        "How pictures that are not compressed yet are compressed.",
        choices=("jpeg", "png"),
    ),
    _fixed("jpeg_quality", 95, "Quality of that JPEG.", 1, 100),
    _fixed(
        "frame_id",
        "",
        "Optical frame in the headers; empty: as recorded in a bag, else camera_optical_frame.",
        max_length=200,
    ),
    _fixed("seed", 0, "Which scenes: the same seed, the same pictures.", 0, 2147483647),
    _fixed(
        "scene_kinds",
        ",".join(KINDS),
        "Kinds of scenes in turn, separated by commas.",
        max_length=200,
    ),
    _fixed("shots_per_scene", 30, "Pictures before the next scene.", 1, 1000000),
    _fixed("width", 640, "[px] Width of rendered scenes, and asked of a webcam.", 16, 8192),
    _fixed("height", 480, "[px] Height of rendered scenes, and asked of a webcam.", 16, 8192),
    _fixed(
        "fourcc",
        "",
        "Format asked of a webcam, as in MJPG or YUYV; empty: its own choice.",
        max_length=4,
    ),
    _fixed(
        "fx",
        0.0,
        "[px] Focal length. Scenes: 0 is 0.82 widths. Everything else: more than 0 goes before "
        "what the files say, without lens distortion.",
        0.0,
        1000000.0,
    ),
    _fixed("fy", 0.0, "[px] Vertical focal length; 0: as fx.", 0.0, 1000000.0),
    _fixed("cx", -1.0, "[px] Principal point; -1: the middle of the picture.", -1.0, 16384.0),
    _fixed("cy", -1.0, "[px] Principal point; -1: the middle of the picture.", -1.0, 16384.0),
    _fixed("hfov", 0.0, "[degrees] Horizontal field of view in place of fx; 0: not.", 0.0, 180.0),
    _fixed("f35", 0.0, "[mm] Focal length on 35 mm film in place of fx; 0: not.", 0.0, 10000.0),
    _fixed(
        "assume_phone",
        False,
        "Where nothing tells the focal length, take a typical one (a phone's main camera, 65 "
        "degrees for a webcam) and warn: all metres may be off by one factor.",
    ),
    _fixed(
        "camera_info_url",
        "",
        "Calibration for photographs, videos and bags (camera_calibration, kalibr, OpenCV and "
        "others: docs/cameras.md): a path or file:// URL; FILE#NAME chooses one of several "
        "cameras. Empty: camera_info.yaml in the folder, if there is one.",
    ),
    _fixed(
        "labels",
        "depth",
        "What the numbers 'depth' of a .jsonl mean: 'depth' along the optical axis, or 'distance' "
        "along the line of sight.",
        choices=("depth", "distance"),
    ),
    _fixed(
        "bag_image_topic", "", "Topic of the bag's images; empty: the only one.", max_length=255
    ),
    _fixed(
        "bag_camera_info_topic",
        "",
        "Topic of the bag's CameraInfo; empty: the one beside the images, else the only one.",
        max_length=255,
    ),
)


def cross_field_error(values: dict) -> str:
    """Return the rule that values break together, or ""."""
    for name in ("fy", "cx", "cy"):
        if values["fx"] == 0 and values[name] > 0:
            return f"{name} = {values[name]}: needs fx, the focal length, as well"
    given = [name for name in ("fx", "hfov", "f35", "camera_info_url") if values[name]]
    if len(given) > 1:
        return f"{given[0]} = {values[given[0]]} and {given[1]}: give one of them"
    kinds = values["scene_kinds"].split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        return f"scene_kinds: {unknown[0][:80]!r} must be one of {', '.join(KINDS)}"
    return ""


def declare(node) -> Parameters:
    """Declare them all; raise ParameterError when a start-up value breaks its rule."""
    return Parameters(node, lambda: "", PARAMETERS, cross_field_error)
