"""Calibration files as they are found in the wild: right, right with a remark, or refused."""

import json

import cv2
import numpy as np
import pytest
import yaml

from depthlm_ros.geometry.rectify import Rectifier
from depthlm_ros.image_io.calibration_yaml import read_calibration
from depthlm_ros.status import Code, StatusError

K = (615.5, 0.0, 320.25, 0.0, 616.75, 241.5, 0.0, 0.0, 1.0)
D = (-0.25, 0.0625, 0.001, -0.002, 0.0)
D8 = (0.5, -0.25, 0.001, -0.002, 0.0625, 0.75, -0.125, 0.03125)
FISHEYE = (0.05, -0.01, 0.003, -0.001)
P = (600.0, 0.0, 321.0, 0.0, 0.0, 602.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)

ROS = """image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [615.5, 0., 320.25, 0., 616.75, 241.5, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.25, 0.0625, 0.001, -0.002, 0.]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [600., 0., 321., 0., 0., 602., 240., 0., 0., 0., 1., 0.]
"""
NO_P = ROS[: ROS.index("projection_matrix")]
ECHO = """header:
  stamp:
    sec: 1690000000
    nanosec: 5
  frame_id: camera_optical_frame
height: 480
width: 640
distortion_model: plumb_bob
d:
- -0.25
- 0.0625
- 0.001
- -0.002
- 0.0
k:
- 615.5
- 0.0
- 320.25
- 0.0
- 616.75
- 241.5
- 0.0
- 0.0
- 1.0
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: [600.0, 0.0, 321.0, 0.0, 0.0, 602.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
binning_y: 0
roi:
  x_offset: 0
  y_offset: 0
  height: 0
  width: 0
  do_rectify: false
---
"""
ECHO_ROS1 = """header:
  seq: 12
  stamp:
    secs: 1500000000
    nsecs: 100
  frame_id: "cam"
height: 480
width: 640
distortion_model: "plumb_bob"
D: [-0.25, 0.0625, 0.001, -0.002, 0.0]
K: [615.5, 0.0, 320.25, 0.0, 616.75, 241.5, 0.0, 0.0, 1.0]
R: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
P: [600.0, 0.0, 321.0, 0.0, 0.0, 602.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
roi:
  do_rectify: False
"""
KALIBR = """cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.25, 0.0625, 0.001, -0.002]
  distortion_model: radtan
  intrinsics: [615.5, 616.75, 320.25, 241.5]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
cam1:
  T_cn_cnm1: &id001
  - [1.0, 0.0, 0.0, -0.11]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  T_again: *id001
  cam_overlaps: [0]
  camera_model: pinhole
  distortion_coeffs: [0.05, -0.01, 0.003, -0.001]
  distortion_model: equidistant
  intrinsics: [615.5, 616.75, 320.25, 241.5]
  resolution: [640, 480]
  rostopic: /cam1/image_raw
"""
EUROC = """# General sensor definitions.
sensor_type: camera
comment: VI-Sensor cam0
T_BS:
  cols: 4
  rows: 4
  data: [0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
rate_hz: 20
resolution: [640, 480]
camera_model: pinhole
intrinsics: [615.5, 616.75, 320.25, 241.5] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.25, 0.0625, 0.001, -0.002]
"""
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
ORB3 = """%YAML:1.0
File.version: "1.0"
Camera.type: "KannalaBrandt8"
Camera1.fx: 615.5
Camera1.fy: 616.75
Camera1.cx: 320.25
Camera1.cy: 241.5
Camera1.k1: 0.05
Camera1.k2: -0.01
Camera1.k3: 0.003
Camera1.k4: -0.001
Camera.width: 640
Camera.height: 480
Camera.newWidth: 320
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
VINS = """%YAML:1.0
---
model_type: PINHOLE
camera_name: camera
image_width: 640
image_height: 480
distortion_parameters:
   k1: -0.25
   k2: 0.0625
   p1: 1.0e-03
   p2: -2e-03
projection_parameters:
   fx: 6.155e+02
   fy: 616.75
   cx: 320.25
   cy: 241.5
"""
VINS_KB = """%YAML:1.0
---
model_type: KANNALA_BRANDT
image_width: 640
image_height: 480
projection_parameters:
   k2: 0.05
   k3: -0.01
   k4: 0.003
   k5: -0.001
   mu: 615.5
   mv: 616.75
   u0: 320.25
   v0: 241.5
"""
OPENCV = """%YAML:1.0
---
calibration_time: "Wed May 23 14:21:16 2018"
nframes: 20
image_width: 640
image_height: 480
flags: 0
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 6.1550000000000000e+02, 0., 3.2025000000000000e+02, 0.,
       6.1675000000000000e+02, 2.4150000000000000e+02, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -2.5e-01, 6.25e-02, 1e-03, -2e-03, 0. ]
avg_reprojection_error: 1.6058220056357722e-01
"""
OST = """# oST version 5.0 parameters


[image]

width
640

height
480

[narrow_stereo]

camera matrix
615.500000 0.000000 320.250000
0.000000 616.750000 241.500000
0.000000 0.000000 1.000000

