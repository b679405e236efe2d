"""Regions as masks and messages; detections of vision_msgs, played by classes of its fields."""

import asyncio
import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Pose, PoseWithCovariance, Vector3
from std_msgs.msg import Header

from depthlm_msgs.msg import Pixel, Region
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.rectify import CameraModel, Rectifier
from depthlm_ros.nodes.depth import detections
from depthlm_ros.nodes.depth.region_messages import measure_all, region_mask
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(100.0, 100.0, 50.0, 40.0, 101, 81)


def frame_depth(ratio_90=1.1):
    """Return a wall at 4 m and a plate at 2 m: columns 20 to 40, rows 20 to 60."""
    depth = np.full((81, 101), 4.0, np.float32)
    depth[20:61, 20:41] = 2.0
    model = CameraModel(101, 81, tuple(CAMERA.matrix.ravel()))
    frame = Frame(np.zeros((81, 101, 3), np.uint8), CAMERA, 7, "camera")
    depth_map = DepthMap(depth, CAMERA, ratio_90=ratio_90)
    return SimpleNamespace(depth_map=depth_map, frame=frame, rectifier=Rectifier(model, 101, 81))


def region(kind=Region.BOX, u=0.0, v=0.0, u1=0.0, v1=0.0, radius=0.0):
    return Region(kind=kind, pixel=Pixel(u=u, v=v), corner=Pixel(u=u1, v=v1), radius=radius)


def test_a_box_is_cut_at_the_image_whatever_its_corners():
    seen = frame_depth()
    assert region_mask(region(u=-1e300, v=-5.0, u1=1e300, v1=200.0), seen).all()
    assert region_mask(region(u=40.0, v=60.0, u1=20.0, v1=20.0), seen).sum() == 21 * 41
    for outside in (region(u=-9.0, u1=-2.0, v1=9.0), region(u=101.0, u1=140.0, v1=9.0)):
        assert not region_mask(outside, seen).any()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (region(u=math.nan), "must be finite"),
        (region(v1=math.inf), "must be finite"),
        (region(kind=Region.POINT, radius=-1.0), "radius = -1 px"),
        (region(kind=Region.POINT, radius=math.nan), "radius = nan px"),
        (region(kind=9), "kind = 9"),
    ],
)
def test_what_is_no_region_is_refused_alone(wrong, words):
    plate = region(u=20.0, v=20.0, u1=40.0, v1=60.0)
    found, gaps = measure_all([plate, wrong, plate], True, frame_depth(), np.asarray)
    assert [one.status.code for one in found] == [Code.OK, Code.BAD_QUESTION, Code.OK]
    assert words in found[1].status.text and math.isnan(found[1].depth)
    assert [gap.status.code for gap in gaps] == [Code.BAD_QUESTION, Code.OK]
    with pytest.raises(StatusError, match="must be|radius|kind"):
        measure_all([wrong, wrong], True, frame_depth(), np.asarray)


# -- vision_msgs, field by field as in its .msg files (4.1.1) -------------------------------------


@dataclass
class Hypothesis:
    """ObjectHypothesis."""

    class_id: str = ""
    score: float = 0.0


@dataclass
class ObjectHypothesisWithPose:
    """A class and where the thing is."""

    hypothesis: Hypothesis = field(default_factory=Hypothesis)
    pose: PoseWithCovariance = field(default_factory=PoseWithCovariance)


@dataclass
class BoundingBox3D:
    """A box in space."""

    center: Pose = field(default_factory=Pose)
    size: Vector3 = field(default_factory=Vector3)


@dataclass
class Detection3D:
    """A thing in space."""

    header: Header = field(default_factory=Header)
    results: list = field(default_factory=list)
    bbox: BoundingBox3D = field(default_factory=BoundingBox3D)
    id: str = ""


@dataclass
class Detection3DArray:
    """Things in space."""

    header: Header = field(default_factory=Header)
    detections: list = field(default_factory=list)


MESSAGES = SimpleNamespace(
    Detection3D=Detection3D,
    Detection3DArray=Detection3DArray,
    ObjectHypothesisWithPose=ObjectHypothesisWithPose,
)


def detection(x, y, width, height, theta=0.0, name="cup", score=0.9, **more):
    centre = SimpleNamespace(position=SimpleNamespace(x=x, y=y), theta=theta)
    box = SimpleNamespace(center=centre, size_x=width, size_y=height)
    results = [
        ObjectHypothesisWithPose(Hypothesis("noise", 0.1)),
        ObjectHypothesisWithPose(Hypothesis(name, score)),
    ]
    return SimpleNamespace(bbox=box, results=results, id=more.get("id", ""))


