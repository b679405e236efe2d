"""Models behind a server, against a small OpenAI-compatible one over real HTTP."""

import base64
import json
import logging

import cv2
import numpy as np
import pytest
from chat_server import serving

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.language.boxes import read_boxes
from depthlm_ros.models.adapters.openai_server import OpenAIServer, from_name
from depthlm_ros.models.base import PointDepthModel, grounding_of
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(800.0, 800.0, 799.5, 599.5, 1600, 1200)
KEY = "sk-secret-0123456789"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("DEPTHLM_OPENAI_API_KEY", KEY)
    with serving() as server:
        yield server


def rgb(width=1600, height=1200):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2] = (200, 30, 30)
    return picture


def sent_picture(request):
    url = request["messages"][0]["content"][0]["image_url"]["url"]
    kind, _, data = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def test_a_question_goes_with_the_picture_as_a_small_jpeg(server):
    server.answers = ["A red wall."]
    model = OpenAIServer("m", server.url)
    assert model.reply(rgb(), CAMERA, "What is there?", 33) == "A red wall."
    (request,) = server.seen
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("m", 33, 0.0)
    assert request["messages"][0]["content"][1] == {"type": "text", "text": "What is there?"}
    picture = sent_picture(request)
    assert picture.shape == (960, 1280, 3)  # 1600 x 1200 at a longest edge of 1280
    assert abs(picture[480, 300].astype(int) - (200, 30, 30)).max() < 12
    assert server.keys == [f"Bearer {KEY}"]
    assert model.statistics()["calls"] == 1 and model.statistics()["failures"] == 0


def test_boxes_in_pixels_are_of_the_picture_that_was_sent(server):
    model = OpenAIServer("m", server.url, boxes="qwen2.5", longest_edge=1000)
    width, height = model.shown_size(CAMERA)
    assert (width, height) == (1008, 756)  # 1000 x 750 in whole patches of 28
    server.answers = [json.dumps([{"bbox_2d": [0, 0, 504, 378], "label": "wall"}])]
    reply = model.reply(rgb(), CAMERA, grounding_of(model).prompt.format(name="wall"))
    assert sent_picture(server.seen[0]).shape == (756, 1008, 3)
    (box,) = read_boxes(reply, 1600, 1200, (width, height))
    assert (box.right, box.bottom) == pytest.approx((799.5, 599.5))
    assert grounding_of(OpenAIServer("m", server.url)).scale == (1000.0, 1000.0)
    assert grounding_of(OpenAIServer("m", server.url, boxes="none")) is None


def test_distances_are_read_at_a_marker_of_20_px_several_at_a_time(server):
    server.answers = [
        "<think> The point is around 2.50 meters away. </think>\n\n<answer> 2.50 </answer>"
    ]
    model = OpenAIServer("m", server.url)
    assert isinstance(model, PointDepthModel)
    readings = model.distances(rgb(), CAMERA, [(800, 600), (400, 300)])
    assert [reading.distance_m for reading in readings] == [2.5, 2.5]
    pictures = [sent_picture(request) for request in server.seen]
    marked = [
        np.argwhere(
            (p[..., 0] > 180)
            & (p[..., 1] < 100)
            & (p[..., 2] < 100)
            & (np.arange(1280)[None, :] > 645)
        )
        for p in pictures
    ]
    assert all("red arrow" in r["messages"][0]["content"][1]["text"] for r in server.seen)
    # the target at (640, 480): the arrow lies to its left, 20 px long, on red; differences tell
    plain = sent_picture(
        {
            "messages": [
                {
                    "content": [
                        {"image_url": {"url": model._encoded(model._resized(rgb(), CAMERA))}}
                    ]
                }
            ]
        }
    ).astype(int)
    changed = [np.argwhere(np.abs(p - plain).sum(-1) > 60) for p in pictures]
    columns = sorted(c[:, 1].max() - c[:, 1].min() for c in changed if len(c))
    assert columns and columns[-1] <= 40 and len(marked) == 2


