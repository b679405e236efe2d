"""Calibration files with several cameras, without a size, with a window; what is refused."""

import cv2
import numpy as np
import pytest
from calibration_texts import (
    ECHO,
    ECHO_ROS1,
    FISHEYE,
    KALIBR,
    NO_P,
    OAK,
    ORB3,
    OST,
    REALSENSE,
    ROS,
    VINS,
    D,
    K,
    read,
)

from depthlm_ros.geometry.rectify import Rectifier
from depthlm_ros.image_io.calibration_yaml import read_calibration
from depthlm_ros.status import Code, StatusError

ORB2 = """%YAML:1.0

# Camera calibration and distortion parameters (OpenCV)
Camera.fx: 615.5
Camera.fy: 616.75
Camera.cx: 320.25
Camera.cy: 241.5

Camera.k1: -0.25
Camera.k2: 0.0625
Camera.p1: 0.001
Camera.p2: -0.002
Camera.fps: 30.0
ORBextractor.nFeatures: 1000
"""
ORB_STEREO = (
    ORB3
    + """Camera2.fx: 700.0
Camera2.fy: 701.0
Camera2.cx: 330.0
Camera2.cy: 250.0
Camera2.k1: 0.01
Camera2.k2: 0.02
Camera2.k3: 0.03
Camera2.k4: 0.04
"""
)
ZED = """[LEFT_CAM_HD]
fx=615.5
fy=616.75
cx=620.25
cy=361.5
k1=-0.25
k2=0.0625
p1=0.001
p2=-0.002
k3=0

[RIGHT_CAM_HD]
fx=700
fy=700
cx=640
cy=360

[STEREO]
Baseline=120
"""


def refused(tmp_path, text, **more):
    with pytest.raises(StatusError) as refusal:
        read(tmp_path, text, **more)
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    assert len(refusal.value.text) < 900
    return refusal.value.text


@pytest.mark.parametrize(
    ("text", "camera", "focal", "model"),
    [
        (KALIBR, "#cam0", 615.5, "plumb_bob"),
        (KALIBR, "#cam1", 615.5, "equidistant"),
        (ORB_STEREO, "#Camera2", 700.0, "equidistant"),
        (OAK, "#CAM_B", 615.5, "rational_polynomial"),
        ({"color": REALSENSE, "depth": {**REALSENSE, "fx": 600}}, "#depth", 600.0, "plumb_bob"),
        (ZED, "#RIGHT_CAM_HD", 700.0, ""),
        (OST + OST[OST.index("[narrow") :].replace("narrow_stereo", "right"), "#right", 615.5,
         "plumb_bob"),
    ],
)  # fmt: skip
def test_of_several_cameras_one_is_chosen_by_name(tmp_path, text, camera, focal, model):
    lens = read(tmp_path, text, camera=camera).lens
    assert (lens.k[0], lens.distortion_model) == (focal, model)
    assert camera[1:] in refused(tmp_path, text)  # without a name: told which there are
    assert "'nose' is not in it" in refused(tmp_path, text, camera="#nose")


def test_a_zeds_camera_has_the_size_of_its_section(tmp_path):
    lens = read(tmp_path, ZED, "SN1.conf", "#LEFT_CAM_HD").lens
    assert (lens.width, lens.height, lens.k[2], lens.d) == (1280, 720, 620.25, D)


def test_files_without_a_size_take_the_pictures(tmp_path):
    found = read(tmp_path, ORB2, image_size=(640, 480))
    assert (found.lens.width, found.lens.k, found.lens.d) == (640, K, D)
    assert "taken for that of the picture, 640 x 480" in found.remarks[0]
    assert "states no image size" in refused(tmp_path, ORB2)
    # The centre tells that these are pictures of another size.
    assert "far from the middle" in refused(tmp_path, ORB2, image_size=(1280, 720))


@pytest.mark.parametrize("ending", ["yaml", "yml", "xml", "json"])
@pytest.mark.parametrize("fisheye", [False, True])
def test_what_opencv_writes_itself(tmp_path, ending, fisheye):
    d = np.array(FISHEYE if fisheye else D)
    file = tmp_path / f"camera.{ending}"
    storage = cv2.FileStorage(str(file), cv2.FileStorage_WRITE)
    storage.write("calibration_time", "Mon 1 Jan")
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    if fisheye:
        storage.write("fisheye_model", 1)
    storage.write("camera_matrix", np.reshape(K, (3, 3)))
    storage.write("distortion_coefficients", d.reshape(-1, 1))
    storage.release()
    lens = read_calibration(file).lens
    assert (lens.k, lens.d) == (K, tuple(d))
    assert lens.distortion_model == ("equidistant" if fisheye else "plumb_bob")


