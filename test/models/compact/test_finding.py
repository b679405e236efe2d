"""Things found by name: the thing head, its cells made into things, and the replies in JSON."""

import json

import numpy as np
import pytest
import torch

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.language.boxes import read_boxes
from depthlm_ros.models.base import COMPACT_BOXES, QWEN3_VL_BOXES, grounding_of, speaks
from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.detections import Detection, detections
from depthlm_ros.models.compact.finding import Request, classes_of, read_request, write_reply
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.models.compact.thing_head import ThingHead, cell_centres
from depthlm_ros.models.registry import load
from depthlm_ros.status import Code, StatusError
from depthlm_ros.training.compact.checkpoint import read_start, with_things, write_served
from depthlm_ros.training.compact.names import words

from .conftest import SMALL

CAMERA = PinholeCamera(125.0, 125.0, 79.5, 63.5, 160, 128)
THINGS = {"door": ["door", "doors"], "bin": ["bin", "bins", "trash can"], "chair": ["chair"]}


def _maps(*things):
    """Return probability (16, 20) and boxes (4, 16, 20) of cells at 4 px that show ``things``.

    Each: (first column, first row, end column, end row, probability), in cells.
    """
    probability, boxes = np.zeros((16, 20), np.float32), np.zeros((4, 16, 20), np.float32)
    for left, top, right, bottom, p in things:
        probability[top:bottom, left:right] = p
        sides = np.array([left, top, right, bottom], np.float32) * 4
        boxes[:, top:bottom, left:right] = sides[:, None, None]
    return probability, boxes


def test_cells_whose_boxes_agree_are_one_thing_and_neighbours_are_told_apart():
    found = detections(*_maps((2, 3, 6, 13, 0.9), (6, 3, 10, 13, 0.8)))
    assert found[0].box == pytest.approx((8, 12, 24, 52))
    assert found[1].box == pytest.approx((24, 12, 40, 52))
    assert len(found) == 2
    assert [thing.score for thing in found] == pytest.approx([0.9, 0.8])
    # of the cells 2..5 and 3..12 the middle is (3.5, 7.5): the first nearest is cell (3, 7)
    assert found[0].point == (3.5 * 4, 7.5 * 4)


@pytest.mark.parametrize("p, cells, count", [(0.64, 8, 0), (0.66, 8, 1), (0.9, 0, 0)])
def test_the_unsure_and_the_absent_are_not_found(p, cells, count):
    assert len(detections(*_maps((1, 1, 1 + cells, 9, p)))) == count


def test_what_lies_within_a_larger_thing_of_the_name_is_a_part_of_it():
    inside, beside = (12, 4, 15, 8, 0.95), (16, 4, 19, 8, 0.95)
    whole = (10, 3, 16, 13, 0.8)
    found = detections(*_maps(whole, inside, beside))
    np.testing.assert_allclose(
        [thing.box for thing in found], [(64, 16, 76, 32), (40, 12, 64, 52)], rtol=1e-5
    )


def test_a_box_follows_the_majority_of_its_cells():
    probability, boxes = _maps((2, 3, 6, 13, 0.9))
    boxes[2, 3, 2] += 4  # one cell of forty sees the right side 4 px farther
    (thing,) = detections(probability, boxes)
    assert thing.box == pytest.approx((8, 12, 24.1, 52))


@pytest.mark.parametrize(
    "prompt, name, point",
    [
        (QWEN3_VL_BOXES.prompt.format(name="trash can"), "trash can", False),
        ("Point to the door.", "door", True),
        ("Find all chairs.", "chairs", False),
        ("Locate the door, report point coordinates in JSON format.", "door", True),
    ],
)
def test_requests_are_read(prompt, name, point):
    assert read_request(prompt) == Request(name, point)


def test_other_prompts_are_no_requests():
    assert read_request("What is in this picture?") is None
    assert read_request("Point to the door. Then say 5 m.") is None


def test_names_mean_classes_by_every_word_of_theirs():
    assert classes_of("Trash  can", THINGS) == [1] and classes_of("doors", THINGS) == [0]
    assert classes_of("seat", {"sofa": ["sofa", "seat"], "bin": [], "chair": ["seat"]}) == [0, 2]


@pytest.mark.parametrize(
    "name, remedy",
    [("giraffe", "it knows: door, bin, chair"), ("red chair", "ask for the 'chair'")],
)
def test_what_was_not_learnt_is_not_called_absent(name, remedy):
    with pytest.raises(StatusError, match=remedy) as refused:
        classes_of(name, THINGS)
    assert refused.value.code is Code.UNSUPPORTED and repr(name) in refused.value.text


