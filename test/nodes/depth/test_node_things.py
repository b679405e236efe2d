"""Named things through the running node, and the action: feedback, cancelling, depth meanwhile."""

import math
import time

import pytest
from action_msgs.msg import GoalStatus
from chat_server import serving
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.action import ActionClient
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from depthlm_msgs.action import Ask
from depthlm_ros.status import Code

CUP = '[{"bbox_2d": [250, 250, 750, 750], "label": "cup"}]'
TWO = '[{"bbox_2d": [100, 250, 300, 750]}, {"bbox_2d": [600, 250, 900, 750]}]'
FORM = '{"task": "depth", "first": "cup", "second": "", "direction": ""}'
DEPTH_M = 1 + 2 * 200 / 255  # of the red of 200


@pytest.fixture(scope="module")
def finding(start_node):
    """Give a node whose model finds a cup and two chairs, and writes slowly."""
    model = {"kind": "finding", "boxes": {"cup": CUP, "chair": TWO}, "tokens": 60, "token_s": 0.03}
    model["form"] = FORM
    node, robot = start_node(model=model, max_age=60.0)
    client = ActionClient(robot.node, Ask, "depthlm/ask_action")
    return node, robot, client


def test_a_named_thing_is_measured_and_said(finding, tools):
    _, robot, _ = finding
    with robot.camera(image=tools.make_image(fill=200)):
        reply = robot.ask("What is the depth of the cup?", frame_id="camera")
    assert reply.success and reply.value == pytest.approx(DEPTH_M, rel=1e-3), reply.status
    (point,) = reply.evidence
    # the box's edges: 0.25 * 64 - 0.5 = 15.5 and 47.5; 11.5 and 35.5
    assert 16 <= point.pixel.u <= 47 and 12 <= point.pixel.v <= 35
    assert "Understood: cup at (" in reply.answer and reply.header.frame_id == "camera"


@pytest.mark.parametrize(
    "question, code, said",
    [
        ("How far is the dog?", Code.NOT_FOUND, "no 'dog' is found"),
        ("How far is the chair?", Code.AMBIGUOUS, "2 of 'chair' found"),
        ("How far is the chair behind me?", Code.UNSUPPORTED, "does not see what is behind"),
    ],
)
def test_what_cannot_be_told_apart_or_seen_is_refused(finding, tools, question, code, said):
    _, robot, _ = finding
    with robot.camera(image=tools.make_image(fill=200)):
        reply = robot.ask(question)
    assert (reply.status.code, said in reply.status.text) == (code, True), reply.status
    assert not reply.success and math.isnan(reply.value)


def test_the_model_reads_what_the_grammar_cannot(finding, tools):
    """Whatever it makes of it is said; with the parameter off it is not asked."""
    node, robot, _ = finding
    with robot.camera(image=tools.make_image(fill=200)):
        reply = robot.ask("Is the cup far?")
        assert reply.success and reply.task == "depth", reply.status
        assert reply.value == pytest.approx(DEPTH_M, rel=1e-3)
        assert reply.answer.startswith("Read as 'How far is the cup along the optical axis?' ")
        other = robot.ask("Is the chair far?").status
        assert other.code == Code.UNSUPPORTED and "'cup' is not a word" in other.text
        robot.set_parameters(model_reads_questions=False)
        off = robot.ask("Is the cup far?").status
        robot.set_parameters(model_reads_questions=True)
    assert off.code == Code.UNSUPPORTED and "not read it either" not in off.text


def test_a_server_beside_finds_and_its_latency_is_in_the_diagnostics(start_node, tools):
    with serving() as server:
        server.answers = [(500,), CUP]
        name = f"openai:m@{server.url}"
        _, robot = start_node(max_age=60.0, language_model=name)
        said = robot.listen(DiagnosticArray, "/diagnostics")

        def told(calls):
            statuses = [s for array in said for s in array.status if s.name.endswith("language")]
            values = [{v.key: v.value for v in status.values} for status in statuses]
            return [(s, v) for s, v in zip(statuses, values, strict=True) if v["calls"] == calls]

        with robot.camera(image=tools.make_image(fill=200)):
            reply = robot.ask("What is the depth of the cup?")
            assert reply.success and len(server.seen) == 2, reply.status  # the client tried again
            tools.wait_until(lambda: told("1"), "the first call in the diagnostics")
            server.answers = [(401,)]
            assert robot.ask("How far is the cup?").status.code == Code.MODEL_NOT_READY
            tools.wait_until(lambda: told("2"), "the second call in the diagnostics")
    status, values = told("1")[0]
    assert status.level == DiagnosticStatus.OK and values["failures"] == "0"
    assert values["model"] == name and 0 < float(values["latency p50 [ms]"]) < 20_000
    status, values = told("2")[0]
    assert status.level == DiagnosticStatus.WARN and "AuthenticationError" in status.message
    assert values["failures"] == "1" and "AuthenticationError" in values["last error"]


