"""Parts of the node by hand: loading, hints, silence, focal lengths, clouds and depth images."""

from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.task import Future

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.common.conversions import (
    check_focal_lengths,
    depth_image,
    header_of,
)
from depthlm_ros.nodes.common.parameters import Parameters, unknown
from depthlm_ros.nodes.depth.bond import LifecycleBond
from depthlm_ros.nodes.depth.model_loading import ModelLoading
from depthlm_ros.nodes.depth.parameters import PARAMETERS
from depthlm_ros.nodes.depth.point_clouds import CloudPacker
from depthlm_ros.nodes.depth.statistics import Rate
from depthlm_ros.status import Code, StatusError

# -- loading ----------------------------------------------------------------------------------


class Loads:
    """A ModelLoading whose jobs end when the test says so."""

    def __init__(self):
        self.jobs, self.taken, self.failed, self.now = [], [], [], 0.0
        self.loading = ModelLoading(
            self._run,
            str,
            lambda model, seconds: self.taken.append((model, seconds)),
            self.failed.append,
            lambda: self.now,
        )

    def _run(self, call):
        self.jobs.append(Future())
        return self.jobs[-1]

    def end(self, index, model=None, error=None):
        """End a job."""
        self.jobs[index].set_result((model, error))


@pytest.fixture
def loads():
    return Loads()


def test_loading_ends_with_the_model_and_its_time(loads):
    loads.loading.begin(None)
    loads.now = 12.0
    assert loads.loading.is_running and "loading for 12 s" in loads.loading.why_no_model()
    loads.end(0, "model")
    assert loads.taken == [("model", 12.0)] and not loads.loading.is_running
    assert loads.loading.done.done() and loads.loading.why_no_model() == ""


def test_a_failure_says_why(loads):
    loads.loading.begin(None)
    loads.end(0, error=StatusError(Code.MODEL_NOT_READY, "no weights"))
    assert loads.failed == ["MODEL_NOT_READY: no weights"]
    assert "no weights" in loads.loading.why_no_model()


def test_what_was_given_up_is_dropped_when_it_comes(loads):
    loads.loading.begin(None)
    loads.loading.forget()
    assert not loads.loading.is_running
    loads.loading.begin(None)
    loads.end(0, "old")
    assert loads.taken == [] and loads.loading.is_running
    loads.end(1, "new")
    assert [model for model, _ in loads.taken] == ["new"]


def test_a_transition_waits_no_longer_than_a_manager(loads):
    async def late(future, until):
        raise StatusError(Code.DEADLINE, "late")

    loads.loading.begin(None)
    waits = loads.loading.wait(late)
    with pytest.raises(StopIteration):
        waits.send(None)
    assert loads.loading.is_running


# -- the bond ---------------------------------------------------------------------------------


def test_the_bond_is_formed_where_bondpy_is_and_ended_in_order(monkeypatch):
    import sys
    from types import ModuleType

    told = []

    class Bond:
        """As in bondpy."""

        def __init__(self, node, topic, bond_id):
            told.append((topic, bond_id))

        def __getattr__(self, name):
            return lambda *arguments: told.append((name, *arguments))

    package, module = ModuleType("bondpy"), ModuleType("bondpy.bondpy")
    module.Bond = Bond
    monkeypatch.setitem(sys.modules, "bondpy", package)
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", module)
    node = SimpleNamespace(get_name=lambda: "depthlm")
    bond = LifecycleBond(node, SimpleNamespace(wrap=lambda what, function: function))
    bond.form()
    bond.end()
    bond.end()
    assert told == [
        ("bond", "depthlm"),
        ("set_heartbeat_period", 0.1),
        ("set_heartbeat_timeout", 4.0),
        ("start",),
        ("shutdown",),
    ]


def test_without_bondpy_there_is_none(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "bondpy", None)
    log = SimpleNamespace(debug=lambda text: None)
    bond = LifecycleBond(SimpleNamespace(get_logger=lambda: log), None)
    bond.form()
    bond.end()


# -- parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "name", "words"),
    [
        ("active", "model", "deactivate the node, then clean it up"),
        ("active", "model", "set /depthlm deactivate`, then `ros2 lifecycle set /depthlm cleanup"),
        ("inactive", "model", "clean the node up first (`ros2 lifecycle set /depthlm cleanup`)"),
        ("active", "image_transport", "deactivate the node first"),
    ],
)
def test_the_hint_works_from_the_state_as_it_is(state, name, words):
    parameters = Parameters.__new__(Parameters)
    parameters._state, parameters._node_name = (lambda: state), "/depthlm"
    (table,) = [p for p in PARAMETERS if p.name == name]
    assert words in parameters._remedy(table.when)


