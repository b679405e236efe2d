"""Focal lengths of photographs, worked out by hand: 35 mm film has a diagonal of 43.2666 mm."""

import pytest

from depthlm_ros.image_io import focal_length
from depthlm_ros.image_io.calibration_yaml import check_view
from depthlm_ros.image_io.focal_length import Exif, from_f35, from_view, of_a_phone, of_exif
from depthlm_ros.status import Code, StatusError

# The diagonal of 4000 x 3000 px is 5000 px: 26 mm are 26 * 5000 / 43.26662 = 3004.63 px.
FX_26 = 3004.63


@pytest.mark.parametrize(
    ("exif", "fx", "said"),
    [
        (Exif(f35_mm=26.0), FX_26, "unnamed camera, 26 mm on 35 mm film"),
        (Exif("Google", "Pixel 6", f35_mm=26.0, digital_zoom=2.0), 2 * FX_26, "zoom of 2"),
        (Exif("Apple", "iPhone 13", f35_mm=52.0, digital_zoom=2.0), 2 * FX_26, "counts"),
        (Exif(f35_mm=26.0, width=4000, height=3000), FX_26, ""),
        (Exif(f35_mm=26.0, width=8000, height=6000), FX_26, ""),  # scaled down since
        (Exif(f35_mm=26.0, width=3000, height=4000), FX_26, ""),  # turned since
        # 3.04 mm on 3.68 mm of 4000 px
        (Exif("RaspberryPi", "RP_imx219", 3.04), 3304.35, "3.04 mm on a sensor of 3.68 mm"),
        # 50 mm on 22.3 mm
        (Exif("Canon", "Canon EOS 80D", 50.0), 8968.61, "Canon EOS 80D, 50 mm"),
        (Exif("Canon", "Canon EOS 6D", 50.0), 5555.56, "sensor of 36 mm"),
        # 36 mm: 50 / 36 * 4000; 22.3 mm; 28 mm; 17.3 mm
        (Exif("Canon", "Canon EOS R5m2", 50.0), 5555.56, "36 mm"),
        (Exif("Canon", "Canon EOS-1D X Mark II", 50.0), 5555.56, "36 mm"),
        (Exif("Canon", "Canon EOS R50", 50.0), 8968.61, "22.3 mm"),
        (Exif("Canon", "Canon EOS-1D Mark III", 50.0), 7142.86, "28 mm"),
        (Exif("OLYMPUS IMAGING CORP.", "E-M10", 25.0), 5780.35, "17.3 mm"),
        (Exif("NIKON CORPORATION", "NIKON D850", 24.0), 2674.09, "35.9 mm"),
        (Exif("NIKON CORPORATION", "NIKON D5300", 24.0), 4085.11, "23.5 mm"),
        # 8000 px at 400 px a mm are 20 mm of sensor: 10 / 20 * 4000
        (Exif("X", "Y", 10.0, width=8000, height=6000, plane_px_per_mm=400.0), 2000.0, "20 mm"),
    ],
)
def test_exif_tells_the_focal_length_and_what_was_assumed(exif, fx, said):
    found = of_exif(exif, 4000, 3000)
    assert found.fx == pytest.approx(fx, rel=1e-5)
    assert said in found.source and not found.assumed
    assert f"fx {fx:.0f} px" in found.source


def test_an_upright_picture_has_the_same_focal_length():
    assert of_exif(Exif(f35_mm=26.0), 3000, 4000).fx == pytest.approx(FX_26, rel=1e-5)
    found = of_exif(Exif("RaspberryPi", "RP_imx219", 3.04), 3000, 4000)
    assert found.fx == pytest.approx(3304.35, rel=1e-5)


def test_exif_that_tells_nothing():
    small = Exif("OLYMPUS IMAGING CORP.", "TG-6", focal_mm=4.5), Exif("SONY", "DSC-RX100", 10.4)
    for exif in (Exif(), Exif("X", "Y", focal_mm=4.2), Exif(digital_zoom=2.0), *small):
        assert of_exif(exif, 4000, 3000) is None


def test_a_cropped_picture_is_refused():
    with pytest.raises(StatusError) as refusal:
        of_exif(Exif(f35_mm=26.0, width=4000, height=3000), 2000, 2000)
    assert refusal.value.code == Code.BAD_CAMERA_INFO and "cropped" in refusal.value.text


@pytest.mark.parametrize(("width", "height"), [(6000, 1600), (1600, 6000)])
def test_a_strip_is_no_picture_that_a_camera_took(width, height):
    with pytest.raises(StatusError, match="panorama or a strip"):
        of_exif(Exif(f35_mm=26.0), width, height)
    assert of_exif(Exif(f35_mm=26.0), 2100, 900).fx == pytest.approx(1372.95, rel=1e-5)


def test_what_a_person_gives():
    # tan(30 degrees) = 1 / sqrt(3): 640 / 2 / 0.57735 = 554.26
    assert from_view(60.0, 640).fx == pytest.approx(554.256, rel=1e-5)
    assert from_f35(26.0, 4000, 3000).fx == pytest.approx(FX_26, rel=1e-5)
    phone = of_a_phone(4000, 3000)
    assert phone.assumed and "ASSUMED" in phone.source
    assert phone.fx == pytest.approx(FX_26, rel=1e-5)


@pytest.mark.parametrize("degrees", [0.0, 4.9, 150.1, 180.0, -60.0])
def test_views_that_no_lens_has_are_refused(degrees):
    with pytest.raises(StatusError):
        from_view(degrees, 640)


@pytest.mark.parametrize(("fx", "width"), [(4.2, 4000), (26.0, 4000), (7500.0, 640), (0.8, 640)])
def test_a_focal_length_in_millimetres_is_told_apart(fx, width):
    with pytest.raises(StatusError) as refusal:
        check_view(fx, width)
    assert "fx is in pixels, not millimetres" in refusal.value.text


def test_views_at_the_limits():
    assert check_view(320 / 0.0437, 640) == pytest.approx(5.0, abs=0.01)
    assert check_view(320 / 3.73, 640) == pytest.approx(150.0, abs=0.1)


def test_the_refusal_names_three_ways_with_numbers():
    refusal = focal_length.three_ways("p.jpg", 4000, 3000)
    assert refusal.code == Code.NO_CAMERA_INFO
    for way in ("--camera-info FILE", "--fx 3005", "--hfov 67", "--assume-phone"):
        assert way in refusal.text


def test_the_advice_fits_where_the_focal_length_came_from():
    """EXIF that cannot be right is no person's millimetres; a lens without sensor is told."""
    with pytest.raises(StatusError) as refusal:
        focal_length.of_exif(Exif(f35_mm=4.0), 640, 480)
    assert "by EXIF of unnamed camera, 4 mm" in refusal.value.text
    assert "not millimetres" not in refusal.value.text
    with pytest.raises(StatusError, match="4 mm must be the equivalent on 35 mm film"):
        focal_length.from_f35(4.0, 640, 480)
    told = focal_length.three_ways("p.jpg", 640, 480, exif=Exif(focal_mm=4.25)).text
    assert "EXIF tells 4.25 mm, but not on how large a sensor" in told
    assert "no EXIF tells it" in focal_length.three_ways("p.jpg", 640, 480, exif=Exif()).text
    assert "EXIF" not in focal_length.three_ways("/dev/video0", 640, 480).text
