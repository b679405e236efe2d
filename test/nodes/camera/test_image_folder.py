"""Photographs as a camera: intrinsics, labels, order, and what is wrong with files."""

import json
import math

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlm_ros.nodes.camera.sources.factory import open_source
from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import Code, StatusError

INTRINSICS = [16.0, 8.0, 16.0, 12.0, 48, 32]
LABELS = {"pixel_coords": [[32, 28], [5, 6], [7, 8]], "depth": [2.0, None, -1.0]}
YAML = """
image_width: 48
image_height: 32
camera_name: test
camera_matrix: {rows: 3, cols: 3, data: [40.0, 0, 23.0, 0, 42.0, 15.0, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.2, 0.05, 0.001, -0.002, 0.0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [40.0, 0, 23.0, 0, 0, 42.0, 15.0, 0, 0, 0, 1, 0]}
"""


def write_picture(path, red, size=(48, 32)):
    """Write a picture whose red is ``red`` and whose green is the column; return it as rgb."""
    width, height = size
    v, u = np.mgrid[:height, :width]
    rgb = np.stack([np.full(u.shape, red), u, v], axis=-1).astype(np.uint8)
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1])
    return rgb


def write_lines(folder, *lines, name="points.jsonl"):
    """Write a .jsonl; return its path."""
    path = folder / name
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def line(image, **changed):
    """Return one annotation."""
    return {"image": image, "intrinsics": INTRINSICS, **LABELS, **changed}


def play(start_camera, source, **settings):
    """Start a camera at a rate that fills tests quickly."""
    return start_camera(source=str(source), rate_hz=50.0, **settings)


def refusal_of(tools, source, **changed):
    """Return the words with which a source refuses to play: the node leaves with them."""
    with pytest.raises(StatusError) as caught:
        values = tools.camera_values(source=str(source), **changed)
        list(open_source(values, lambda sentence: None).samples())
    return caught.value.text


def test_a_jsonl_with_labels_in_a_folder(start_camera, tmp_path):
    first = write_picture(tmp_path / "rgb" / "a.png", 10)
    write_picture(tmp_path / "rgb" / "b.png", 20)
    write_lines(tmp_path, line("rgb/a.png"), "", line("rgb/b.png", pixel_coords=[], depth=[]))
    node, viewer = play(start_camera, tmp_path, loop=False)
    (image, info), (second, _) = viewer.pictures(2)
    assert np.array_equal(rgb_of(image), first) and rgb_of(second)[0, 0, 0] == 20
    assert image.header == info.header and image.header.frame_id == "camera_optical_frame"
    assert (info.width, info.height) == (48, 32)
    assert list(info.k) == [16.0, 0.0, 16.0, 0.0, 8.0, 12.0, 0.0, 0.0, 1.0]
    reply = viewer.truth(
        (32, 28), (32.5, 27.5), (32.6, 28), (5, 6), (7, 8), (48, 2), stamp=image.header.stamp
    )
    points = reply.points
    assert [p.status.code for p in points] == [
        Code.OK,
        Code.OK,
        Code.NO_DEPTH,
        Code.NO_DEPTH,
        Code.NO_DEPTH,
        Code.OUT_OF_IMAGE,
    ]
    assert points[0].depth == 2.0
    assert points[0].distance == pytest.approx(2 * math.sqrt(1 + 1 + 4))  # x = 16/16, y = 16/8
    assert (points[0].point.x, points[0].point.y, points[0].point.z) == (2.0, 4.0, 2.0)
    assert points[0].source == "truth" and points[1].depth == 2.0
    assert "half a pixel" in points[2].status.text
    newest = viewer.truth((32, 28))
    assert newest.points[0].status.code == Code.NO_DEPTH
    node.wait_for_log("stream is over after 2 pictures")


def test_labels_that_are_distances(start_camera, tmp_path):
    write_picture(tmp_path / "a.jpg", 10)
    source = write_lines(tmp_path, line("a.jpg", pixel_coords=[[32, 28]], depth=[6.0]))
    _, viewer = play(start_camera, source, labels="distance")
    viewer.pictures(1)
    point = viewer.truth((32, 28)).points[0]
    assert point.distance == pytest.approx(6.0)
    assert point.depth == pytest.approx(6 / math.sqrt(6))


