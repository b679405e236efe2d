"""Metric depth from one camera: the lifecycle node ``depthlm``, and RViz on request."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

SHARE = get_package_share_directory("depthlm_ros")
LEVELS = ["debug", "info", "warn", "error", "fatal"]
SWITCH = ["true", "false", "True", "False"]


def config(name):
    """Return the path of an installed file of ``config/``."""
    return os.path.join(SHARE, "config", name)


def arguments():
    """Return the launch arguments; an empty one leaves the choice to params_file."""
    return [
        DeclareLaunchArgument(
            "model",
            default_value="",
            description="Model: 'embedded', a hub name, or a folder. Empty: as in params_file.",
        ),
        DeclareLaunchArgument(
            "image_topic",
            default_value="image",
            description="sensor_msgs/Image to estimate depth of, as in /camera/image_raw.",
        ),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value="camera_info",
            description="sensor_msgs/CameraInfo of that image, as in /camera/camera_info.",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=config("depthlm.yaml"),
            description="YAML file with the node's parameters.",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="Namespace of the node and its topics."
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            choices=SWITCH,
            description="Take the time from /clock: for simulation and bags.",
        ),
        DeclareLaunchArgument(
            "log_level", default_value="info", choices=LEVELS, description="Log level of the node."
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="true",
            choices=SWITCH,
            description="Load the model and activate; false: a lifecycle manager does it.",
        ),
        DeclareLaunchArgument(
            "rviz",
            default_value="false",
            choices=SWITCH,
            description="Start RViz with image, depth, cloud and markers.",
        ),
        DeclareLaunchArgument(
            "web",
            default_value="false",
            choices=SWITCH,
            description="Serve a page on http://127.0.0.1:8080 (needs NiceGUI: docs/cameras.md).",
        ),
    ]


def depth_node(context):
    """Return the node; what is given as an argument goes before what params_file says."""
    given = {
        name: LaunchConfiguration(name).perform(context).lower() == "true"
        for name in ("use_sim_time", "autostart")
    }
    if model := LaunchConfiguration("model").perform(context):
        given["model"] = model
    return [
        Node(
            package="depthlm_ros",
            executable="depth_node",
            name="depthlm",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), given],
            remappings=[
                ("image", LaunchConfiguration("image_topic")),
                ("camera_info", LaunchConfiguration("camera_info_topic")),
            ],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]


def large_images():
    """Let Fast DDS carry whole images through shared memory; an existing choice stays."""
    old = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
    name = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    profile = EnvironmentVariable(name, default_value=config("fastdds.xml"))
    return SetEnvironmentVariable(name, profile)


def rviz():
    """Return RViz with the view of config/depthlm.rviz, when asked for."""
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", config("depthlm.rviz")],
        namespace=LaunchConfiguration("namespace"),
        parameters=[{"use_sim_time": LaunchConfiguration("use_sim_time")}],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )


def web():
    """Return the page beside the node, when asked for."""
    return Node(
        package="depthlm_ros",
        executable="web_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{"use_sim_time": LaunchConfiguration("use_sim_time")}],
        remappings=[("image", LaunchConfiguration("image_topic"))],
        condition=IfCondition(LaunchConfiguration("web")),
        output="screen",
    )


def generate_launch_description():
    """Return what ``ros2 launch depthlm_ros depth.launch.py`` starts."""
    return LaunchDescription(
        [*arguments(), large_images(), OpaqueFunction(function=depth_node), rviz(), web()]
    )
