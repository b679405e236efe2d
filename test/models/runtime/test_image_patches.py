"""Image path: sizes by hand, pixels against PIL, patches by arithmetic."""

import numpy as np
import pytest
import torch
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.depthvlm import published_preprocess
from depthlm_ros.models.runtime import image_patches
from depthlm_ros.models.runtime.image_patches import ImagePreprocessConfig, fit_to_multiple
from depthlm_ros.status import Code, StatusError

TINY = ImagePreprocessConfig(patch=2, merge=2, focal_px=100.0, min_pixels=16, max_pixels=10000)


@pytest.fixture(scope="module")
def photo():
    """Smooth shapes and hard edges, uint8 (240, 320, 3)."""
    y, x = np.mgrid[0:240, 0:320]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 23)], axis=-1)
    image = (127.5 + 127.5 * waves).astype(np.uint8)
    image[60:120, 80:200] = (255, 0, 30)
    return image


@pytest.mark.parametrize(
    "size, expected",
    [
        ((336, 252), (320, 256)),  # 10.5 -> 10 (half to even), 7.875 -> 8
        ((1219, 914), (1216, 928)),  # 38.09 -> 38, 28.56 -> 29
        ((400, 112), (512, 160)),  # 384 x 128 < 65536: by 1.2095 to 15.1 -> 16, 4.23 -> 5
        ((8000, 4000), (5792, 2880)),  # 32e6 > 2**24: shrink by 1.3811
    ],
)
def test_fit_to_multiple(size, expected):
    assert fit_to_multiple(*size, 32, 65536, 16777216) == expected


def test_fit_refuses_a_ribbon():
    with pytest.raises(StatusError, match="200 : 1") as refusal:
        fit_to_multiple(4100, 20, 32, 65536, 16777216)
    assert refusal.value.code == Code.BAD_IMAGE


def test_view_by_hand():
    camera = PinholeCamera(525.0, 500.0, 319.5, 239.5, 640, 480)
    view = image_patches.view_of(camera, ImagePreprocessConfig())
    assert (view.width, view.height) == (1216, 960)  # 1219.05 and exactly 960
    assert view.camera.fx == pytest.approx(525 * 1216 / 640)
    assert view.depth_scale == pytest.approx((0.9975 * 1.0) ** 0.5)


def test_published_view_goes_over_28():
    camera = PinholeCamera(525.0, 500.0, 319.5, 239.5, 640, 480)
    view = published_preprocess.published_view_of(camera, ImagePreprocessConfig())
    # fx for both axes: 1219 x 914; 28s: 43.54 -> 44, 32.64 -> 33: 1232 x 924; 38.5 -> 38, 29
    assert (view.width, view.height) == (1216, 928)
    assert view.depth_scale == 1.0


def test_limited_pixels_bound_the_view():
    path = ImagePreprocessConfig().limited(65536)
    camera = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)
    view = image_patches.view_of(camera, path)
    assert (view.width, view.height) == (288, 192)  # 295.6 x 221.7, rounded down
    assert view.depth_scale == pytest.approx((288 / 640 * 192 / 480) ** 0.5 * 0.525)
    assert (
        ImagePreprocessConfig().limited(None)
        == ImagePreprocessConfig().limited(10**9)
        == ImagePreprocessConfig()
    )


@pytest.mark.parametrize("size", [(160, 112), (224, 160), (352, 256)])
@pytest.mark.parametrize("kernel", [image_patches._bicubic, image_patches._bicubic_in_float])
def test_resize_is_pils(photo, size, kernel):
    expected = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))
    planes = torch.from_numpy(photo)[None].permute(0, 3, 1, 2)
    ours = kernel(planes, size[::-1]).permute(0, 2, 3, 1)[0].numpy()
    difference = np.abs(ours.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 0.1  # PIL rounds between its two passes, float does not
    through = image_patches.resize(torch.from_numpy(photo)[None], *size)[0].numpy()
    assert np.abs(through.astype(int) - expected).max() <= 1


def test_published_resize_is_the_demos(photo):
    ours = published_preprocess.published_resize(photo, 950.0, ImagePreprocessConfig())
    # 320 / 0.95 = 336.8 -> 337, 252.6 -> 253; 28s: 12.04 -> 12 and 9.04 -> 9
    demo = Image.fromarray(photo).resize((337, 253), Image.Resampling.BILINEAR)
    demo = demo.resize((336, 252), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(ours, np.asarray(demo))


def test_patches_hold_the_right_pixels():
    image = torch.zeros(1, 4, 8, 3, dtype=torch.uint8)
    for y in range(4):
        for x in range(8):
            image[0, y, x] = torch.tensor([10 * y + x, 100 + 10 * y + x, 255])
    patches, grid = image_patches.to_patches(image, TINY)
    assert grid == (2, 4)
    assert patches.shape == (1, 8, 12)
    grey = (patches[0] * 127.5 + 127.5).round().int().tolist()
    # token 0: patches at (0,0), (0,2), (2,0), (2,2); then token 1 at column 4
    assert grey[0] == [0, 1, 10, 11, 100, 101, 110, 111, 255, 255, 255, 255]
    assert grey[1][:4] == [2, 3, 12, 13]
    assert grey[2][:4] == [20, 21, 30, 31]
    assert grey[3][:4] == [22, 23, 32, 33]
    assert grey[4][:4] == [4, 5, 14, 15]


def test_patches_normalise_by_channel():
    path = ImagePreprocessConfig(
        patch=2,
        merge=1,
        focal_px=1.0,
        min_pixels=1,
        max_pixels=100,
        mean=(0.0, 0.5, 0.2),
        std=(1.0, 0.25, 0.1),
    )
    patches, _ = image_patches.to_patches(torch.full((1, 2, 2, 3), 51, dtype=torch.uint8), path)
    torch.testing.assert_close(patches[0, 0, ::4], torch.tensor([0.2, -1.2, 0.0]))


@pytest.mark.parametrize("shape", [(1, 6, 8, 3), (1, 8, 6, 3), (1, 0, 8, 3)])
def test_sides_must_be_whole_tokens(shape):
    with pytest.raises(StatusError, match="multiples of 4 px") as refusal:
        image_patches.to_patches(torch.zeros(shape, dtype=torch.uint8), TINY)
    assert refusal.value.code == Code.BAD_IMAGE


@pytest.mark.parametrize(
    "change",
    [
        {"patch": 0},
        {"focal_px": -5.0},
        {"std": (0.5, 0.0, 0.5)},
        {"min_pixels": 100, "max_pixels": 99},
    ],
)
def test_impossible_paths_are_refused(change):
    with pytest.raises(StatusError) as refusal:
        ImagePreprocessConfig(**change)
    assert refusal.value.code == Code.MODEL_ERROR