def test_a_folder_with_a_calibration_and_a_distorting_lens(start_camera, tmp_path):
    for name, red in (("p10.png", 30), ("p2.png", 20), ("p1.PNG", 10)):
        write_picture(tmp_path / "x.png", red).copy()
        (tmp_path / "x.png").rename(tmp_path / name)
    (tmp_path / "camera_info.yaml").write_text(YAML)
    _, viewer = play(start_camera, tmp_path, frame_id="lens")
    pairs = viewer.pictures(4)
    assert [rgb_of(image)[0, 0, 0] for image, _ in pairs] == [10, 20, 30, 10]
    info = pairs[0][1]
    assert info.header.frame_id == "lens" and info.distortion_model == "plumb_bob"
    assert list(info.d) == [-0.2, 0.05, 0.001, -0.002, 0.0]
    assert list(info.k) == [40.0, 0.0, 23.0, 0.0, 42.0, 15.0, 0.0, 0.0, 1.0]
    reply = viewer.truth((3, 3))
    assert reply.status.code == Code.OK and reply.points[0].status.code == Code.NO_DEPTH
    assert "knows no true depths" in reply.points[0].status.text


def test_truth_through_a_distorting_lens_is_that_of_opencv(start_camera, tmp_path):
    write_picture(tmp_path / "a.png", 10)
    calibration = tmp_path / "lens.yaml"
    calibration.write_text(YAML)
    write_lines(tmp_path, line("a.png", pixel_coords=[[4, 28]], depth=[3.0]))
    _, viewer = play(start_camera, tmp_path, camera_info_url=f"file://{calibration}")
    viewer.pictures(1)
    point = viewer.truth((4, 28)).points[0]
    k = np.array([[40.0, 0, 23], [0, 42, 15], [0, 0, 1]])
    d = np.array([-0.2, 0.05, 0.001, -0.002, 0])
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-12)
    x, y = cv2.undistortPointsIter(np.array([[[4.0, 28.0]]]), k, d, None, None, criteria)[0, 0]
    assert point.depth == 3.0
    assert point.distance == pytest.approx(3 * math.sqrt(1 + x * x + y * y), rel=1e-6)
    assert (point.point.x, point.point.y) == pytest.approx((3 * x, 3 * y), rel=1e-6)
    assert abs(x - (4 - 23) / 40) > 0.02  # the lens matters here


def test_intrinsics_by_parameters(start_camera, tmp_path):
    write_picture(tmp_path / "a.png", 10)
    _, viewer = play(start_camera, tmp_path, fx=30.0)
    assert list(viewer.pictures(1)[0][1].k) == [30, 0, 23.5, 0, 30, 15.5, 0, 0, 1]
    _, viewer = play(start_camera, tmp_path, fx=30.0, fy=31.0, cx=20.0, cy=0.0)
    assert list(viewer.pictures(1)[0][1].k) == [30, 0, 20, 0, 31, 0, 0, 0, 1]


def test_a_jpeg_goes_out_compressed_as_it_is(start_camera, tmp_path):
    write_picture(tmp_path / "a.jpg", 10)
    _, viewer = play(start_camera, tmp_path, fx=30.0, image_transport="compressed")
    image, info = viewer.pictures(1)[0]
    assert bytes(image.data) == (tmp_path / "a.jpg").read_bytes()
    assert image.header == info.header and (info.width, info.height) == (48, 32)
    assert image.format == "rgb8; jpeg compressed bgr8"


def test_what_cannot_be_used_is_skipped_and_told_once(tools, tmp_path):
    write_picture(tmp_path / "a.png", 10)
    write_picture(tmp_path / "small.png", 20, size=(24, 16))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    write_lines(
        tmp_path,
        line("cut.png"),
        line("gone.png"),
        line("small.png"),
        "{oops",
        line("a.png"),
        line("a.png", intrinsics=[1, 2, 3]),
        line("a.png", depth=[1.0]),
        line("a.png", intrinsics=[-1.0, 8, 16, 12, 48, 32]),
    )
    warnings = []
    source = open_source(tools.camera_values(source=str(tmp_path)), warnings.append)
    for _ in range(2):  # rounds
        assert [rgb_of(sample.image)[0, 0, 0] for sample in source.samples()] == [10]
    said = (
        ("line 4 is skipped", "JSONDecodeError"),
        ("line 6 is skipped", "must be [fx, fy, cx, cy, width, height]"),
        ("line 7 is skipped", "3 pixel_coords, but depth has the shape (1,)"),
        ("line 8 is skipped", "fx = -1.0: must be positive"),
        ("cut.png is skipped", "damaged"),
        ("gone.png is skipped", "No such file"),
        ("small.png is skipped", "24 x 16 px, its CameraInfo is for 48 x 32"),
    )
    assert len(warnings) == len(said)
    for warning, words in zip(warnings, said, strict=True):
        assert all(word in warning for word in words), warning


