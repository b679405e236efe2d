"""Calibration files that are read: every form, with and without a remark."""

import numpy as np
import pytest
import yaml
from calibration_texts import (
    D8,
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

P = (600.0, 0.0, 321.0, 0.0, 0.0, 602.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0)
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
OPEN3D = {
    "width": 640, "height": 480,
    "intrinsic_matrix": [615.5, 0, 0, 0, 616.75, 0, 320.25, 241.5, 1],
}  # fmt: skip


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


def test_a_simulators_camera_info_has_no_lens_model_and_no_remark(tmp_path):
    words = "width: 640", "height: 480", 'distortion_model: ""', f"k: {list(K)}", "d: []"
    found = read(tmp_path, "\n".join(words))
    assert (found.lens.distortion_model, found.lens.d, found.remarks) == ("", (), ())


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
