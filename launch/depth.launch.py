"""Metric depth from one camera: the lifecycle node ``depthlm``, and RViz on request."""

import os
import tempfile
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

SHARE = get_package_share_directory("depthlm_ros")
LEVELS = ["debug", "info", "warn", "error", "fatal"]
SWITCH = ["true", "false", "True", "False"]
AS_IN_FILE = "Empty: as in params_file."
SHARED_MEMORY = "/dev/shm"
SEGMENT_BYTES = 64 * 2**20
"""What Fast DDS takes of shared memory for each process with the profile of config/fastdds.xml."""
MESSAGES = (
    "depthlm_msgs is not built: it lies inside the clone of depthlm_ros, where colcon does not "
    "look by itself. Run `colcon build --base-paths src src/depthlm_ros/depthlm_msgs` in the "
    "workspace and source install/setup.bash"
)


def config(name):
    """Return the path of an installed file of ``config/``."""
    return os.path.join(SHARE, "config", name)


def arguments():
    """Return the launch arguments; an empty one leaves the choice to params_file."""
    return [
        _argument("model", "", f"Model: 'embedded', a hub name, or a folder. {AS_IN_FILE}"),
        _argument("image_topic", "image", "Image to estimate depth of, as in /camera/image_raw."),
        _argument("camera_info_topic", "camera_info", "CameraInfo of that image."),
        _argument(
            "image_transport",
            "",
            f"How images come: compressed takes <image_topic>/compressed. {AS_IN_FILE}",
            ["", "raw", "compressed"],
        ),
        _argument(
            "image_is_rectified",
            "",
            f"Whether the lens distortion is removed already. {AS_IN_FILE}",
            ["", "auto", "true", "false"],
        ),
        _argument("params_file", config("depthlm.yaml"), "YAML file with the node's parameters."),
        _argument("namespace", "", "Namespace of the node and its topics."),
        _argument(
            "use_sim_time",
            "",
            f"Take the time from /clock: for simulation and bags. {AS_IN_FILE}",
            ["", *SWITCH],
        ),
        _argument("log_level", "info", "Log level of the node.", LEVELS),
        _argument(
            "autostart",
            "",
            f"Load the model and activate; false: a lifecycle manager does it. {AS_IN_FILE}",
            ["", *SWITCH],
        ),
        _argument("max_age", "", f"[s] Oldest image that an answer may rest on. {AS_IN_FILE}"),
        _argument("tf_topic", "/tf", "Where transforms come from; tf: those of the namespace."),
        _argument("tf_static_topic", "/tf_static", "The same for transforms that stay."),
        _argument("respawn", "false", "Start the node again, 2 s after it has ended.", SWITCH),
        _argument("rviz", "false", "Start RViz with image, depth, cloud and markers.", SWITCH),
        _argument(
            "web",
            "false",
            "Serve a page on http://127.0.0.1:8080 (needs NiceGUI: docs/cameras.md).",
            SWITCH,
        ),
        _argument(
            "rviz_frame",
            "camera_optical_frame",
            "RViz's fixed frame: frame_id of the image, or one that /tf leads to.",
        ),
    ]


def _argument(name, default, description, choices=None):
    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=choices
    )


def given(context):
    """Return the parameters that arguments give; they go before what params_file says."""
    values = {}
    for name in ("use_sim_time", "autostart"):
        if text := _value(context, name):
            values[name] = text.lower() == "true"
    if model := _value(context, "model"):
        values["model"] = model
    values |= of_images(context)
    if max_age := _value(context, "max_age"):
        values["max_age"] = float(max_age)
    return values


def of_images(context):
    """Return the parameters about images that arguments give: of the node and of the page."""
    names = ("image_transport", "image_is_rectified")
    return {name: text for name in names if (text := _value(context, name))}


def _value(context, name):
    return LaunchConfiguration(name).perform(context)


