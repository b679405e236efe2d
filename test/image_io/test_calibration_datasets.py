"""Intrinsics as COLMAP, nerfstudio and KITTI write them; numbers by their documentation."""

import json

import pytest

from depthlm_ros.image_io.calibration_yaml import read_calibration
from depthlm_ros.status import Code, StatusError

COLMAP = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
# Number of cameras: 3
1 SIMPLE_PINHOLE 3072 2304 2559.81 1536 1152
2 OPENCV 640 480 615 616 320.5 240.25 -0.1 0.02 0.001 -0.002
3 SIMPLE_RADIAL_FISHEYE 1024 768 500 512 384 0.03
"""
RAW = """calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_00: 1.392000e+03 5.120000e+02
K_00: 9.842439e+02 0.0 6.90e+02 0.0 9.808141e+02 2.331966e+02 0.0 0.0 1.0
D_00: -3.728755e-01 2.037299e-01 2.219027e-03 1.383707e-03 -7.233722e-02
R_00: 1 0 0 0 1 0 0 0 1
T_00: 0 0 0
S_rect_00: 1.242000e+03 3.750000e+02
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_00: 721.5377 0.0 609.5593 0.0 0.0 721.5377 172.854 0.0 0.0 0.0 1.0 0.0
S_02: 1.392000e+03 5.120000e+02
K_02: 9.597910e+02 0.0 6.960217e+02 0.0 9.569251e+02 2.241806e+02 0.0 0.0 1.0
D_02: -3.691481e-01 1.968681e-01 1.353473e-03 5.677587e-04 -6.770705e-02
S_rect_02: 1.242000e+03 3.750000e+02
P_rect_02: 721.5377 0.0 609.5593 44.85728 0.0 721.5377 172.854 0.2163791 0.0 0.0 1.0 0.002745884
"""
ODOMETRY = """P0: 718.856 0 607.1928 0 0 718.856 185.2157 0 0 0 1 0
P2: 718.856 0 607.1928 45.38225 0 718.856 185.2157 -0.1130887 0 0 1 0.003779761
Tr: 1 0 0 0 0 1 0 0 0 0 1 0
"""
TRANSFORMS = {
    "camera_model": "OPENCV", "fl_x": 500.0, "fl_y": 502.0, "cx": 320.0, "cy": 240.5, "w": 640,
    "h": 480, "k1": 0.05, "k2": -0.02, "p1": 0.001, "p2": 0.0005, "frames": [{"file_path": "a"}],
}  # fmt: skip


def read(tmp_path, text, camera="", name="calibration.txt", size=None):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return read_calibration(f"{path}#{camera}" if camera else path, size).lens


def four(lens):
    return lens.k[0], lens.k[4], lens.k[2], lens.k[5]


def refusal(tmp_path, *arguments, **more):
    with pytest.raises(StatusError) as caught:
        read(tmp_path, *arguments, **more)
    assert caught.value.code == Code.BAD_CAMERA_INFO
    return caught.value.text


def test_colmap_counts_from_the_corner_and_camera_info_from_the_middle_of_a_pixel(tmp_path):
    lens = read(tmp_path, COLMAP, "1")
    assert (lens.width, lens.height) == (3072, 2304)
    assert four(lens) == (2559.81, 2559.81, 1535.5, 1151.5) and not any(lens.d)
    lens = read(tmp_path, COLMAP, "2")
    assert four(lens) == (615.0, 616.0, 320.0, 239.75)
    assert lens.distortion_model == "plumb_bob" and lens.d == (-0.1, 0.02, 0.001, -0.002, 0.0)
    lens = read(tmp_path, COLMAP, "3")
    assert lens.distortion_model == "equidistant" and lens.d == (0.03, 0.0, 0.0, 0.0)


def test_colmap_of_eight_coefficients_in_opencvs_order(tmp_path):
    text = "7 FULL_OPENCV 640 480 615 616 320 240 1 2 3 4 5 6 7 8\n"
    lens = read(tmp_path, text.replace("1 2 3 4 5 6 7 8", ".01 .02 .003 .004 .05 .06 .07 .08"))
    assert lens.distortion_model == "rational_polynomial"
    assert lens.d == (0.01, 0.02, 0.003, 0.004, 0.05, 0.06, 0.07, 0.08)


@pytest.mark.parametrize(
    "text, why",
    [
        (COLMAP, "choose one of 1, 2, 3"),
        ("1 OPENCV 640 480 615 616 320 241 0 0 0\n", "7 parameters: OPENCV has 8"),
        ("1 FOV 640 480 615 616 320 241 0.9\n", "model FOV"),
        ("1 THIN_PRISM_FISHEYE 640 480 1 1 1 1 0 0 0 0 0 0 0 0\n", "image_undistorter"),
        ("1 PINHOLE 640 480 615 616 320 x\n", "'x': must be a number"),
        ("1 PINHOLE 640 480 2.5 2.5 320 240\n", "not millimetres"),
    ],
)
def test_what_is_refused_of_colmap(tmp_path, text, why):
    assert why in refusal(tmp_path, text)


def test_kitti_raw_data_has_each_camera_as_taken_and_rectified(tmp_path):
    lens = read(tmp_path, RAW, "02")
    assert (lens.width, lens.height) == (1392, 512)
    assert four(lens) == (959.791, 956.9251, 696.0217, 224.1806)
    assert lens.d == (-0.3691481, 0.1968681, 0.001353473, 0.0005677587, -0.06770705)
    lens = read(tmp_path, RAW, "rect_02")
    assert (lens.width, lens.height) == (1242, 375) and not any(lens.d)
    assert four(lens) == (721.5377, 721.5377, 609.5593, 172.854)
    assert "rect_02" in refusal(tmp_path, RAW)


def test_kitti_raw_data_cut_to_one_camera(tmp_path):
    begin = RAW.index("S_02")
    lens = read(tmp_path, RAW[begin : RAW.index("S_rect_02")])
    assert (lens.width, lens.height) == (1392, 512)
    assert four(lens) == (959.791, 956.9251, 696.0217, 224.1806)


def test_kitti_odometry_takes_the_pictures_size(tmp_path):
    lens = read(tmp_path, ODOMETRY, "P2", size=(1241, 376))
    assert (lens.width, lens.height) == (1241, 376)
    assert four(lens) == (718.856, 718.856, 607.1928, 185.2157)
    assert "no image size" in refusal(tmp_path, ODOMETRY, "P2")
    assert "must be 12" in refusal(tmp_path, "P0: 1 2 3\n", size=(1241, 376))


def test_transforms_of_nerfstudio(tmp_path):
    lens = read(tmp_path, TRANSFORMS, name="transforms.json")
    assert four(lens) == (500.0, 502.0, 319.5, 240.0) and (lens.width, lens.height) == (640, 480)
    assert lens.d == (0.05, -0.02, 0.001, 0.0005, 0.0)
    fisheye = {**TRANSFORMS, "camera_model": "OPENCV_FISHEYE", "k3": 0.01, "k4": 0.002}
    lens = read(tmp_path, fisheye, name="transforms.json")
    assert lens.distortion_model == "equidistant" and lens.d == (0.05, -0.02, 0.01, 0.002)


def test_transforms_with_an_angle_or_with_frames_of_their_own(tmp_path):
    angle = {"camera_angle_x": 1.5707963267948966, "w": 640, "h": 480, "frames": []}
    lens = read(tmp_path, angle, name="transforms.json")
    assert four(lens) == pytest.approx((320.0, 320.0, 319.5, 239.5))
    frames = [{"fl_x": 500.0, "fl_y": 500.0, "cx": 320, "cy": 240, "file_path": f} for f in "ab"]
    several = {"w": 640, "h": 480, "frames": frames}
    assert four(read(tmp_path, several, name="transforms.json")) == (500.0, 500.0, 319.5, 239.5)
    frames[1]["fl_x"] = 600.0
    assert "choose one of frame0, frame1" in refusal(tmp_path, several, name="transforms.json")


@pytest.mark.parametrize(
    "change, why",
    [
        ({"w": None}, "add w and h"),
        ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR: must be OPENCV"),
        ({"k4": 0.1}, "write OPENCV_FISHEYE"),
        ({"fl_x": "wide"}, "'wide': must be a number"),
    ],
)
def test_what_is_refused_of_transforms(tmp_path, change, why):
    changed = {k: v for k, v in {**TRANSFORMS, **change}.items() if v is not None}
    assert why in refusal(tmp_path, changed, name="transforms.json")