distortion
-0.250000 0.062500 0.001000 -0.002000 0.000000

rectification
1.000000 0.000000 0.000000
0.000000 1.000000 0.000000
0.000000 0.000000 1.000000

projection
600.000000 0.000000 321.000000 0.000000
0.000000 602.000000 240.000000 0.000000
0.000000 0.000000 1.000000 0.000000

"""
REALSENSE = {
    "width": 640, "height": 480, "ppx": 320.25, "ppy": 241.5, "fx": 615.5, "fy": 616.75,
    "model": "distortion.brown_conrady", "coeffs": list(D),
}  # fmt: skip
OPEN3D = {
    "width": 640, "height": 480,
    "intrinsic_matrix": [615.5, 0, 0, 0, 616.75, 0, 320.25, 241.5, 1],
}  # fmt: skip
OAK_CAMERA = {
    "cameraType": 0, "distortionCoeff": [*D8, 0, 0, 0, 0, 0, 0], "height": 480, "width": 640,
    "intrinsicMatrix": [[615.5, 0, 320.25], [0, 616.75, 241.5], [0, 0, 1]],
    "extrinsics": {"rotationMatrix": [], "toCameraSocket": 1},
    "lensPosition": 135, "specHfovDeg": 69.0,
}  # fmt: skip
UNUSED = {**OAK_CAMERA, "intrinsicMatrix": [[0, 0, 0], [0, 0, 0], [0, 0, 0]]}
OAK = {"boardName": "OAK-D", "cameraData": [[0, OAK_CAMERA], [1, OAK_CAMERA], [3, UNUSED]]}
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


def read(tmp_path, text, name="camera.yaml", camera="", **more):
    """Return the Calibration in a file of this text (bytes as they are, tables as JSON)."""
    file = tmp_path / name
    if isinstance(text, dict):
        text = json.dumps(text)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_calibration(f"{file}{camera}", **more)


def refused(tmp_path, text, **more):
    with pytest.raises(StatusError) as refusal:
        read(tmp_path, text, **more)
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    assert len(refusal.value.text) < 900
    return refusal.value.text


PLAIN = [  # name, text, model, d, P is read, remarks
    ("camera_calibration", ROS, "plumb_bob", D, True),
    ("camera_model", ROS.replace("distortion_model", "camera_model"), "plumb_bob", D, True),
    ("sizes 640.0", ROS.replace(": 640", ": 640.0").replace(": 480", ': "480"'), "plumb_bob", D,
     True),
    ("CRLF", ROS.replace("\n", "\r\n"), "plumb_bob", D, True),
    ("CR", ROS.replace("\n", "\r"), "plumb_bob", D, True),
    ("BOM", b"\xef\xbb\xbf" + ROS.encode(), "plumb_bob", D, True),
    ("UTF-16", ROS.encode("utf-16"), "plumb_bob", D, True),
    ("latin-1 comment", b"# Kamera f\xfcr vorn\n" + ROS.encode(), "plumb_bob", D, True),
    ("missing P", NO_P, "plumb_bob", D, False),
    ("tabs", ROS.replace("  rows", "\trows").replace("  cols", "\tcols").replace(
        "  data", "\tdata"), "plumb_bob", D, True),
    ("P of zeros", NO_P + "projection_matrix: {rows: 3, cols: 4, data: [" + "0, " * 11 + "0]}\n",
     "plumb_bob", D, False),
    ("lists without rows", yaml.safe_dump({"image_width": 640, "image_height": 480,
     "camera_matrix": np.reshape(K, (3, 3)).tolist(), "distortion_model": "plumb_bob",
     "distortion_coefficients": list(D)}), "plumb_bob", D, False),
    ("plumb_bob with 8", NO_P.replace("cols: 5", "cols: 8").replace(
        "[-0.25, 0.0625, 0.001, -0.002, 0.]", str(list(D8))), "plumb_bob", D8, False),
    ("echo", ECHO, "plumb_bob", D, True),
    ("echo with its first lines", "WARNING: topic [/c] does not appear to be published yet\n"
     "# my camera\n" + ECHO, "plumb_bob", D, True),
    ("echo, many and cut", ECHO * 5 + ECHO[:300], "plumb_bob", D, True),
    ("echo, a lost message", ECHO + "A message was lost!!!\n\ttotal count change:1\n\t"
     "total count: 1---\n" + ECHO, "plumb_bob", D, True),
    ("rostopic echo", ECHO_ROS1, "plumb_bob", D, True),
    ("rosbridge", {"op": "publish", "topic": "/c", "msg": {"width": 640, "height": 480,
     "distortion_model": "plumb_bob", "K": K, "D": D, "P": P}}, "plumb_bob", D, True),
    ("K printed by Python", ECHO_ROS1.replace(f"K: {list(K)}", f"K: array('d', {list(K)})"),
     "plumb_bob", D, True),
    ("fisheye by names", {"model": "kb4", "width": 640, "height": 480, "fx": 615.5, "fy": 616.75,
     "cx": 320.25, "cy": 241.5, **{f"k{i + 1}": k for i, k in enumerate(FISHEYE)}}, "equidistant",
     FISHEYE, False),
    ("kalibr of one", KALIBR[: KALIBR.index("cam1")], "plumb_bob", D[:4], False),
    ("EuRoC", EUROC, "plumb_bob", D[:4], False),
    ("ORB-SLAM3", ORB3, "equidistant", FISHEYE, False),
    ("VINS", VINS, "plumb_bob", D, False),
    ("VINS fisheye", VINS_KB, "equidistant", FISHEYE, False),
    ("ost.txt", OST, "plumb_bob", D, True),
    ("RealSense", REALSENSE, "plumb_bob", D, False),
    ("RealSense in a folder of streams", {"color": REALSENSE}, "plumb_bob", D, False),
    ("RealSense by number", {**REALSENSE, "model": 4}, "plumb_bob", D, False),
    ("RealSense, inverse without any", {**REALSENSE, "model": "Inverse Brown Conrady",
     "coeffs": [0, 0, 0, 0, 0]}, "plumb_bob", (0.0,) * 5, False),
    ("RealSense fisheye", {**REALSENSE, "model": "kannala_brandt4", "coeffs": [*FISHEYE, 0]},
     "equidistant", (*FISHEYE, 0.0), False),
    ("OAK of one", {**OAK, "cameraData": OAK["cameraData"][:1]}, "rational_polynomial",
     (*D8, 0, 0, 0, 0, 0, 0), False),
    ("by name beside the matrix", {"CameraMatrix": {"FX": 615.5, "FY": 616.75, "CX": 320.25,
     "CY": 241.5}, "Distortion": {"K1": -0.25, "K2": 0.0625, "P1": 0.001, "P2": -0.002, "K3": 0},
     "distortion_model": "plumb_bob", "width": 640, "height": 480}, "plumb_bob", D, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "model", "d", "has_p"), [case[1:] for case in PLAIN], ids=[case[0] for case in PLAIN]
)
def test_read_right_and_without_a_remark(tmp_path, text, model, d, has_p):
    found = read(tmp_path, text)
    lens = found.lens
    assert (lens.width, lens.height) == (640, 480)
    assert lens.k == K
    assert (lens.distortion_model, lens.d) == (model, tuple(d))
    assert lens.p == (P if has_p else ())
    assert found.remarks == ()
    Rectifier(lens, 640, 480)  # and it can be used


REMARKED = [  # name, text, model, d, remark
    ("OpenCV", OPENCV, "plumb_bob", D, "no distortion_model: 5"),
    ("four of OpenCV", OPENCV.replace("rows: 5", "rows: 4").replace("-2e-03, 0. ]", "-2e-03 ]"),
     "plumb_bob", D[:4], "if it is a fisheye"),
    ("no model", ROS.replace("distortion_model: plumb_bob\n", ""), "plumb_bob", D,
     "no distortion_model: 5"),
    ("misspelt coefficients", ROS.replace("distortion_coefficients", "distortion_coefficents"),
     "plumb_bob", D, "'distortion_coefficents' is taken for"),
    ("misspelt coefficients 2", ROS.replace("distortion_coefficients", "distorsion_coefs"),
     "plumb_bob", D, "'distorsion_coefs' is taken for"),
    ("misspelt model", ROS.replace("plumb_bob", "plum_bob"), "plumb_bob", D, "'plum_bob'"),
    ("misspelt model's key", ROS.replace("distortion_model", "distortion_modell"), "plumb_bob", D,
     "'distortion_modell' is taken for"),
    ("no coefficients", ROS.replace("distortion_coefficients", "something_else"), "plumb_bob", (),
     "nothing about lens distortion"),
    ("Open3D", OPEN3D, "", (), "nothing about lens distortion"),
    ("Open3D with extrinsics", {"class_name": "PinholeCameraParameters", "extrinsic": [1] * 16,
     "intrinsic": OPEN3D, "version_major": 1}, "", (), "nothing about lens distortion"),
    ("fx alone", {k: v for k, v in REALSENSE.items() if k not in ("model", "coeffs")}, "", (),
     "nothing about lens distortion"),
    ("misspelt VINS", VINS.replace("distortion_parameters", "distortion_paramters"), "plumb_bob",
     D, "is taken for"),
    ("a bad calibration", OPENCV.replace("1.6058220056357722e-01", "8.6e+01"), "plumb_bob", D,
     "reprojection error is 86 px"),
    ("off centre", ROS.replace("320.25", "440.25").replace("321.", "440."), "plumb_bob", D,
     "far from the middle"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "model", "d", "remark"),
    [case[1:] for case in REMARKED],
    ids=[case[0] for case in REMARKED],
)
def test_read_with_a_remark_about_what_was_assumed(tmp_path, text, model, d, remark):
    found = read(tmp_path, text)
    assert (found.lens.distortion_model, found.lens.d) == (model, d)
    assert found.lens.k[0] == 615.5 and (found.lens.width, found.lens.height) == (640, 480)
    assert any(remark in said for said in found.remarks), found.remarks


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
    ("COLMAP", "1 OPENCV 640 480 615 616 320 241 0 0 0 0\n", "holds no table; what is read"),
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
