"""The node's parameters revision and model_options: every way to write a list, and wrong ones."""

import pytest
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters

from depthlm_ros.status import Code

PIXEL = (31.5, 23.5)
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def options_of(robot):
    """Return the texts of the parameter model_options as the node's service tells them."""
    request = GetParameters.Request(names=["model_options"])
    (value,) = robot.call(GetParameters, "depthlm/get_parameters", request).values
    assert value.type == ParameterType.PARAMETER_STRING_ARRAY
    return list(value.string_array_value)


def params_file(folder, *lines):
    """Write a params_file as people do; returns its path."""
    file = folder / "depthlm.yaml"
    file.write_text("/**:\n  ros__parameters:\n" + "".join(f"    {line}\n" for line in lines))
    return file


@pytest.mark.parametrize(
    "line, parameters, texts",
    [
        ("max_age: 1.0", {}, []),
        ("model_options: []", {}, []),
        ("model_options: ['']", {}, []),
        ("model_options: [a=b, 'c=d:e']", {}, ["a=b", "c=d:e"]),
        ("model_options: [a=b]", {"model_options": ["c=d"]}, ["c=d"]),
        ("model_options: [a=b]", {"model_options": [""]}, []),
        ("model_options: [a=b]", {"model_options": []}, ["a=b"]),  # ROS 2 overlooks an empty list
    ],
)
def test_a_list_at_the_start(start_node, tools, tmp_path, line, parameters, texts):
    file = params_file(tmp_path, line)
    _, robot = start_node(wait=False, params_file=file, autostart=False, **parameters)
    assert options_of(robot) == texts


def test_a_list_that_changes(start_node, tools):
    _, robot = start_node(wait=False, autostart=False)
    for value in (["a=b"], [], ["c=d", ""], [""], ["e=f"]):  # [] comes as a list of bytes
        assert robot.set_parameters(model_options=value) == (True, "")
        assert options_of(robot) == [text for text in value if text]
    for value in ("a=b", [True], [1, 2], 3, ["a\nb"], ["x" * 201], ["a=b"] * 65):
        successful, reason = robot.set_parameters(model_options=value)
        assert not successful and reason.startswith("model_options") and "must be" in reason
        assert options_of(robot) == ["e=f"]
    request = DescribeParameters.Request(names=["model_options"])
    (told,) = robot.call(DescribeParameters, "depthlm/describe_parameters", request).descriptors
    assert "`depthlm models --options`" in told.description
    assert "clean the node up first" in told.description


def test_options_and_revision_reach_the_model(start_node, tools, tmp_path):
    file = params_file(tmp_path, "revision: v2", "model_options:", "  - max_pixels=5000")
    node, robot = start_node(params_file=file)
    node.wait_for_log(r"revision 'v2' options \{'max_pixels': 5000\}")
    for change in ({"model_options": ["keep_frame=true"]}, {"revision": "v3"}):
        successful, reason = robot.set_parameters(**change)
        assert not successful and "deactivate the node, then clean it up" in reason
    assert robot.change(DEACTIVATE) and robot.change(CLEANUP)
    assert robot.set_parameters(model_options=["keep_frame=true"], revision="") == (True, "")
    assert robot.change(CONFIGURE) and robot.change(ACTIVATE)
    node.wait_for_log(r"revision '' options \{'keep_frame': True\}")


@pytest.mark.parametrize(
    "text, said",
    [
        ("style=plain", "style = 'plain': is of DepthLM alone, and this model is a DepthVLM"),
        ("colour=red", "'colour': there is no such option; a DepthVLM has max_pixels"),
        ("max_pixels=many", "max_pixels = 'many': must be a whole number"),
        ("max_pixels", "'max_pixels': must be name=value"),
        ("device=cpu", "the node's parameter device"),
    ],
)
def test_a_wrong_option_fails_configure_and_can_be_corrected(start_node, tools, text, said):
    node, robot = start_node(wait=False, model_options=[text], max_age=60.0)
    node.wait_for_log(r"cannot configure: MODEL_NOT_READY: model option ")
    (line,) = [line for line in node.log.read_text().splitlines() if "cannot configure" in line]
    assert said in line and "Traceback" not in node.log.read_text()
    assert robot.state() == "unconfigured"
    reply = robot.ask("How far is this point?", PIXEL)
    assert reply.status.code == Code.MODEL_NOT_READY and said in reply.status.text
    assert not robot.change(CONFIGURE) and node.is_alive()
    assert robot.set_parameters(model_options=["max_pixels=5000"]) == (True, "")
    assert robot.change(CONFIGURE) and robot.change(ACTIVATE)
    robot.meet(node)
    with robot.camera():
        assert robot.query(PIXEL).status.code == Code.OK


@pytest.mark.parametrize("value", ["style=plain", [True], 7])
def test_what_is_no_list_of_texts_ends_the_start_with_the_rule(start_node, tools, value):
    node, _ = start_node(wait=False, model_options=value)
    assert node.process.wait(tools.WAIT_S) == 2
    log = node.log.read_text()
    assert "must be a list of texts, as in ['a', 'b']" in log and "Traceback" not in log