def test_parameters_that_nobody_reads_are_found():
    given = ["model", "max_agee", "use_sim_time", "qos_overrides./x.depth", "lane"]
    assert unknown(given, [p.name for p in PARAMETERS]) == ["lane", "max_agee"]


# -- silence ----------------------------------------------------------------------------------


def test_the_usual_gap_of_a_slow_camera_is_its_median():
    rate = Rate()
    assert rate.usual_gap_s() == 0.0
    rate._times.extend([0.0, 3.0, 6.0, 16.0, 19.0])
    assert rate.usual_gap_s() == 3.0


# -- camera -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fx", "fy", "words"),
    [
        (500.0, 100.0, "must not differ by more than 4 : 1"),
        (1e-300, 500.0, "fx = 1e-300 px for 640 px"),
        (5e-324, 5e-324, "fx = 4.94066e-324 px"),
        (500.0, 1e300, "fy = 1e+300 px"),
    ],
)
def test_focal_lengths_that_no_lens_has_are_refused(fx, fy, words):
    with pytest.raises(StatusError, match="BAD_CAMERA_INFO") as caught:
        check_focal_lengths(PinholeCamera(fx, fy, 319.5, 239.5, 640, 480))
    assert words in caught.value.text


@pytest.mark.parametrize(("fx", "fy"), [(500.0, 500.0), (500.0, 250.0), (1.0, 1.0), (9e5, 9e5)])
def test_wide_long_and_anamorphic_lenses_pass(fx, fy):
    check_focal_lengths(PinholeCamera(fx, fy, 319.5, 239.5, 640, 480))


# -- outputs ----------------------------------------------------------------------------------


def depth_map_of(values):
    depth = np.array(values, np.float32)
    return DepthMap(depth, PinholeCamera(2.0, 2.0, 0.0, 0.0, depth.shape[1], depth.shape[0]))


def test_depth_in_millimetres_is_zero_where_nothing_can_be_said():
    depth_map = depth_map_of([[1.2344, 65.535, 65.536], [np.nan, np.inf, 0.0004]])
    image = depth_image(depth_map, "16UC1")
    assert (image.encoding, image.step, image.is_bigendian) == ("16UC1", 6, 0)
    found = np.frombuffer(bytes(image.data), "<u2").reshape(2, 3)
    assert found.tolist() == [[1234, 65535, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("step", "rows", "columns"), [(1, [0, 1, 2, 3, 4], [0, 1, 2]), (2, [0, 2, 4], [0, 2])]
)
def test_a_decimated_cloud_takes_every_step_th_point_as_it_is(step, rows, columns):
    values = np.arange(15, dtype=np.float32).reshape(5, 3) + 1
    depth_map, rgb = depth_map_of(values), np.zeros((5, 3, 3), np.uint8)
    cloud = CloudPacker().pack(depth_map, rgb, header_of(depth_map), None, step)
    points = np.frombuffer(bytes(cloud.data), "<f4").reshape(cloud.height, cloud.width, 4)
    assert (cloud.height, cloud.width) == (len(rows), len(columns))
    assert cloud.row_step == 16 * cloud.width
    assert points[..., 2].tolist() == values[np.ix_(rows, columns)].tolist()
    v, u = np.meshgrid(rows, columns, indexing="ij")
    assert points[..., 0] == pytest.approx(u / 2 * points[..., 2])
    assert points[..., 1] == pytest.approx(v / 2 * points[..., 2])


def test_a_step_of_three_takes_the_middle_of_each_square():
    values = np.arange(36, dtype=np.float32).reshape(6, 6) + 1
    depth_map, rgb = depth_map_of(values), np.zeros((6, 6, 3), np.uint8)
    cloud = CloudPacker().pack(depth_map, rgb, header_of(depth_map), None, 3)
    points = np.frombuffer(bytes(cloud.data), "<f4").reshape(2, 2, 4)
    assert points[..., 2].tolist() == values[1::3, 1::3].tolist()


def test_obstacle_clouds_of_some_and_of_no_points():
    from sensor_msgs_py.point_cloud2 import read_points
    from std_msgs.msg import Header

    from depthlm_ros.nodes.depth.obstacle_streams import obstacle_cloud

    some = obstacle_cloud(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), Header(frame_id="eye"))
    assert [tuple(point) for point in read_points(some)] == [(1, 2, 3), (4, 5, 6)]
    none = obstacle_cloud(np.zeros((0, 3)), Header(frame_id="eye"))
    assert (none.height, none.width, none.row_step, len(none.data)) == (1, 0, 0, 0)
    for cloud in (some, none):
        assert cloud.is_dense and cloud.header.frame_id == "eye" and cloud.point_step == 12
        assert [field.name for field in cloud.fields] == ["x", "y", "z"]
