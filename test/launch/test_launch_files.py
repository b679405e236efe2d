"""The launch files: what they start for which arguments.

launch and launch_ros are not on PyPI: here stand classes that keep what they are given. That the
real ones take it was tried by hand (docs/install.md names the commands).
"""

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"


class Kept:
    """Keeps its arguments."""

    def __init__(self, *args, **kwargs):
        self.args, self.__dict__ = args, {**self.__dict__, "args": args, **kwargs}


class LaunchConfiguration(Kept):
    """Reads a value of the context."""

    def perform(self, context):
        """Return it."""
        return context.values[self.args[0]]


def names(module, *classes):
    made = ModuleType(module)
    for name in classes:
        setattr(made, name, type(name, (Kept,), {}))
    return made


@pytest.fixture
def launch_files(monkeypatch):
    """Return a function: name of a launch file to its namespace."""
    substitutions = names("launch.substitutions")
    substitutions.LaunchConfiguration = LaunchConfiguration
    utilities = names("launch_ros.utilities")
    utilities.make_namespace_absolute = lambda name: name if name[:1] == "/" else f"/{name}"
    utilities.prefix_namespace = lambda base, name: "/".join(
        part.strip("/") for part in (base, name) if part.strip("/")
    )
    actions = ["DeclareLaunchArgument", "LogInfo", "OpaqueFunction", "IncludeLaunchDescription"]
    modules = [
        names("launch", "LaunchDescription"),
        names("launch.actions", *actions),
        names("launch.launch_description_sources", "PythonLaunchDescriptionSource"),
        names("launch_ros"),
        names("launch_ros.actions", "Node"),
        names("launch_ros.parameter_descriptions", "ParameterValue"),
        substitutions,
        utilities,
    ]
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(
        "ament_index_python.packages.get_package_share_directory", lambda name: str(ROOT)
    )
    monkeypatch.delenv(PROFILE, raising=False)
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    return lambda name: runpy.run_path(str(ROOT / "launch" / name))


def context_of(file, **given):
    defaults = {a.args[0]: a.default_value for a in file["arguments"]()}
    values = {**defaults, "namespace": "", "use_sim_time": "", **given}
    return SimpleNamespace(values=values, launch_configurations={})


def with_room(file, megabytes):
    """Have the launch file see this much free shared memory."""
    room = SimpleNamespace(f_bavail=megabytes, f_frsize=2**20)
    file["large_images"].__globals__["os"] = SimpleNamespace(
        environ=os.environ, path=os.path, statvfs=lambda path: room
    )
    return file


def test_an_argument_that_is_not_given_leaves_the_file_its_say(launch_files):
    file = launch_files("depth.launch.py")
    assert file["given"](context_of(file)) == {}
    context = context_of(file, autostart="False", use_sim_time="true", max_age="2.5", model="x")
    assert file["given"](context) == {
        "autostart": False,
        "use_sim_time": True,
        "max_age": 2.5,
        "model": "x",
    }


def test_node_and_page_are_told_how_images_come(launch_files):
    file = with_room(launch_files("depth.launch.py"), 1000)
    context = context_of(file, web="true", image_transport="compressed", image_is_rectified="true")
    told = {"image_transport": "compressed", "image_is_rectified": "true"}
    assert file["given"](context) == told
    (page,) = file["web_node"](context)
    assert page.parameters == [{"use_sim_time": False, **told}]


def test_the_node_gets_the_arguments(launch_files):
    file = with_room(launch_files("depth.launch.py"), 1000)
    (node,) = file["depth_node"](context_of(file, namespace="r1", tf_topic="tf", respawn="true"))
    assert (node.namespace, node.name, node.respawn) == ("r1", "depthlm", True)
    assert ("/tf", "tf") in node.remappings and ("/tf_static", "/tf_static") in node.remappings
    assert node.parameters == [str(ROOT / "config" / "depthlm.yaml"), {}]


def test_the_profile_is_for_our_nodes_alone_and_leaves_a_choice_alone(launch_files, monkeypatch):
    file = with_room(launch_files("depth.launch.py"), 1000)
    (node,) = file["depth_node"](context_of(file))
    assert node.additional_env == {PROFILE: str(ROOT / "config" / "fastdds.xml")}
    assert PROFILE not in os.environ
    assert not any("SetEnvironment" in text for text in file)
    monkeypatch.setenv(PROFILE, "/mine.xml")
    (node,) = file["depth_node"](context_of(file))
    assert node.additional_env == {}


def test_shared_memory_of_docker_is_too_small_and_it_is_said(launch_files):
    file = with_room(launch_files("depth.launch.py"), 64)
    remark, node = file["depth_node"](context_of(file))
    assert node.additional_env == {}
    assert "/dev/shm has 64 MB free" in remark.msg and "--shm-size=512m" in remark.msg
    assert file["SEGMENT_BYTES"] == 64 * 2**20  # as in config/fastdds.xml
    with_room(file, 128)
    assert len(file["depth_node"](context_of(file))) == 1


def test_without_the_messages_the_launch_says_what_to_do(launch_files):
    from ament_index_python.packages import PackageNotFoundError

    def missing(name):
        if name == "depthlm_msgs":
            raise PackageNotFoundError(name)
        return str(ROOT)

    file = launch_files("depth.launch.py")
    file["depth_node"].__globals__["get_package_share_directory"] = missing
    with pytest.raises(RuntimeError, match="colcon build --base-paths src src/depthlm_ros/depthl"):
        file["depth_node"](context_of(file))


@pytest.mark.parametrize(
    ("given", "pushed", "root", "image"),
    [
        ({}, "/", "", "/image"),
        ({"image_topic": "/camera/image_raw"}, "/", "", "/camera/image_raw"),
        ({"namespace": "r1", "image_topic": "cam/image"}, "/", "/r1", "/r1/cam/image"),
        ({"namespace": "front"}, "/r1", "/r1/front", "/r1/front/image"),
    ],
)
def test_rviz_shows_the_topics_of_the_arguments(launch_files, given, pushed, root, image):
    file = launch_files("depth.launch.py")
    context = context_of(file, rviz="true", rviz_frame="base_link", **given)
    context.launch_configurations["ros_namespace"] = pushed
    (node,) = file["rviz_node"](context)
    path = Path(node.arguments[1])
    manager = yaml.safe_load(path.read_text())["Visualization Manager"]
    path.unlink()
    shown = {d["Topic"]["Value"] for d in manager["Displays"] if "Topic" in d}
    assert manager["Global Options"]["Fixed Frame"] == "base_link"
    assert {image, f"{root}/depthlm/points", f"{root}/depthlm/depth/image"} <= shown
    asked = [t["Topic"]["Value"] for t in manager["Tools"] if "Topic" in t]
    assert asked == [f"{root}/depthlm/query_points", f"{root}/depthlm/clearance_target"]


def test_no_rviz_unless_asked_for(launch_files):
    file = launch_files("depth.launch.py")
    assert file["rviz_node"](context_of(file)) == []


def test_the_demo_keeps_answers_as_long_as_its_model_takes(launch_files):
    file = launch_files("demo.launch.py")
    values = context_of(file).values
    assert float(values["max_age"]) >= 5.0


@pytest.mark.parametrize(
    ("use_sim_time", "clock"), [("", False), ("false", False), ("True", True)]
)
def test_the_demos_camera_makes_the_clock_where_it_is_used(launch_files, use_sim_time, clock):
    file = launch_files("demo.launch.py")
    context = context_of(file, use_sim_time=use_sim_time)
    (node,) = file["camera_node"](context)
    assert node.parameters[1]["publish_clock"] is clock
