"""Less usual ways of writing intrinsics down: right, or refused for the true reason."""

import json

import pytest

from depthlm_ros.image_io.calibration_yaml import read_calibration
from depthlm_ros.status import Code, StatusError

K = [600.5, 0, 320.5, 0, 601.5, 240.5, 0, 0, 1]
ROWS = [K[:3], K[3:6], K[6:]]
D = (0.1, -0.2, 0.001, 0.002, 0.03)
FISHEYE = (0.05, -0.01, 0.003, -0.001)
SIZE = {"width": 640, "height": 480}
ECHO = (
    f"height: 480\nwidth: 640\ndistortion_model: plumb_bob\nd: {list(D)}\nk: {K}\nr: []\np: []\n"
)
OPENCV = """%YAML:1.0
---
{}: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data:[ 600.5, 0., 320.5, 0., 601.5, 240.5, 0., 0., 1. ]
{}: !!opencv-matrix
   rows: 1
   cols: {}
   dt: d
   data:[ {} ]
"""


def opencv(matrix, coefficients, d, more="image_width: 640\nimage_height: 480\n"):
    return OPENCV.format(matrix, coefficients, len(d), ", ".join(map(str, d))) + more


def orb(kind, d, size="width"):
    lines = [f"Camera.{kind}", "Camera.fx: 600.5", "Camera.fy: 601.5", "Camera.cx: 320.5"]
    names = ("k1", "k2", "p1", "p2", "k3") if len(d) == 5 else ("k1", "k2", "k3", "k4")
    lines += ["Camera.cy: 240.5", *(f"Camera.{n}: {v}" for n, v in zip(names, d, strict=True))]
    high = {"width": "height", "cols": "rows"}[size]
    return "\n".join(["%YAML:1.0", *lines, f"Camera.{size}: 640", f"Camera.{high}: 480"])


def oak(kind, d):
    camera = {"cameraType": kind, "distortionCoeff": d, "intrinsicMatrix": ROWS, **SIZE}
    return {"boardName": "OAK", "cameraData": [[0, camera]]}


def stella(model, **lens):
    four = {"fx": 600.5, "fy": 601.5, "cx": 320.5, "cy": 240.5}
    return {"Camera": {"model": model, **four, **lens, "cols": 640, "rows": 480}}


def write(tmp_path, text):
    file = tmp_path / "camera.yaml"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    return file


def refused(tmp_path, text, camera=""):
    with pytest.raises(StatusError) as refusal:
        read_calibration(f"{write(tmp_path, text)}{camera}")
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    return refusal.value.text


BROWN = dict(zip(("k1", "k2", "p1", "p2", "k3"), D, strict=True))
BY_K = {f"k{i + 1}": k for i, k in enumerate(FISHEYE)}
READ = [  # name, text, model, d
    ("size as a table", {"cameraMatrix": ROWS, "distCoeffs": [list(D)], "resolution": SIZE},
     "plumb_bob", D),
    ("img_size", {"camera_matrix": ROWS, "distortion_coefficients": list(D),
     "img_size": [640, 480]}, "plumb_bob", D),
    ("Autoware", opencv("CameraMat", "DistCoeff", D, "ImageSize: [ 640, 480 ]\n"), "plumb_bob",
     D),
    ("fisheye by model", opencv("K", "D", FISHEYE) + "model: fisheye\n", "equidistant", FISHEYE),
    ("model is the camera's name", opencv("K", "D", D) + "model: D435\n", "plumb_bob", D),
    ("both names", {**SIZE, "model": "D435", "distortion_model": "plumb_bob", "fx": 600.5,
     "fy": 601.5, "cx": 320.5, "cy": 240.5, "d": list(D)}, "plumb_bob", D),
    ("OpenCV of old", '<opencv_storage><intrinsics type_id="opencv-matrix"><rows>3</rows>'
     f"<cols>3</cols><dt>f</dt><data>{' '.join(map(str, K))}</data></intrinsics><distortion "
     f'type_id="opencv-matrix"><rows>1</rows><cols>5</cols><dt>f</dt><data>'
     f"{' '.join(map(str, D))}</data></distortion><size>640 480</size></opencv_storage>",
     "plumb_bob", D),
    ("OpenPose", opencv("Intrinsics", "Distortion", D) + "CameraMatrix: {rows: 3, cols: 4, data: "
     "[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]}\n", "plumb_bob", D),
    ("distortion of a type", {"K": K, **SIZE, "distortion": {"type": "equidistant",
     "parameters": {"rows": 4, "cols": 1, "data": FISHEYE}}}, "equidistant", FISHEYE),
    ("kalibr's own name", {"cam0": {"camera_model": "pinhole-equi", "resolution": [640, 480],
     "intrinsics": [600.5, 601.5, 320.5, 240.5], "distortion_coeffs": FISHEYE}}, "equidistant",
     FISHEYE),
    ("basalt", {"value0": {"intrinsics": [{"camera_type": "kb4", "intrinsics": {
     "fx": 600.5, "fy": 601.5, "cx": 320.5, "cy": 240.5, **BY_K}}], "resolution": [[640, 480]]}},
     "equidistant", FISHEYE),
    ("pyrealsense2", {**SIZE, "fx": 600.5, "fy": 601.5, "ppx": 320.5, "ppy": 240.5,
     "model": "<distortion.brown_conrady: 4>", "coeffs": D}, "plumb_bob", D),
    ("OAK fisheye", oak(1, FISHEYE), "equidistant", FISHEYE),
    ("OAK in a wrapper", {"calibration": oak(0, D)}, "plumb_bob", D),
    ("ORB-SLAM's cols", orb("type: PinHole", D, "cols"), "plumb_bob", D),
    ("OpenVSLAM fisheye", orb("model: fisheye", FISHEYE, "cols"), "equidistant", FISHEYE),
    ("Stella fisheye", stella("fisheye", **BY_K), "equidistant", FISHEYE),
    ("fisheye by names beside a matrix", {"K": K, **SIZE, **BY_K, "distortion_model": "fisheye"},
     "equidistant", FISHEYE),
    ("fisheye by names in a table", {"K": K, **SIZE, "distortion": {"model": "fisheye", **BY_K}},
     "equidistant", FISHEYE),
    ("Stella perspective", stella("perspective", **BROWN), "plumb_bob", D),
    ("a JSON list of one", json.dumps([{**SIZE, "K": K, "D": D, "distortion_model": "plumb_bob"}]),
     "plumb_bob", D),
    ("a shell's line first", "me@robot:~$ ros2 topic echo --once /c\n" + ECHO, "plumb_bob", D),
    ("cut in its last message", ECHO + "---\n" + ECHO[: ECHO.index("r:")], "plumb_bob", D),
    ("begins amid a message", "- 0.0\nr: []\n---\n" + ECHO, "plumb_bob", D),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "model", "d"), [case[1:] for case in READ], ids=[case[0] for case in READ]
)
def test_read_right(tmp_path, text, model, d):
    lens = read_calibration(write(tmp_path, text), (640, 480)).lens
    assert (lens.width, lens.height) == (640, 480)
    assert (lens.k[0], lens.k[4], lens.k[2], lens.k[5]) == (600.5, 601.5, 320.5, 240.5)
    assert (lens.distortion_model, lens.d) == (model, d)