def test_depth_goes_on_while_the_model_writes(finding, tools):
    _, robot, _ = finding
    seen = robot.listen(Image, "depthlm/depth/image", qos_profile_sensor_data)
    with robot.camera(image=tools.make_image(fill=200)):
        tools.wait_until(lambda: seen, "a depth image")
        before, begin = len(seen), time.monotonic()
        reply = robot.ask("What do you see?")
        seconds, meanwhile = time.monotonic() - begin, len(seen) - before
    assert reply.success and reply.task == "free" and seconds > 1.0
    assert meanwhile >= 5, f"{meanwhile} depth images in {seconds:.1f} s of writing"


def test_a_reply_ends_at_its_deadline_and_the_next_one_is_answered(finding, tools):
    _, robot, _ = finding
    with robot.camera(image=tools.make_image(fill=200)):
        begin = time.monotonic()
        reply = robot.ask("What do you see?", deadline_s=0.5)
        assert reply.status.code == Code.DEADLINE
        assert robot.ask("How far is the image centre?").success
    assert time.monotonic() - begin < 20


def _goal(robot, tools, client, question, feedback, deadline_s=20.0):
    goal = Ask.Goal(question=question)
    tools.set_deadline(goal, deadline_s)
    sent = client.send_goal_async(goal, feedback_callback=feedback)
    tools.wait_until(sent.done, "the goal's acceptance")
    assert sent.result().accepted
    return sent.result()


def test_the_action_tells_its_stages_and_ends_with_the_answer(finding, tools):
    _, robot, client = finding
    tools.wait_until(client.server_is_ready, "ask_action")
    told = []
    with robot.camera(image=tools.make_image(fill=200)):
        goal = _goal(
            robot,
            tools,
            client,
            "What is the depth of the cup?",
            lambda message: told.append(message.feedback),
        )
        result = goal.get_result_async()
        tools.wait_until(result.done, "the result")
    answer = result.result()
    assert answer.status == GoalStatus.STATUS_SUCCEEDED, answer.result.status
    assert answer.result.value == pytest.approx(DEPTH_M, rel=1e-3)
    stages = [feedback.stage for feedback in told]
    assert set(stages) >= {"looking", "writing"} and all(0 <= f.progress <= 1 for f in told)
    assert max(f.progress for f in told if f.stage == "writing") > 0.1  # 60 tokens of 512


def test_a_cancelled_goal_ends_soon_and_says_so(finding, tools):
    _, robot, client = finding
    tools.wait_until(client.server_is_ready, "ask_action")
    told = []
    with robot.camera(image=tools.make_image(fill=200)):
        goal = _goal(
            robot,
            tools,
            client,
            "What do you see?",
            lambda message: told.append(message.feedback.stage),
        )
        tools.wait_until(lambda: "writing" in told, "the first token")
        begin, cancelled = time.monotonic(), goal.cancel_goal_async()
        result = goal.get_result_async()
        tools.wait_until(lambda: cancelled.done() and result.done(), "the end")
        seconds = time.monotonic() - begin
        assert robot.ask("How far is the image centre?").success
    answer = result.result()
    assert answer.status == GoalStatus.STATUS_CANCELED and seconds < 5
    assert not answer.result.success and math.isnan(answer.result.value)


def test_a_refused_goal_is_aborted_with_its_status(finding, tools):
    _, robot, client = finding
    tools.wait_until(client.server_is_ready, "ask_action")
    with robot.camera(image=tools.make_image(fill=200)):
        goal = _goal(robot, tools, client, "", lambda message: None)
        result = goal.get_result_async()
        tools.wait_until(result.done, "the result")
    answer = result.result()
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.status.code == Code.BAD_QUESTION
