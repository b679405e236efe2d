"""A camera that plays scenes, photographs or bags, the depth node on it, and RViz on request."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("depthlm_ros")


def arguments():
    """Return the arguments of the camera; those of depth.launch.py are there as well."""
    return [
        DeclareLaunchArgument(
            "source",
            default_value="scenes",
            description="What the camera plays: 'scenes', a folder, a jsonl file, or a rosbag2.",
        ),
        DeclareLaunchArgument(
            "rate_hz", default_value="5.0", description="Pictures a second [Hz]."
        ),
        DeclareLaunchArgument(
            "loop",
            default_value="true",
            choices=["true", "false"],
            description="Start again at the end of the source.",
        ),
    ]


def camera_node():
    """Return the camera, in the namespace of the depth node, so that their topics meet."""
    return Node(
        package="depthlm_ros",
        executable="camera_node",
        name="camera",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {
                "source": LaunchConfiguration("source"),
                "rate_hz": ParameterValue(LaunchConfiguration("rate_hz"), value_type=float),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
            }
        ],
        output="screen",
    )


def generate_launch_description():
    """Return what ``ros2 launch depthlm_ros demo.launch.py`` starts."""
    depth = PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "depth.launch.py"))
    # The included file goes first: it declares `namespace`, which the camera uses too.
    return LaunchDescription([*arguments(), IncludeLaunchDescription(depth), camera_node()])
