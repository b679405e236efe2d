"""config/: what the YAML says is what the node declares, and the profile is what was measured."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from depthlm_ros.nodes.camera import parameters as camera_parameters
from depthlm_ros.nodes.depth import parameters

CONFIG = Path(__file__).resolve().parent.parent / "config"
TABLES = {
    "depthlm.yaml": parameters.PARAMETERS,
    "camera.yaml": camera_parameters.PARAMETERS,
}
ROWS = [(file, parameter) for file, table in TABLES.items() for parameter in table]


def text_of(file: str) -> str:
    """Return the content of a file of ``config/``."""
    return (CONFIG / file).read_text(encoding="utf-8")


def comment_above(file: str, name: str) -> str:
    """Return the comment lines right above a parameter of the YAML file, joined."""
    found = re.search(rf"((?: *#.*\n)+) *{name}:", text_of(file))
    return " ".join(line.strip(" #") for line in found[1].splitlines())


@pytest.mark.parametrize("file", TABLES)
def test_every_parameter_is_there_with_its_default(file):
    in_file = yaml.safe_load(text_of(file))["/**"]["ros__parameters"]
    declared = {parameter.name: parameter.default for parameter in TABLES[file]}
    assert in_file == declared
    assert {name: type(value) for name, value in in_file.items()} == {
        name: type(value) for name, value in declared.items()
    }


@pytest.mark.parametrize("file, parameter", ROWS, ids=lambda part: getattr(part, "name", part))
def test_comment_tells_unit_range_and_choices(file, parameter):
    comment = comment_above(file, parameter.name)
    if unit := re.match(r"\[\w+\]", parameter.description):
        assert unit[0] in comment
    if parameter.low is not None:
        high = parameter.high
        assert f"From {parameter.low:g} to {int(high) if high == int(high) else high}." in comment
    for choice in parameter.choices:
        assert f"'{choice}'" in comment


def test_fast_dds_profile_has_room_for_images():
    root = ElementTree.parse(CONFIG / "fastdds.xml").getroot()
    sizes = {node.tag.split("}")[1]: node.text for node in root.iter()}
    assert int(sizes["segment_size"]) == 64 * 2**20
    assert sizes["useBuiltinTransports"] == "false"
    assert sizes["intraprocess_delivery"] == "OFF"  # else two participants may deadlock


def test_rviz_view_shows_the_topics_of_the_node():
    from depthlm_ros.nodes.depth.obstacle_streams import OBSTACLES, SCAN
    from depthlm_ros.nodes.depth.publishers import TOPICS

    view = yaml.safe_load((CONFIG / "depthlm.rviz").read_text(encoding="utf-8"))
    displays = view["Visualization Manager"]["Displays"]
    shown = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    names = [*(topic for _, topic in TOPICS.values()), OBSTACLES, SCAN]
    offered = {topic.replace("~", "/depthlm") for topic in names}
    assert {"/depthlm/depth/image", "/depthlm/points", "/depthlm/markers"} <= shown & offered
    assert shown - offered == {"/image"}


def test_foxglove_layout_shows_the_topics_of_the_node():
    from depthlm_ros.nodes.depth.obstacle_streams import OBSTACLES, SCAN
    from depthlm_ros.nodes.depth.publishers import TOPICS

    layout = json.loads((CONFIG / "depthlm.foxglove.json").read_text(encoding="utf-8"))
    names = [*(topic for _, topic in TOPICS.values()), OBSTACLES, SCAN]
    offered = {topic.replace("~", "/depthlm") for topic in names}
    panels = layout["configById"]
    assert set(panels["3D!scene"]["topics"]) <= offered
    images = [
        panel["imageMode"]["imageTopic"] for name, panel in panels.items() if "Image" in name
    ]
    assert len(images) == 2 and set(images) <= offered
    assert panels["3D!scene"]["publish"]["pointTopic"] == "/depthlm/clearance_target"
