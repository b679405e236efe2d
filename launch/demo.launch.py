"""A camera that plays scenes, photographs or bags, the depth node on it, and RViz on request."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("depthlm_ros")
SWITCH = ["true", "false", "True", "False"]


def arguments():
    """Return the arguments of the camera; those of depth.launch.py are there as well."""
    return [
        DeclareLaunchArgument(
            "source",
            default_value="scenes",
            description="What the camera plays: 'scenes', a folder, a jsonl file, or a rosbag2.",
        ),
        DeclareLaunchArgument(
            "rate_hz",
            default_value="0.0",
            description="Pictures a second [Hz]; 0: as recorded in a bag, 5 for everything else.",
        ),
        DeclareLaunchArgument(
            "loop",
            default_value="true",
            choices=SWITCH,
            description="Start again at the end of the source.",
        ),
        DeclareLaunchArgument(
            "stamp",
            default_value="now",
            choices=["now", "recorded"],
            description="Time of the pictures; 'recorded' wants use_sim_time:=true.",
        ),
        DeclareLaunchArgument(
            "max_age",
            default_value="5.0",
            description="[s] Oldest image that an answer may rest on; a CPU takes its time.",
        ),
        DeclareLaunchArgument(
            "camera_params_file",
            default_value=os.path.join(SHARE, "config", "camera.yaml"),
            description="YAML file with the camera's other parameters.",
        ),
    ]


def camera_node(context):
    """Return the camera, in the namespace of the depth node, so that their topics meet.

    With ``use_sim_time`` it makes the /clock that the depth node then follows.
    """
    clock = LaunchConfiguration("use_sim_time").perform(context).lower() == "true"
    node = Node(
        package="depthlm_ros",
        executable="camera_node",
        name="camera",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("camera_params_file"),
            {
                "source": ParameterValue(LaunchConfiguration("source"), value_type=str),
                "rate_hz": ParameterValue(LaunchConfiguration("rate_hz"), value_type=float),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                "stamp": LaunchConfiguration("stamp"),
                "publish_clock": clock,
            },
        ],
        remappings=[
            ("image", LaunchConfiguration("image_topic")),
            ("camera_info", LaunchConfiguration("camera_info_topic")),
        ],
        additional_env=large_images(),
        output="screen",
    )
    return [node]


def large_images():
    """Return the camera's environment: the Fast DDS profile, as depth.launch.py gives its node."""
    from runpy import run_path

    depth = run_path(os.path.join(SHARE, "launch", "depth.launch.py"))
    return depth["large_images"]()[0]


def generate_launch_description():
    """Return what ``ros2 launch depthlm_ros demo.launch.py`` starts."""
    depth = PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "depth.launch.py"))
    # The included file goes first: it declares `namespace`, which the camera uses too.
    camera = OpaqueFunction(function=camera_node)
    return LaunchDescription([*arguments(), IncludeLaunchDescription(depth), camera])
