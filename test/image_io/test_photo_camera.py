"""Photographs with their cameras: which source wins, what is said, what is scaled."""

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.geometry.rectify import CameraModel, Rectifier
from depthlm_ros.geometry.resized import ResizedRectifier, resized_lens
from depthlm_ros.image_io.photo_camera import CameraChoice, open_photograph, picture_files
from depthlm_ros.status import Code, StatusError

BARREL = (-0.3, 0.1, 0.001, -0.002, 0.0)


@pytest.fixture
def photo(tmp_path):
    """Return a function that writes a picture of a size with EXIF."""

    def write(name="p.jpg", size=(400, 300), **tags):
        rng = np.random.default_rng(3)
        exif = Image.Exif()
        exif[0x0112] = tags.pop("orientation", 1)
        exif.get_ifd(0x8769).update({int(key[1:], 16): value for key, value in tags.items()})
        rgb = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
        Image.fromarray(rgb).save(tmp_path / name, exif=exif.tobytes())
        return tmp_path / name

    return write


def test_exif_tells_the_camera(photo):
    """400 x 300 px have a diagonal of 500 px: 26 * 500 / 43.26662 = 300.463 px."""
    found = open_photograph(photo(xA405=26), CameraChoice())
    assert found.lens.k[0] == found.lens.k[4] == pytest.approx(300.463, abs=1e-3)
    assert (found.lens.k[2], found.lens.k[5]) == (199.5, 149.5)
    assert not found.assumed and "26 mm on 35 mm film" in found.remarks[0]


def test_a_turned_picture_has_its_size_turned(photo):
    found = open_photograph(photo(xA405=26, orientation=6), CameraChoice())
    assert found.picture.rgb.shape == (400, 300, 3)
    assert found.lens.image_size == (300, 400) and found.lens.k[2] == 149.5


@pytest.mark.parametrize(
    ("choice", "fx"),
    [
        (CameraChoice(fx=310.0), 310.0),
        (CameraChoice(fx=310.0, fy=320.0, cx=190.0, cy=140.0), 310.0),
        (CameraChoice(hfov=90.0), 200.0),
        (CameraChoice(f35=43.26661530), 500.0),
        (CameraChoice(assume_phone=True), 300.463),  # EXIF goes before the assumption
    ],
)
def test_what_a_person_gives_goes_before_exif(photo, choice, fx):
    found = open_photograph(photo(xA405=26), choice)
    assert found.lens.k[0] == pytest.approx(fx, abs=1e-3)
    assert not found.assumed


def test_nothing_tells_the_focal_length(photo):
    with pytest.raises(StatusError) as refusal:
        open_photograph(photo(), CameraChoice())
    assert refusal.value.code == Code.NO_CAMERA_INFO and "--assume-phone" in refusal.value.text
    found = open_photograph(photo(), CameraChoice(assume_phone=True))
    assert found.assumed and "ASSUMED" in found.source
    assert found.lens.k[0] == pytest.approx(300.463, abs=1e-3)


def test_a_focal_length_in_millimetres_is_refused(photo):
    with pytest.raises(StatusError) as refusal:
        open_photograph(photo(), CameraChoice(fx=4.2))
    assert "not millimetres" in refusal.value.text


def calibration(folder, width=400, height=300, more=""):
    file = folder / "c.yaml"
    file.write_text(
        f"image_width: {width}\nimage_height: {height}\n"
        "camera_matrix: {data: [310, 0, 201, 0, 312, 148, 0, 0, 1]}\n"
        f"distortion_model: plumb_bob\ndistortion_coefficients: {list(BARREL)}\n{more}"
    )
    return str(file)


def test_a_calibration_is_of_the_sensor_as_it_lies(photo, tmp_path):
    path = photo(xA405=26, orientation=6)
    found = open_photograph(path, CameraChoice(camera_info=calibration(tmp_path)))
    assert found.picture.rgb.shape == (300, 400, 3)
    assert found.lens.d == BARREL and found.remarks == ()


def test_above_the_limit_lens_and_pixels_are_scaled(photo, tmp_path):
    """A corner of the picture is the same ray, whether it was scaled down or not."""
    path = photo(xA405=26)
    choice = CameraChoice(camera_info=calibration(tmp_path))
    whole = open_photograph(path, choice).rectifier()
    small = open_photograph(path, choice, max_pixels=30_000).rectifier()
    assert isinstance(small, ResizedRectifier) and isinstance(whole, Rectifier)
    assert (small.camera.width, small.camera.height) == (200, 150)
    pixels = np.array([[20.0, 30.0], [201.0, 148.0], [380.0, 290.0]])
    rays = [r.camera.normalise(r.source_to_rectified(pixels)) for r in (whole, small)]
    np.testing.assert_allclose(rays[0], rays[1], atol=1e-12)
    back = small.rectified_to_source(small.source_to_rectified(pixels))
    np.testing.assert_allclose(back, pixels, atol=1e-6)
    assert small.source_size == (400, 300) and small.source_camera.fx == pytest.approx(310.0)


def test_resized_lens_by_the_pixel_centre_rule():
    lens = CameraModel(400, 300, (310.0, 2.0, 199.5, 0.0, 312.0, 149.5, 0.0, 0.0, 1.0))
    small = resized_lens(lens, 200, 100)
    # cx = (199.5 + 0.5) / 2 - 0.5, cy = (149.5 + 0.5) / 3 - 0.5
    assert small.k == pytest.approx((155.0, 1.0, 99.5, 0.0, 104.0, 49.5, 0.0, 0.0, 1.0))


def test_a_calibration_of_another_size_is_refused(photo, tmp_path):
    with pytest.raises(StatusError) as refusal:
        open_photograph(photo(), CameraChoice(camera_info=calibration(tmp_path, 500, 400)))
    assert "400 x 300 px" in refusal.value.text and "for 500 x 400 px" in refusal.value.text
    assert "a calibration of its size" in refusal.value.text


def test_folders_and_globs_are_pictures_in_order(tmp_path):
    for name in ("b_10.JPG", "b_2.png", "a.heic", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    (tmp_path / "none").mkdir()
    names = [f"{tmp_path}/{name}" for name in ("a.heic", "b_2.png", "b_10.JPG", "c.webp")]
    assert picture_files([tmp_path]) == names
    assert picture_files([f"{tmp_path}/b_*"]) == names[1:3]
    assert picture_files([names[3], tmp_path]) == [names[3], *names[:3]]
    assert picture_files([f"{tmp_path}/missing.jpg"]) == [f"{tmp_path}/missing.jpg"]
    for empty in (tmp_path / "none", f"{tmp_path}/x*.jpg"):
        with pytest.raises(StatusError) as refusal:
            picture_files([empty])
        assert "no picture in it" in refusal.value.text