REFUSED = [
    ("OAK, radial division", oak(3, [0.1]), "radial division"),
    ("OAK, equirectangular", oak(2, []), "equirectangular"),
    ("Camera.k4 of who knows what", orb("fps: 30", FISHEYE), "KannalaBrandt8"),
    ("k1 to k4 beside a matrix", {"K": K, **SIZE, **BY_K}, "distortion_model: equidistant"),
    ("Camera.model", orb("model: equirectangular", D), "equirectangular"),
    ("distortion that nobody can read", {"K": K, **SIZE, "distortion": {"a": 1}}, "k1, k2, p1"),
    ("kalibr's report", "Camera-system parameters:\ncam0 (/a):\n    projection: [1 2]: 3\n",
     "camchain's .yaml"),
    ("two of a list", json.dumps([{**SIZE, "K": K}, {**SIZE, "K": [500, *K[1:]]}]), "#camera0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused_for_the_true_reason(tmp_path, text, said):
    assert said in refused(tmp_path, text)


def test_a_list_of_equal_cameras_is_one(tmp_path):
    camera = {
        "intrinsic": {**SIZE, "intrinsic_matrix": [600.5, 0, 0, 0, 601.5, 0, 320.5, 240.5, 1]}
    }
    found = read_calibration(write(tmp_path, {"parameters": [camera] * 3}))
    assert (found.lens.k[0], found.lens.k[5]) == (600.5, 240.5)
    assert any("3 cameras have the same" in said for said in found.remarks)


def test_a_camera_is_chosen_by_any_part_of_its_name(tmp_path):
    one = {**SIZE, "fx": 600.5, "fy": 601.5, "cx": 320.5, "cy": 240.5}
    text = {"color": {"intrinsics": one}, "depth": {"intrinsics": {**one, "fx": 500.5}}}
    file = write(tmp_path, text)
    assert read_calibration(f"{file}#color").lens.k[0] == 600.5
    assert read_calibration(f"{file}#depth").lens.k[0] == 500.5
    assert "there are color/intrinsics" in refused(tmp_path, text, "#intrinsics")


def test_orb_slams_stereo_settings_hold_raw_and_rectified_cameras(tmp_path):
    text = orb("bf: 40", D) + "\n" + "".join(
        opencv(f"{side}.K", f"{side}.D", D, f"{side}.width: 640\n{side}.height: 480\n").split(
            "---\n")[1].replace("600.5", f"{focal}")
        for side, focal in (("LEFT", 500.5), ("RIGHT", 510.5))
    )  # fmt: skip
    file = write(tmp_path, text)
    found = {n: read_calibration(f"{file}#{n}").lens for n in ("rectified", "LEFT", "RIGHT")}
    assert {n: lens.k[0] for n, lens in found.items()} == {
        "rectified": 600.5, "LEFT": 500.5, "RIGHT": 510.5
    }  # fmt: skip
    assert found["RIGHT"].d == D and found["RIGHT"].image_size == (640, 480)
    assert "3 cameras" in refused(tmp_path, text)


@pytest.mark.parametrize("names", [("K", "D"), ("cameraMatrix", "distCoeffs")])
def test_opencvs_stereo_by_other_names(tmp_path, names):
    first = opencv(f"{names[0]}1", f"{names[1]}1", D)
    second = opencv(f"{names[0]}2", f"{names[1]}2", D, "").split("---\n")[1]
    file = write(tmp_path, first + second.replace("600.5", "610.5"))
    assert read_calibration(f"{file}#2").lens.k[0] == 610.5
    assert read_calibration(f"{file}#1").lens.d == D