def test_opencvs_stereo_intrinsics(tmp_path):
    file = tmp_path / "intrinsics.yml"
    storage = cv2.FileStorage(str(file), cv2.FileStorage_WRITE)
    for i in (1, 2):
        storage.write(f"M{i}", np.reshape(K, (3, 3)) * np.array([[i, 1, 1], [1, i, 1], [1, 1, 1]]))
        storage.write(f"D{i}", np.array([D]) / i)
    storage.release()
    lens = read_calibration(f"{file}#2", (640, 480)).lens
    assert lens.k[0] == 1231.0 and lens.d[0] == -0.125


def test_a_window_and_binning_of_a_dump(tmp_path):
    text = ECHO.replace("binning_x: 0", "binning_x: 2").replace("x_offset: 0", "x_offset: 100")
    text = text.replace("  height: 0", "  height: 480").replace("  width: 0", "  width: 400")
    lens = read(tmp_path, text.replace("do_rectify: false", "do_rectify: true")).lens
    assert (lens.binning, lens.window, lens.do_rectify) == ((2, 1), (100, 0, 400, 480), True)


REFUSED = [
    ("empty", "", "it is empty"),
    ("comments", "# nothing\n", "holds no table"),
    ("a picture", b"\xff\xd8\xff\xe0" + bytes(50), "JPEG picture"),
    ("npz", b"PK\x03\x04" + bytes(50), "npz"),
    ("tar.gz of cameracalibrator", b"\x1f\x8b" + bytes(50), "unpack it"),
    ("binary", bytes(range(256)), "binary"),
    ("broken YAML", "image_width: [640\n", "cannot be read as YAML"),
    ("deep", "a: " + "[" * 5000, "cannot be read as YAML"),
    ("list", "- 1\n- 2\n", "holds no table"),
    ("URDF", "<robot/>", "not of OpenCV's"),
    ("bomb", '<!DOCTYPE x [<!ENTITY a "b">]><opencv_storage/>', "document type"),
    ("something else", "a: 1\nb: {c: 2}\n", "no intrinsics found in it; what is read"),
    ("RealSense preset", {"parameters": {"param-depthunits": "1000"}}, "kalibr camchain"),
    ("twice", ROS + "image_width: 1280\n", "given twice"),
    ("K and k", ECHO_ROS1 + "k: [1]\n", "keep one"),
    ("half a pixel", ROS.replace("640", "640.5", 1), "whole number"),
    ("negative", ROS.replace("640", "-640", 1), "whole number"),
    ("no size", ROS.replace("image_width: 640\nimage_height: 480\n", ""), "states no image size"),
    ("one side", ROS.replace("image_height: 480\n", ""), "image_height is missing"),
    ("zero K", ECHO.replace("615.5", "0.0").replace("320.25", "0.0").replace("616.75", "0.0")
     .replace("241.5", "0.0").replace("- 1.0\n", "- 0.0\n"), "uncalibrated"),
    ("K of 8", ROS.replace("0., 0., 1.]", "0., 1.]", 1), "rows x cols"),
    ("a missing comma", ROS.replace("0., 0., 1., 0.]", "0., 0. 1., 0.]"), "comma missing"),
    ("words", ROS.replace("615.5", "f_x"), "must be a number"),
    ("NaN", ROS.replace("615.5", ".nan"), "must be finite"),
    ("infinite", ROS.replace("615.5", "inf"), "must be finite"),
    ("columns", ROS.replace("[615.5, 0., 320.25, 0., 616.75, 241.5, 0., 0., 1.]",
     "[615.5, 0, 0, 0, 616.75, 0, 320.25, 241.5, 1]"), "column by column"),
    ("no third row", ROS.replace("0., 0., 1.]", "0., 0., 0.]", 1), "row by row"),
    ("P shifted", ROS.replace("602., 240., 0.,", "602., 0., 240.,").replace("321., 0., 0.,",
     "321., 0., 5.,"), "projection_matrix"),
    ("P of 9", ROS.replace("  cols: 4\n  data: [600., 0., 321., 0., 0., 602., 240., 0., 0., 0., "
     "1., 0.]", "  cols: 3\n  data: [600., 0., 321., 0., 602., 240., 0., 0., 1.]"), "must be 12"),
    ("millimetres", ROS.replace("615.5", "4.2").replace("616.75", "4.2"), "not millimetres"),
    ("in widths", ROS.replace("615.5", "0.96").replace("616.75", "1.28"), "not millimetres"),
    ("narrow", ROS.replace("615.5", "15000").replace("616.75", "15000"), "5 to 150"),
    ("fx, fy", ROS.replace("616.75", "205.0"), "alike within a factor of 2"),
    ("another size", ROS.replace("image_width: 640", "image_width: 300"), "far from the middle"),
    ("skewed", ROS.replace("[615.5, 0.,", "[615.5, 30.,"), "skew"),
    ("unknown model", ROS.replace("plumb_bob", "division"), "distortion_model 'division'"),
    ("5 fisheye coefficients", ROS.replace("plumb_bob", "equidistant").replace("-0.002, 0.]",
     "-0.002, 0.1]"), "5 coefficients"),
    ("6 coefficients", NO_P.replace("distortion_model: plumb_bob\n", "").replace("cols: 5",
     "cols: 6").replace("-0.002, 0.]", "-0.002, 0., 0.1]"), "6 distortion coefficients"),
    ("no arrays", ECHO.split("d:\n")[0] + "k: '<array type: double[9]>'\n", "--no-arr"),
    ("documents differ", ECHO + ECHO.replace("615.5", "600.0"), "different intrinsics"),
    ("kalibr omni", KALIBR[: KALIBR.index("cam1")].replace("pinhole", "omni"), "pinhole-equi"),
    ("kalibr fov", KALIBR[: KALIBR.index("cam1")].replace("radtan", "fov"), "radtan or equi"),
    ("MEI", VINS.replace("PINHOLE", "MEI"), "KANNALA_BRANDT"),
    ("inverse", {**REALSENSE, "model": "inverse_brown_conrady"}, "realsense-ros publishes"),
    ("rs-enumerate-devices", ' Intrinsic of "Color" / 640x480\n  PPX: \t320\n  Width: 640\n',
     "rs-enumerate-devices"),
    ("cut JSON", '{"width": 640', "broken or cut short; what is read"),
    ("double sphere", {"intrinsics": [{"camera_type": "ds", "intrinsics": {"fx": 349.7, "fy": 349,
     "cx": 366, "cy": 249, "xi": -0.2, "alpha": 0.6}}], "resolution": [[752, 480]]}, "xi, alpha"),
    ("k1 to k4 of who knows what", {"width": 640, "height": 480, "fx": 300, "fy": 300, "cx": 320,
     "cy": 240, "k1": 0.01, "k2": 0.0, "k3": 0.0, "k4": 0.001}, "distortion_model: equidistant"),
    ("modified", {**REALSENSE, "model": 1}, "tangential"),
    ("ftheta", {**REALSENSE, "model": 3}, "'ftheta'"),
    ("no height", ORB3.replace("Camera.height: 480", "Camera.height: 0"), "640 x 0 px: must be"),
    ("k0", ORB3 + "Camera1.k0: 0.1\n", "k1 to k4"),
    ("fisheye in ost.txt", OST.replace("-0.002000 0.000000\n", "-0.002000\n"), "ost.yaml"),
    ("none but coefficients", ROS.replace("plumb_bob", "none"), "need the name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused_with_reason_and_remedy(tmp_path, text, said):
    def use(text):
        found = read(tmp_path, text)
        Rectifier(found.lens, found.lens.width, found.lens.height)

    with pytest.raises(StatusError) as refusal:
        use(text)
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    assert said in refusal.value.text
    assert len(refusal.value.text) < 700


def test_refused_paths(tmp_path):
    for path, said in (
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "is a folder"),
        ("http://somewhere/c.yaml", "file://"),
        ("package://mine/cam/c.yaml", "$(ros2 pkg prefix --share mine)/cam/c.yaml"),
        ("/dev/zero", "no regular file"),
    ):
        with pytest.raises(StatusError) as refusal:
            read_calibration(path)
        assert said in refusal.value.text and "YAML" not in refusal.value.text


def test_a_url_and_a_name_with_a_hash(tmp_path):
    file = tmp_path / "a #1.yaml"
    file.write_text(KALIBR)
    assert read_calibration(f"file://{tmp_path}/a%20%231.yaml#cam0").lens.k == K
    assert read_calibration(f"{file}#cam1").lens.distortion_model == "equidistant"


def test_a_long_dump_is_read_by_its_beginning_and_an_endless_text_is_not(tmp_path):
    assert read(tmp_path, ECHO * 3000).lens.k == K
    assert "more than" in refused(tmp_path, "a" * 1_100_000)
