"""Finishing on the device is finishing on the host: numpy and OpenCV are the independent route."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.point_cloud import pack_into
from depthlm_ros.models import registry
from depthlm_ros.models.base import OnDevicePostprocess, PostprocessConfig
from depthlm_ros.models.runtime.depth_postprocess import (
    NewestMap,
    depth_discontinuities,
    postprocess,
)
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(70.0, 66.0, 50.3, 36.1, 97, 71)


class Given:
    """A dense model that says a given map."""

    name, ratio_90 = "given", 1.3

    def __init__(self, depth, view):
        self._depth, self._view = depth, view

    def view_of(self, camera):
        """Return the one view."""
        return self._view

    def depth(self, rgb, view):
        """Return the map as a model does."""
        return np.where(np.isfinite(self._depth) & (self._depth > 0), self._depth, np.nan)


def steps(rng, height, width):
    """Return a map of flat pieces with steps, and with everything a network may say wrongly."""
    depth = rng.uniform(0.02, 12.0, (height // 8 + 1, width // 8 + 1)).astype(np.float32)
    depth = np.kron(depth, np.ones((8, 8), np.float32))[:height, :width].copy()
    depth += rng.uniform(0.0, 0.05, depth.shape).astype(np.float32)
    for bad in (np.nan, np.inf, 0.0, -2.0):
        depth[rng.integers(height), rng.integers(width)] = bad
    return depth


@pytest.mark.parametrize("size", [(190, 140), (64, 48), (97, 71)])
@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("edge_ratio", [None, 1.15])
def test_the_device_does_what_the_host_does(size, with_valid, edge_ratio):
    rng = np.random.default_rng(size[0])
    view = CanonicalView(CAMERA, CAMERA.resized(*size), 0.93)
    raw, rgb = steps(rng, size[1], size[0]), rng.integers(0, 256, (71, 97, 3), dtype=np.uint8)
    valid = rng.random((71, 97)) > 0.1 if with_valid else None
    done = postprocess(
        torch.from_numpy(raw),
        view,
        PostprocessConfig(0.3, 9.0),
        torch.from_numpy(valid) if with_valid else None,
    )
    frame = Frame(rgb, CAMERA, valid=valid)
    expected = DepthEstimator(Given(raw, view), 0.3, 9.0).depth(frame)
    assert done.dtype == torch.float32
    for kind in (np.isnan, np.isposinf, np.isfinite):
        mine, theirs = kind(done.numpy()), kind(expected.depth_m)
        assert theirs.any() and (mine != theirs).sum() == 0
    # Beside a step of 12 m to 0.9 m the rounding of a weight is felt.
    np.testing.assert_allclose(done.numpy(), expected.depth_m, rtol=1e-4)
    newest, points = NewestMap(), np.zeros((71, 97, 4), np.float32)
    number = newest.hold(done, torch.from_numpy(rgb), view)
    pack_into(points, expected, rgb, edge_ratio)
    bits = newest.packed(number, edge_ratio).numpy()
    assert bits.dtype == np.int32 and bits.flags.c_contiguous
    np.testing.assert_array_equal(bits[..., 3], points.view(np.int32)[..., 3])
    np.testing.assert_allclose(
        bits.view(np.float32)[..., :3], points[..., :3], rtol=1e-4, atol=1e-6
    )


def test_only_the_newest_map_is_held():
    view = CanonicalView(CAMERA, CAMERA, 1.0)
    depth, rgb = torch.ones(71, 97), torch.zeros(71, 97, 3, dtype=torch.uint8)
    newest, other = NewestMap(), NewestMap()
    first, second = newest.hold(depth, rgb, view), newest.hold(2 * depth, rgb, view)
    assert newest.packed(first, None) is None
    cloud = newest.packed(second, None).numpy().view(np.float32)
    np.testing.assert_array_equal(cloud[..., 2], np.full((71, 97), 2.0, np.float32))
    assert other.hold(depth, rgb, view) not in (first, second)  # of another process
    newest.forget()
    assert newest.packed(second, None) is None


def test_edges_by_hand_up_to_the_border():
    depth = torch.tensor([[1.0, 1.0, 1.0, 2.0], [1.0, float("nan"), float("inf"), 2.0]])
    expected = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 1]], dtype=torch.bool)
    assert torch.equal(depth_discontinuities(depth, 1.5, 1), expected)
    assert not depth_discontinuities(depth, 2.5, 1).any()
    wide = depth_discontinuities(depth, 1.5, 2)
    assert torch.equal(wide, torch.tensor([[0, 1, 1, 1], [0, 0, 0, 1]], dtype=torch.bool))
    mapped = DepthMap(depth.numpy(), PinholeCamera(1.0, 1.0, 0.0, 0.0, 4, 2), edge_radius_px=2)
    np.testing.assert_array_equal(mapped.depth_discontinuities(1.5), wide.numpy())


def pictures(count, width=97, height=71):
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("published", [False, True])
def test_a_model_finishes_as_the_estimator_does(tiny_folder, published):
    options = {"published_preprocessing": published}
    plain = registry.load(str(tiny_folder), "cpu", **options)
    finishing = registry.load(str(tiny_folder), "cpu", **options)
    assert (
        isinstance(finishing, OnDevicePostprocess) and not finishing.postprocesses
    )  # on a CPU it is not
    finishing.postprocesses = True
    valid = np.ones((71, 97), bool)
    valid[:, :9] = False
    camera = replace(CAMERA, fx=66.0)  # the published way knows one focal length only
    frame = Frame(pictures(1)[0], camera, 5, "eye", valid)
    expected = DepthEstimator(plain).depth(frame)
    mine = DepthEstimator(finishing).depth(frame)
    np.testing.assert_allclose(mine.depth_m, expected.depth_m, rtol=1e-4)
    assert (mine.stamp_ns, mine.frame_id, mine.edge_radius_px) == (
        5,
        "eye",
        expected.edge_radius_px,
    )
    assert expected.pack_on_device is None
    assert np.isnan(mine.depth_m[:, :9]).all() and np.isfinite(mine.depth_m[:, 9:]).all()
    points, packed = (np.zeros((71, 97, 4), np.float32) for _ in range(2))
    for edge_ratio in (1.15, None):
        pack_into(points, expected, frame.rgb, edge_ratio)
        pack_into(packed, mine, frame.rgb, edge_ratio)
        np.testing.assert_array_equal(packed.view(np.int32), mine.pack_on_device(edge_ratio))
        np.testing.assert_allclose(packed[..., :3], points[..., :3], rtol=1e-4, atol=1e-5)
    # The next map replaces it on the device; the host then packs what it has.
    DepthEstimator(finishing).depth(replace(frame, rgb=pictures(2)[1]))
    assert mine.pack_on_device(1.15) is None
    pack_into(points, mine, frame.rgb, None)
    np.testing.assert_array_equal(points[..., :3], packed[..., :3])


def test_a_map_whose_models_process_has_ended_is_packed_on_the_host(tiny_folder):
    model = registry.load(str(tiny_folder), "cpu")
    model.postprocesses = True
    depth_map = DepthEstimator(model).depth(Frame(pictures(1)[0], CAMERA))

    def ended(*_):
        raise StatusError(Code.MODEL_NOT_READY, "another process starts")

    model.packed_cloud = ended
    points = np.zeros((71, 97, 4), np.float32)
    pack_into(points, depth_map, pictures(1)[0], None)
    np.testing.assert_array_equal(points[..., 2], depth_map.depth_m)


def test_an_image_is_read_once_for_its_depth_and_its_questions(tiny_folder):
    plain = registry.load(str(tiny_folder), "cpu")
    keeping = registry.load(str(tiny_folder), "cpu", keep_frame=True)
    view, reads = plain.view_of(CAMERA), []
    features = keeping.module.features
    for rgb in pictures(2):
        np.testing.assert_array_equal(keeping.depth(rgb, view), plain.depth(rgb, view))
        keeping.module.features = lambda *a, **k: reads.append(1) or features(*a, **k)
        for question in ("What is there?", "How far?"):
            expected = plain.reply(rgb, CAMERA, question, 12)
            assert keeping.reply(rgb, CAMERA, question, 12) == expected
        keeping.module.features = features
    assert reads == []  # by the pass for its depth alone
