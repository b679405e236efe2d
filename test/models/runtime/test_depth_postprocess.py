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
from depthlm_ros.models.base import CloudRequest, OnDevicePostprocess, PostprocessConfig
from depthlm_ros.models.runtime.cuda_graphs import GraphCache
from depthlm_ros.models.runtime.depth_postprocess import depth_discontinuities, postprocess

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
@pytest.mark.parametrize("cloud", [None, CloudRequest(None), CloudRequest(1.15)])
def test_the_device_does_what_the_host_does(size, with_valid, cloud):
    rng = np.random.default_rng(size[0])
    view = CanonicalView(CAMERA, CAMERA.resized(*size), 0.93)
    raw, rgb = steps(rng, size[1], size[0]), rng.integers(0, 256, (71, 97, 3), dtype=np.uint8)
    valid = rng.random((71, 97)) > 0.1 if with_valid else None
    config = PostprocessConfig(0.3, 9.0, cloud)
    done = postprocess(
        torch.from_numpy(raw),
        torch.from_numpy(rgb),
        view,
        config,
        torch.from_numpy(valid) if with_valid else None,
    )
    frame = Frame(rgb, CAMERA, valid=valid)
    expected = DepthEstimator(Given(raw, view), 0.3, 9.0).depth(frame)
    assert done[0].dtype == torch.float32
    for kind in (np.isnan, np.isposinf, np.isfinite):
        mine, theirs = kind(done[0].numpy()), kind(expected.depth_m)
        assert theirs.any() and (mine != theirs).sum() == 0
    # Beside a step of 12 m to 0.9 m the rounding of a weight is felt.
    np.testing.assert_allclose(done[0].numpy(), expected.depth_m, rtol=1e-4)
    assert len(done) == 1 + (cloud is not None)
    if cloud is not None:
        points = np.zeros((71, 97, 4), np.float32)
        pack_into(points, expected, rgb, cloud.edge_ratio)
        bits = done[1].numpy()
        assert bits.dtype == np.int32 and bits.flags.c_contiguous
        np.testing.assert_array_equal(bits[..., 3], points.view(np.int32)[..., 3])
        np.testing.assert_allclose(
            bits.view(np.float32)[..., :3], points[..., :3], rtol=1e-4, atol=1e-6
        )


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
    config = CloudRequest(1.15)
    expected = DepthEstimator(plain).depth(frame)
    mine = DepthEstimator(finishing).depth(frame, config)
    np.testing.assert_allclose(mine.depth_m, expected.depth_m, rtol=1e-4)
    assert (mine.stamp_ns, mine.frame_id, mine.edge_radius_px) == (
        5,
        "eye",
        expected.edge_radius_px,
    )
    assert mine.cloud.edge_ratio == 1.15 and expected.cloud is None
    assert np.isnan(mine.depth_m[:, :9]).all() and np.isfinite(mine.depth_m[:, 9:]).all()
    points, packed = (np.zeros((71, 97, 4), np.float32) for _ in range(2))
    pack_into(points, expected, frame.rgb, 1.15)
    pack_into(packed, mine, frame.rgb, 1.15)
    np.testing.assert_array_equal(packed.view(np.int32), mine.cloud.bits)
    np.testing.assert_allclose(packed[..., :3], points[..., :3], rtol=1e-4, atol=1e-5)
    assert DepthEstimator(finishing).depth(frame).cloud is None


def test_recorded_passes_are_the_passes(tiny_folder, tape_recorder):
    """Picture after picture, of two sizes, with and without a cloud, also after shrinking."""
    plain, recorded = (registry.load(str(tiny_folder), "cpu") for _ in range(2))
    recorded.graph_cache = GraphCache(tape_recorder, kept=3)
    cameras = [CAMERA, PinholeCamera(80.0, 80.0, 40.0, 30.0, 81, 61)]
    wishes = [PostprocessConfig(0.1, 50.0, CloudRequest(1.15)), PostprocessConfig(0.1, 50.0)]
    told = []
    recorded.stage_callback = recorded.module.stage_callback = told.append
    for round_, rgb in enumerate(pictures(4)):
        for camera, config in zip(cameras, wishes, strict=True):
            view = plain.view_of(camera)
            picture = np.ascontiguousarray(rgb[: camera.height, : camera.width])
            told.clear()
            mine, theirs = (m.postprocessed(picture, view, config) for m in (recorded, plain))
            np.testing.assert_array_equal(mine.depth_m, theirs.depth_m)
            assert (mine.cloud is None) == (config.cloud is None)
            if mine.cloud:
                np.testing.assert_array_equal(mine.cloud.bits, theirs.cloud.bits)
            assert (told == ["recorded"]) == (round_ > 1)
    assert len(recorded.graph_cache) == 2 and recorded.graph_cache.recorder is not None
    before = recorded.view_of(CAMERA)
    assert recorded.shrink() and len(recorded.graph_cache) == 0
    smaller = recorded.view_of(CAMERA)
    assert smaller.width * smaller.height < before.width * before.height
    for rgb in pictures(3):
        mine, theirs = (m.depth(rgb, smaller).copy() for m in (recorded, plain))
        np.testing.assert_array_equal(mine, theirs)


def test_a_recorded_frame_answers_questions_from_its_own_cache(tiny_folder, tape_recorder):
    plain = registry.load(str(tiny_folder), "cpu")
    recorded = registry.load(str(tiny_folder), "cpu", keep_frame=True)
    recorded.graph_cache = GraphCache(tape_recorder)
    view, reads = plain.view_of(CAMERA), []
    features = recorded.module.features
    for rgb in pictures(4):
        np.testing.assert_array_equal(recorded.depth(rgb, view), plain.depth(rgb, view))
        recorded.module.features = lambda *a, **k: reads.append(1) or features(*a, **k)
        for question in ("What is there?", "How far?"):
            expected = plain.reply(rgb, CAMERA, question, 12)
            assert recorded.reply(rgb, CAMERA, question, 12) == expected
        recorded.module.features = features
    assert reads == []  # all four images were read once only: by the pass for their depth
    assert recorded.graph_cache.recorder is not None and len(recorded.graph_cache) == 1