def test_nothing_that_can_be_played_is_an_error(tools, tmp_path):
    def refused(source, **changed):
        return refusal_of(tools, source, **changed)

    assert "no picture in it (.jpg," in refused(tmp_path)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    assert "not one can be used, the last:" in refused(tmp_path, fx=30.0)
    Image.linear_gradient("L").resize((48, 32)).save(tmp_path / "cut.jpg")
    assert "camera_info_url FILE (a calibration), fx PIXELS" in refused(tmp_path)
    (tmp_path / "camera_info.yaml").write_text("image_width: 3")
    assert "no intrinsics found in it" in refused(tmp_path)
    (tmp_path / "camera_info.yaml").write_text(YAML.replace("[40.0", "[0.0"))
    assert "fx = 0 px: must be positive" in refused(tmp_path)
    assert "must be a path or begin with file://" in refused(tmp_path, camera_info_url="http://x")
    empty = write_lines(tmp_path)
    assert "points.jsonl: is empty; give one JSON object a line" in refused(tmp_path)
    empty.write_text("1\n2\n")
    assert "line after line is broken" in refused(empty)
    write_lines(tmp_path, name="other.jsonl")
    assert "2 .jsonl files (other.jsonl, points.jsonl)" in refused(tmp_path)
    (tmp_path / "some.pdf").touch()
    assert "a folder or pattern of pictures" in refused(tmp_path / "some.pdf")


def first(tools, **values):
    """Return (rgb, CameraInfo, warnings) of a source's first sample."""
    warnings = []
    source = open_source(tools.camera_values(**values), warnings.append)
    sample = next(iter(source.samples()))
    return rgb_of(sample.image), sample.info, warnings


def with_exif(path, size=(48, 36), orientation=1, f35=26):
    """Write a picture with a gradient to the right, as a phone does. 48 x 36: diagonal 60 px."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = f35
    turned = size if orientation < 5 else size[::-1]
    Image.linear_gradient("L").resize(turned).save(path, exif=exif.tobytes())


def test_exif_tells_the_camera_of_a_picture_without_calibration(tools, tmp_path):
    """26 mm on film: 26 * 60 / 43.26662 = 36.0555 px; one picture and a pattern are sources."""
    with_exif(tmp_path / "a.jpg", orientation=6)
    for source in (tmp_path, tmp_path / "a.jpg", tmp_path / "*.jpg"):
        rgb, info, warnings = first(tools, source=str(source))
        assert rgb.shape == (36, 48, 3) and (info.width, info.height) == (48, 36)
        assert info.k[0] == pytest.approx(36.0555, abs=1e-3)
        assert "26 mm on 35 mm film" in warnings[0]


def test_a_picture_that_tells_nothing_needs_a_parameter(tools, tmp_path):
    Image.linear_gradient("L").resize((48, 36)).save(tmp_path / "a.png")
    assert first(tools, source=str(tmp_path), hfov=90.0)[1].k[0] == pytest.approx(24.0)
    info, warnings = first(tools, source=str(tmp_path), assume_phone=True)[1:]
    assert info.k[0] == pytest.approx(36.0555, abs=1e-3) and "ASSUMED" in warnings[0]
    said = refusal_of(tools, tmp_path, fx=4.2)
    assert "not millimetres" in said


def test_a_picture_above_the_limit_is_scaled_down(tools, tmp_path, monkeypatch):
    from depthlm_ros.image_io import pictures

    with_exif(tmp_path / "a.jpg")
    monkeypatch.setattr(pictures.decode, "__defaults__", (432,))
    rgb, info, _ = first(tools, source=str(tmp_path))
    assert rgb.shape == (18, 24, 3) and (info.width, info.height) == (24, 18)
    assert info.k[0] == pytest.approx(36.0555 / 2, abs=1e-3)
