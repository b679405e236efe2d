"""Calibration files as tools write them, and how the tests read them."""

import json

from depthlm_ros.image_io.calibration_yaml import read_calibration

K = (615.5, 0.0, 320.25, 0.0, 616.75, 241.5, 0.0, 0.0, 1.0)
D = (-0.25, 0.0625, 0.001, -0.002, 0.0)
D8 = (0.5, -0.25, 0.001, -0.002, 0.0625, 0.75, -0.125, 0.03125)
FISHEYE = (0.05, -0.01, 0.003, -0.001)

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
OAK_CAMERA = {
    "cameraType": 0, "distortionCoeff": [*D8, 0, 0, 0, 0, 0, 0], "height": 480, "width": 640,
    "intrinsicMatrix": [[615.5, 0, 320.25], [0, 616.75, 241.5], [0, 0, 1]],
    "extrinsics": {"rotationMatrix": [], "toCameraSocket": 1},
    "lensPosition": 135, "specHfovDeg": 69.0,
}  # fmt: skip
UNUSED = {**OAK_CAMERA, "intrinsicMatrix": [[0, 0, 0], [0, 0, 0], [0, 0, 0]]}
OAK = {"boardName": "OAK-D", "cameraData": [[0, OAK_CAMERA], [1, OAK_CAMERA], [3, UNUSED]]}


def read(tmp_path, text, name="camera.yaml", camera="", **more):
    """Return the Calibration in a file of this text (bytes as they are, tables as JSON)."""
    file = tmp_path / name
    if isinstance(text, dict):
        text = json.dumps(text)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_calibration(f"{file}{camera}", **more)
