"""Three cameras, one model in memory: a depth node for each, with fair turns."""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

SHARE = get_package_share_directory("depthlm_ros")


def arguments():
    """Return the launch arguments."""
    return [
        DeclareLaunchArgument(
            "cameras",
            default_value="front left right",
            description="Names of the cameras, separated by spaces: each is a namespace.",
        ),
        DeclareLaunchArgument(
            "image_topic",
            default_value="image_raw",
            description="Topic of the images within each camera's namespace.",
        ),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value="camera_info",
            description="Topic of the CameraInfo within each camera's namespace.",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=os.path.join(SHARE, "config", "depthlm.yaml"),
            description="YAML file for all: /** for every camera, /front/depthlm for one.",
        ),
    ]


def nodes(context):
    """Return the one process with all nodes."""
    return [
        Node(
            package="depthlm_ros",
            executable="multi_depth_node",
            arguments=LaunchConfiguration("cameras").perform(context).split(),
            parameters=[LaunchConfiguration("params_file")],
            remappings=[
                ("image", LaunchConfiguration("image_topic")),
                ("camera_info", LaunchConfiguration("camera_info_topic")),
            ],
            output="screen",
        )
    ]


def generate_launch_description():
    """Return what ``ros2 launch depthlm_ros three_cameras.launch.py`` starts."""
    return LaunchDescription([*arguments(), OpaqueFunction(function=nodes)])