def depth_node(context):
    """Return the node, with what there is to say about shared memory and missing messages."""
    try:
        get_package_share_directory("depthlm_msgs")
    except PackageNotFoundError as error:
        raise RuntimeError(MESSAGES) from error
    environment, remark = large_images()
    node = Node(
        package="depthlm_ros",
        executable="depth_node",
        name="depthlm",
        namespace=_value(context, "namespace"),
        parameters=[_value(context, "params_file"), given(context)],
        remappings=[
            ("image", _value(context, "image_topic")),
            ("camera_info", _value(context, "camera_info_topic")),
            ("/tf", _value(context, "tf_topic")),
            ("/tf_static", _value(context, "tf_static_topic")),
        ],
        arguments=["--ros-args", "--log-level", _value(context, "log_level")],
        additional_env=environment,
        respawn=_value(context, "respawn").lower() == "true",
        respawn_delay=2.0,
        output="screen",
    )
    return [*([LogInfo(msg=remark)] if remark else []), node]


def large_images(processes=2):
    """Return (environment of our nodes, remark): Fast DDS's profile for whole images.

    For our nodes alone: other nodes of a bringup keep what they have. An existing choice stays.
    ``processes``: how many of them will have a segment. Where /dev/shm has no room for that, as in
    a container with 64 MB, the profile is left out, and the remark says what follows.
    """
    old = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
    name = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    if name in os.environ:
        return {}, ""
    try:
        room = os.statvfs(SHARED_MEMORY)
    except OSError as error:
        return {}, f"depthlm: no {SHARED_MEMORY} ({error}): large images may be lost"
    free = room.f_bavail * room.f_frsize
    if free >= processes * SEGMENT_BYTES:
        return {name: config("fastdds.xml")}, ""
    return {}, (
        f"depthlm: {SHARED_MEMORY} has {free / 2**20:.0f} MB free, and Fast DDS with "
        f"config/fastdds.xml takes {SEGMENT_BYTES >> 20} MB a process: its small default is used, "
        "which loses most large best-effort images. Remedy: docker run --shm-size=512m (or "
        "--ipc=host), or reliable QoS for the images, or image_transport: compressed"
    )


def rviz_node(context):
    """Return RViz, when asked for, with config/depthlm.rviz fitted to the arguments."""
    if _value(context, "rviz").lower() != "true":
        return []
    pushed = context.launch_configurations.get("ros_namespace", "/")
    namespace = prefix_namespace(pushed, _value(context, "namespace")) or "/"
    view = rviz_view(
        Path(config("depthlm.rviz")).read_text(encoding="utf-8"),
        make_namespace_absolute(namespace),
        _value(context, "image_topic"),
        _value(context, "rviz_frame"),
    )
    with tempfile.NamedTemporaryFile(
        "w", prefix="depthlm_", suffix=".rviz", delete=False, encoding="utf-8"
    ) as file:
        file.write(view)
    sim = given(context).get("use_sim_time", False)
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", file.name],
            namespace=_value(context, "namespace"),
            parameters=[{"use_sim_time": sim}],
            remappings=[
                ("/tf", _value(context, "tf_topic")),
                ("/tf_static", _value(context, "tf_static_topic")),
            ],
        )
    ]


def web_node(context):
    """Return the page beside the node, when asked for."""
    if _value(context, "web").lower() != "true":
        return []
    environment, _ = large_images()
    sim = given(context).get("use_sim_time", False)
    return [
        Node(
            package="depthlm_ros",
            executable="web_node",
            namespace=_value(context, "namespace"),
            parameters=[{"use_sim_time": sim, **of_images(context)}],
            remappings=[
                ("image", _value(context, "image_topic")),
                ("camera_info", _value(context, "camera_info_topic")),
            ],
            additional_env=environment,
            output="screen",
        )
    ]


def rviz_view(text, namespace, image_topic, frame):
    """Return a view with the topics of a namespace, an image topic and a fixed frame."""
    view = yaml.safe_load(text)
    root = namespace.rstrip("/")
    manager = view["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = frame
    for shown in (*manager["Displays"], *manager["Tools"]):
        if topic := shown.get("Topic"):
            name = topic["Value"]
            if name == "/image":
                name = image_topic
                topic["Value"] = name if name.startswith("/") else f"{root}/{name}"
            else:
                topic["Value"] = f"{root}{name}"
    return yaml.safe_dump(view, sort_keys=False)


def generate_launch_description():
    """Return what ``ros2 launch depthlm_ros depth.launch.py`` starts."""
    nodes = [OpaqueFunction(function=make) for make in (depth_node, rviz_node, web_node)]
    return LaunchDescription([*arguments(), *nodes])