@pytest.mark.parametrize(
    "words, reason",
    [
        ("about 2.5 m or 3 m", "2 numbers"),
        ("I cannot tell.", "0 numbers"),
        ("<answer> -1 </answer>", "non-negative"),
    ],
)
def test_what_is_no_distance_is_none(server, words, reason):
    server.answers = [words]
    (reading,) = OpenAIServer("m", server.url).distances(rgb(), CAMERA, [(800, 600)])
    assert np.isnan(reading.distance_m) and reason in reading.reason


def test_a_server_that_fails_at_first_is_asked_again(server):
    server.answers = [(503,), (429,), "At last."]
    model = OpenAIServer("m", server.url, retries=3)
    assert model.reply(rgb(64, 48), PinholeCamera(50, 50, 31.5, 23.5, 64, 48), "?") == "At last."
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    "answer, code, words",
    [
        ((500,), Code.MODEL_ERROR, "failed"),
        ((429,), Code.BUSY, "busy"),
        ((401,), Code.MODEL_NOT_READY, "refuses the key: set DEPTHLM_OPENAI_API_KEY"),
        ((404,), Code.MODEL_NOT_READY, "no such model"),
        ((200, 3.0), Code.DEADLINE, "in time"),
        (None, Code.MODEL_ERROR, "no text"),
    ],
)
def test_failures_have_a_status_and_never_show_the_key(server, caplog, answer, code, words):
    server.answers = [answer]
    caplog.set_level(logging.DEBUG)
    model = OpenAIServer("m", server.url, retries=0, timeout_s=0.5)
    with pytest.raises(StatusError) as caught:
        model.reply(rgb(64, 48), PinholeCamera(50, 50, 31.5, 23.5, 64, 48), "What?")
    assert (caught.value.code, words in caught.value.text) == (code, True), caught.value
    told = caught.value.text + model.statistics()["last_error"] + repr(vars(caught.value))
    assert KEY not in told + caplog.text and model.statistics()["failures"] == 1


def test_a_server_that_is_not_there_says_so(server):
    with pytest.raises(StatusError, match="cannot be reached") as caught:
        OpenAIServer("m", "http://127.0.0.1:9/v1", retries=0).reply(
            rgb(64, 48), PinholeCamera(50, 50, 31.5, 23.5, 64, 48), "?"
        )
    assert caught.value.code == Code.MODEL_NOT_READY


def test_json_of_a_schema_is_asked_for_without_a_picture(server):
    schema, server.answers = {"type": "object"}, ['{"task": "none"}']
    model = OpenAIServer("m", server.url, retries=0)
    assert model.write_json("Which?", schema, 40) == '{"task": "none"}'
    (asked,) = server.seen
    assert asked["messages"] == [{"role": "user", "content": "Which?"}]
    assert asked["response_format"]["json_schema"]["schema"] == schema
    assert asked["max_tokens"] == 40


def test_a_server_that_knows_no_schema_is_asked_without_one_from_then_on(server):
    server.answers = [(400,), "{}"]
    model = OpenAIServer("m", server.url, retries=0)
    assert model.write_json("Which?", {}) == model.write_json("Which?", {}) == "{}"
    assert ["response_format" in asked for asked in server.seen] == [True, False, False]
    server.answers = [(500,)]
    with pytest.raises(StatusError) as caught:
        model.write_json("Which?", {})
    assert caught.value.code == Code.MODEL_ERROR


def test_names_and_options_that_make_no_sense_are_refused():
    assert from_name("openai:org/m@http://h:1/v1", boxes="none").name == "openai:org/m"
    for name in ("openai:m", "openai:@http://h/v1", "openai:m@h/v1"):
        with pytest.raises(StatusError) as caught:
            from_name(name)
        assert caught.value.code == Code.MODEL_NOT_READY
    with pytest.raises(StatusError, match="boxes = 'x'"):
        OpenAIServer("m", "http://h/v1", boxes="x")