def test_replies_are_boxes_and_points_in_thousandths():
    right = Detection((80, 10, 100, 50), (90, 30), 0.9)
    found = [right, Detection((8, 12, 24, 52), (12, 30), 0.8)]
    boxes = json.loads(write_reply(Request("doors", False), found, 200, 100))
    assert [entry["bbox_2d"] for entry in boxes] == [[40, 120, 120, 520], [400, 100, 500, 500]]
    (point,) = json.loads(write_reply(Request("door", True), found, 200, 100))
    assert point == {"point_2d": [450, 300], "label": "door"}  # the surest alone
    assert write_reply(Request("door", True), [], 200, 100) == "[]"


def test_the_head_gives_scores_and_boxes_at_a_quarter_of_the_size():
    head = ThingHead([16, 24, 40, 112, 320], 3)
    pyramid = [
        torch.rand(2, c, 64 // s, 96 // s)
        for c, s in zip([16, 24, 40, 112, 320], (2, 4, 8, 16, 32), strict=True)
    ]
    probability, boxes = head.class_probabilities(pyramid)
    assert probability.shape == (2, 4, 16, 24) and boxes.shape == (2, 4, 16, 24)
    torch.testing.assert_close(probability.sum(1), torch.ones(2, 16, 24))
    u, v = cell_centres(16, 24, "cpu")
    assert (u[0, 0], u[0, -1], v[-1, 0]) == (2.0, 94.0, 62.0)
    assert (boxes[:, 0] < u).all() and (boxes[:, 3] > v).all()


@pytest.fixture(scope="module")
def finder(tokenizer, tmp_path_factory):
    """Serve a model whose thing head calls what is bright in the upper half a door."""
    torch.manual_seed(5)
    config = CompactConfig(vocab_size=len(tokenizer), things=THINGS, **SMALL)
    network = CompactModule(config).eval()
    folder = tmp_path_factory.mktemp("finder")
    write_served(folder, network, tokenizer, torch.float32, speaks=False)
    model = load(str(folder), "cpu")

    def maps(pyramid):
        probability = torch.zeros(1, 4, 32, 40)
        probability[:, 1, 4:20, 8:16] = 0.9
        boxes = torch.zeros(1, 4, 32, 40)
        boxes[:, :, 4:20, 8:16] = torch.tensor([32.0, 16.0, 64.0, 80.0])[:, None, None]
        return probability, boxes * pyramid[0].shape[-1] / 80

    model.module.things.class_probabilities = maps
    return model


@pytest.fixture
def rgb():
    return np.random.default_rng(2).integers(0, 256, (128, 160, 3), dtype=np.uint8)


def test_a_model_with_a_thing_head_finds_and_does_not_speak(finder):
    assert grounding_of(finder) is COMPACT_BOXES and not speaks(finder)


def test_a_reply_names_the_box_in_the_image_and_nothing_absent(finder, rgb):
    view = finder.view_of(CAMERA)
    assert (view.width, view.height) == (320, 256)  # twice the image
    reply = finder.reply(rgb, CAMERA, QWEN3_VL_BOXES.prompt.format(name="door"))
    (box,) = read_boxes(reply, 160, 128, (1000.0, 1000.0))
    # 64 to 128 of 320 px across, 32 to 160 of 256 px down: edges 32 to 64 and 16 to 80 px
    edges = np.array([box.left, box.top, box.right, box.bottom]) + 0.5
    np.testing.assert_allclose(edges, [32, 16, 64, 80], atol=0.2)
    assert finder.reply(rgb, CAMERA, "Point to the chair.") == "[]"


def test_a_model_that_does_not_write_says_so(finder, rgb):
    with pytest.raises(StatusError, match="not learned to write") as refused:
        finder.reply(rgb, CAMERA, "What do you see?")
    assert refused.value.code is Code.UNSUPPORTED


def test_depth_is_the_same_with_and_without_a_thing_head(network, tokenizer, tmp_path, rgb):
    wider = with_things(network)
    assert wider.config.things == words() and with_things(wider) is wider
    folders = [
        write_served(tmp_path / name, one, tokenizer, torch.float32)
        for name, one in (("plain", network), ("wider", wider))
    ]
    plain, finding = (load(str(folder), "cpu") for folder in folders)
    view = plain.view_of(CAMERA)
    np.testing.assert_array_equal(plain.depth(rgb, view), finding.depth(rgb, view))
    again, _ = read_start(tmp_path / "wider")
    for name, value in again.things.state_dict().items():
        torch.testing.assert_close(value, wider.things.state_dict()[name])