def test_a_detection_of_the_whole_image_is_all_its_pixels():
    """Edges at 0 and 101: the outermost pixels' outer edges, 0.5 px beyond their centres."""
    box = detections.region_of(detection(50.5, 40.5, 101.0, 81.0))
    assert (box.pixel.u, box.pixel.v, box.corner.u, box.corner.v) == (-0.5, -0.5, 100.5, 80.5)
    assert region_mask(box, frame_depth()).all() and box.label == "cup"


def test_of_a_turned_detection_the_upright_box_is_taken():
    box = detections.region_of(detection(50.5, 40.5, 20.0, 10.0, theta=math.pi / 2))
    assert (box.corner.u - box.pixel.u, box.corner.v - box.pixel.v) == pytest.approx((10, 20))


class Pair(detections.Detections):
    """The pair of topics without a node."""

    def __init__(self, seen):
        self.sent, self.asked_stamps, self.warned = [], [], []
        values = SimpleNamespace(deadline=1.0)
        self._node = SimpleNamespace(
            parameters=SimpleNamespace(values=values),
            get_logger=lambda: SimpleNamespace(warning=self.warned.append),
        )
        self._publisher = SimpleNamespace(publish=self.sent.append)
        self._scheduler = SimpleNamespace(
            fresh_depth=self._depth,
            check_fresh=lambda _: 0.0,
            statistics=SimpleNamespace(answers=dict.fromkeys([c.name for c in Code], 0)),
        )
        self._regions = SimpleNamespace(measure=self._measure, show=lambda *_: None)
        self._messages, self._warned_at_s, self._seen = MESSAGES, {}, seen

    async def _depth(self, until, stamp):
        self.asked_stamps.append(stamp)
        if self._seen is None:
            raise StatusError(Code.NO_FRAME, "it is gone")
        return self._seen

    async def _measure(self, regions, gaps, seen, back, until):
        return measure_all(regions, gaps, seen, back)

    def answer(self, frame_id, *found):
        """Answer an array."""
        header = Header(frame_id=frame_id)
        header.stamp.nanosec = 7
        asyncio.run(self._answer(SimpleNamespace(header=header, detections=list(found))))
        return self.sent[-1] if self.sent else None


def test_detections_come_back_in_metres_with_their_ids_and_names():
    pair = Pair(frame_depth())
    plate = detection(30.5, 40.5, 25.0, 45.0, id="a")
    nowhere = detection(400.0, 40.0, 10.0, 10.0, id="b")
    wall = detection(80.0, 40.0, 20.0, 20.0, id="c", name="wall")
    made = pair.answer("camera", plate, nowhere, wall)
    assert pair.asked_stamps == [7] and made.header.stamp.nanosec == 7
    assert made.header.frame_id == "camera"
    assert [one.id for one in made.detections] == ["a", "c"]  # what has no depth is left out
    first = made.detections[0]
    assert [r.hypothesis.class_id for r in first.results] == ["noise", "cup"]
    # The plate's middle pixel is (30, 40): x = (30 - 50) / 100 * 2.
    at = first.results[1].pose.pose.position
    assert (at.x, at.y, at.z) == pytest.approx((-0.4, 0.0, 2.0))
    assert first.bbox.center.position.z == pytest.approx(2.0)
    assert first.bbox.size.x == pytest.approx(0.36, abs=0.03)
    assert made.detections[1].results[1].pose.pose.position.z == pytest.approx(4.0)
    # 90 % within 2 / 1.1 to 2.2 m: a deviation of (2.2 - 1.818) / 3.29 = 0.116 m in z.
    covariance = np.array(first.results[1].pose.covariance).reshape(6, 6)
    assert math.sqrt(covariance[2, 2]) == pytest.approx(0.116, abs=0.001)
    assert covariance[0, 2] == pytest.approx(-0.2 * covariance[2, 2])
    assert pair._scheduler.statistics.answers["OK"] == 1


def test_without_an_interval_the_covariance_is_zero():
    made = Pair(frame_depth(math.nan)).answer("", detection(30.5, 40.5, 25.0, 45.0))
    assert not np.any(made.detections[0].results[0].pose.covariance)


def test_no_detections_are_answered_by_none():
    assert Pair(frame_depth()).answer("camera").detections == []


@pytest.mark.parametrize(
    ("seen", "frame_id", "count", "words"),
    [
        (None, "camera", 1, "it is gone"),
        (frame_depth(), "rear", 1, "must be of this camera's, 'camera'"),
        (frame_depth(), "camera", 257, "at most 256"),
    ],
)
def test_nothing_is_sent_of_what_cannot_be_measured_and_it_is_told_once(
    seen, frame_id, count, words
):
    pair = Pair(seen)
    for _ in range(2):
        assert pair.answer(frame_id, *[detection(30.0, 40.0, 9.0, 9.0)] * count) is None
    assert len(pair.warned) == 1 and words in pair.warned[0]


def test_where_vision_msgs_is_missing_there_is_no_pair(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vision_msgs", None)
    assert detections.offer_detections(None, None, None, None) is None
