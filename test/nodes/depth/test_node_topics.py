"""Frames in, depth and clouds out: coordinates worked out by hand or by OpenCV's own route."""

import array

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, RegionOfInterest


def cloud_xyz(cloud):
    """Read a cloud by its field offsets, independently of the packer: float32 (H, W, 3)."""
    kind = np.dtype(
        {
            "names": [field.name for field in cloud.fields],
            "formats": ["<f4"] * len(cloud.fields),
            "offsets": [field.offset for field in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    points = np.frombuffer(bytes(cloud.data), kind).reshape(cloud.height, cloud.width)
    return np.stack([points["x"], points["y"], points["z"]], axis=-1), points["rgb"]


def test_frame_in_cloud_out(start_node, tools):
    node, robot = start_node(model={"kind": "plane", "offset_m": 2.0})
    clouds = robot.listen(PointCloud2, "depthlm/points")
    depths = robot.listen(Image, "depthlm/depth/image")
    infos = robot.listen(CameraInfo, "depthlm/depth/camera_info")
    info = tools.make_info(fx=50.0, fy=40.0, cx=31.0, cy=23.0)
    image = tools.make_image()
    at = 3 * (43 * 64 + 56)
    image.data = image.data[:at] + array.array("B", [1, 2, 3]) + image.data[at + 3 :]
    robot.see_until(lambda: clouds and depths and infos, image=image, info=info)
    cloud, depth, out = clouds[0], depths[0], infos[0]
    xyz, colour = cloud_xyz(cloud)
    assert xyz.shape == (48, 64, 3)
    # (56 - 31) / 50 * 2 m = 1 m to the right, (43 - 23) / 40 * 2 m = 1 m down
    assert xyz[43, 56] == pytest.approx((1.0, 1.0, 2.0), abs=1e-5)
    assert xyz[23, 31] == pytest.approx((0.0, 0.0, 2.0), abs=1e-6)
    assert colour.view(np.uint32)[43, 56] == 0x010203
    assert tools.floats(depth) == pytest.approx(np.full((48, 64), 2.0), rel=1e-6)
    assert (depth.encoding, depth.is_bigendian, depth.step) == ("32FC1", 0, 256)
    assert list(out.k) == [50.0, 0.0, 31.0, 0.0, 40.0, 23.0, 0.0, 0.0, 1.0]
    for message in (cloud, depth, out):
        assert message.header.frame_id == "camera"
    assert node.stop()[0] == 0


def test_the_image_keeps_its_own_stamp(start_node, tools):
    _, robot = start_node()
    depths = robot.listen(Image, "depthlm/depth/image")
    stamps = []
    robot.see_until(lambda: stamps.append(robot.see(frame_id="eye")) or depths, frame_id="eye")
    assert depths[0].header.frame_id == "eye"
    sent = {(s.sec, s.nanosec) for s in stamps}
    tools.wait_until(
        lambda: any((d.header.stamp.sec, d.header.stamp.nanosec) in sent for d in depths),
        "a depth image with a stamp that was sent",
    )


def test_a_change_of_focal_length_counts_from_its_own_frame_on(start_node, tools):
    _, robot = start_node()
    clouds = robot.listen(PointCloud2, "depthlm/points")
    robot.see_until(lambda: clouds, info=tools.make_info(fx=50.0, cx=31.0))
    wide, zoomed = {}, {}
    for i in range(10):  # zoom after the fifth frame; wait for each, so that none is dropped
        fx, seen = (50.0, wide) if i < 5 else (100.0, zoomed)
        count = len(clouds)
        stamp = robot.see(info=tools.make_info(fx=fx, cx=31.0))
        tools.wait_until(
            lambda stamp=stamp: any(c.header.stamp == stamp for c in clouds[-5:]), f"cloud {i}"
        )
        assert len(clouds) > count
        cloud = next(c for c in clouds if c.header.stamp == stamp)
        seen[i] = cloud_xyz(cloud)[0][23, 56, 0]
    # x = (56 - 31) / fx * 2 m
    assert list(wide.values()) == pytest.approx([1.0] * 5, abs=1e-5)
    assert list(zoomed.values()) == pytest.approx([0.5] * 5, abs=1e-5)


def test_a_change_of_resolution_mid_stream(start_node, tools):
    _, robot = start_node()
    clouds = robot.listen(PointCloud2, "depthlm/points")
    robot.see_until(lambda: clouds)
    robot.see_until(
        lambda: clouds[-1].width == 32,
        image=tools.make_image(32, 24),
        info=tools.make_info(32, 24, cx=15.5, cy=11.5),
    )
    assert (clouds[-1].height, clouds[-1].row_step) == (24, 512)


# A camera as awkward as CameraInfo allows: unequal focal lengths, distortion, a window, binning.
SENSOR = (1280, 960)
K = np.array([[900.0, 0.0, 655.0], [0.0, 860.0, 470.0], [0.0, 0.0, 1.0]])
D = np.array([-0.28, 0.09, 0.001, -0.0008, -0.01])
WINDOW = {"x_offset": 160, "y_offset": 120, "width": 960, "height": 720}
BINNING = (2, 3)
SIZE = (480, 240)
NORMAL = np.array([0.3, -0.2, 0.93]) / np.linalg.norm([0.3, -0.2, 0.93])
OFFSET_M = 2.0 * NORMAL[2]
"""The plane NORMAL . X = OFFSET_M crosses the camera's axis at 2 m."""
NEAR_M, FAR_M = 1.2, 3.6


def rays_of(pixels):
    """Return the rays (N, 3) of pixels of the binned window, by OpenCV."""
    sensor = (np.asarray(pixels, np.float64) + 0.5) * BINNING - 0.5
    sensor += (WINDOW["x_offset"], WINDOW["y_offset"])
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    flat = cv2.undistortPointsIter(sensor.reshape(-1, 1, 2), K, D, None, None, criteria)
    return np.concatenate([flat[:, 0], np.ones((len(flat), 1))], axis=1)


def true_points(pixels):
    """Return where rays of pixels meet the plane, (N, 3) in metres."""
    rays = rays_of(pixels)
    return rays * (OFFSET_M / (rays @ NORMAL))[:, None]


def test_a_tilted_plane_at_2_m_through_the_whole_node(start_node, tools):
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    z = true_points(np.stack([u, v], axis=-1).reshape(-1, 2))[:, 2].reshape(SIZE[::-1])
    assert z.min() > NEAR_M and z.max() < FAR_M
    red = np.rint((z - NEAR_M) / (FAR_M - NEAR_M) * 255).astype(np.uint8)
    image = tools.make_image(*SIZE)
    image.data = array.array("B", np.stack([red, red, red], axis=-1).tobytes())
    info = tools.make_info(
        *SENSOR,
        K[0, 0],
        K[1, 1],
        K[0, 2],
        K[1, 2],
        d=D.tolist(),
        roi=RegionOfInterest(**WINDOW),
        binning_x=BINNING[0],
        binning_y=BINNING[1],
    )
    model = {"kind": "picture", "near_m": NEAR_M, "far_m": FAR_M}
    _, robot = start_node(model=model, cloud_keeps_edges=True, max_age=60.0)
    clouds = robot.listen(PointCloud2, "depthlm/points")
    robot.see_until(lambda: clouds, image=image, info=info)
    # every point of the cloud lies on the plane
    xyz, _ = cloud_xyz(clouds[-1])
    points = xyz[np.isfinite(xyz[..., 2])]
    assert len(points) > 0.8 * SIZE[0] * SIZE[1]
    assert np.abs(points @ NORMAL / OFFSET_M - 1).max() < 0.005
    # and each pixel of the subscribed image gets the distance of its own ray
    pixels = [(60.0 + 40 * i, 30.0 + 35 * j) for i in range(10) for j in range(6)]
    ahead = [(k - w) / b for k, w, b in zip((656.0, 471.5), (160, 120), BINNING, strict=True)]
    reply = robot.query(*pixels, ahead)
    assert reply.status.code == 0, reply.status.text
    truth = np.linalg.norm(true_points([*pixels, ahead]), axis=1)
    said = np.array([p.distance for p in reply.points])
    assert np.abs(said / truth - 1).max() < 0.005
    # straight ahead, on the axis, the plane is at 2 m
    assert reply.points[-1].depth == pytest.approx(2.0, rel=0.005)
    answer = robot.ask("How far is it straight ahead?")
    assert answer.value == pytest.approx(2.0, rel=0.005)


def test_compressed_images(start_node, tools):
    node, robot = start_node(
        wait=False, image_transport="compressed", remaps=["image:=cam/picture"]
    )
    node.wait_for_log(r"active: \S+/cam/picture/compressed with")
    depths = robot.listen(Image, "depthlm/depth/image")
    sender = robot.node.create_publisher(CompressedImage, "cam/picture/compressed", 5)
    picture = np.full((48, 64, 3), 90, np.uint8)
    picture[:, ::2] = 140  # of one colour it would be blank
    coded = cv2.imencode(".png", picture)[1].tobytes()

    def send():
        message = CompressedImage(format="png", data=array.array("B", coded))
        message.header.stamp, message.header.frame_id = robot.now(), "camera"
        info = tools.make_info()
        info.header = message.header
        sender.publish(message)
        robot.infos.publish(info)
        return depths

    tools.wait_until(send, lambda: node.log.read_text()[-2000:])
    assert tools.floats(depths[0]) == pytest.approx(np.full((48, 64), 2.0), rel=1e-6)


def test_an_image_rect_topic_is_taken_as_rectified(start_node, tools):
    """Its CameraInfo still holds the lens's D, which must not be applied a second time."""
    node, robot = start_node(wait=False, remaps=["image:=cam/image_rect_color"])
    node.wait_for_log("active:")
    robot.images = robot.node.create_publisher(Image, "cam/image_rect_color", 5)
    clouds = robot.listen(PointCloud2, "depthlm/points")
    p = [40.0, 0.0, 31.0, 0.0, 0.0, 40.0, 23.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info = tools.make_info(d=[-0.3, 0.1, 0.0, 0.0, 0.0], p=p)
    robot.see_until(lambda: clouds, info=info)
    xyz, _ = cloud_xyz(clouds[0])
    # all of the image is there, and x = (u - 31) / 40 * 2 m by P
    assert xyz[23, 51] == pytest.approx((1.0, 0.0, 2.0), abs=1e-5)
    assert np.isfinite(xyz).all()


def test_nothing_is_computed_that_nobody_wants(start_node, tools):
    _, robot = start_node()
    said = robot.listen(DiagnosticArray, "/diagnostics")
    name = f"{robot.node.get_namespace().lstrip('/')}/depthlm"

    def figures(part):
        found = [s for m in said for s in m.status if s.name == f"{name}: {part}"]
        return {p.key: p.value for p in found[-1].values} if found else {}

    robot.see_until(lambda: int(figures("input").get("images", 0)) > 20, "20 images")
    assert figures("output")["results"] == "0"
    depths = robot.listen(Image, "depthlm/depth/image")
    robot.see_until(lambda: depths)
    robot.see_until(lambda: int(figures("output")["results"]) > 0, "a result")


def test_annotated_and_markers_show_the_points_asked_for(start_node, tools):
    from visualization_msgs.msg import Marker, MarkerArray

    _, robot = start_node()
    markers = robot.listen(MarkerArray, "depthlm/markers")
    drawn = robot.listen(Image, "depthlm/annotated")
    with robot.camera():
        tools.wait_until(lambda: drawn, "an annotated image")
        before = bytes(drawn[-1].data)
        assert robot.query((40.0, 30.0)).status.code == 0
        named = ("points", "distances")
        tools.wait_until(
            lambda: [m for array in markers for m in array.markers if m.ns in named], "markers"
        )
        tools.wait_until(lambda: bytes(drawn[-1].data) != before, "the point on the image")
    sphere, label = [m for array in markers for m in array.markers if m.ns in named][:2]
    assert (sphere.type, label.type) == (Marker.SPHERE, Marker.TEXT_VIEW_FACING)
    # (40 - 31.5) / 50 * 2 m, (30 - 23.5) / 50 * 2 m
    at = sphere.pose.position
    assert (at.x, at.y, at.z) == pytest.approx((0.34, 0.26, 2.0), abs=1e-5)
    assert label.text == "2.05 m" and sphere.header.frame_id == "camera"
    assert drawn[0].encoding == "rgb8" and drawn[0].header.frame_id == "camera"


def test_a_filter_takes_a_speck_out_of_the_depth(start_node, tools):
    node, robot = start_node(model={"kind": "picture"}, cloud_keeps_edges=True)
    depths = robot.listen(Image, "depthlm/depth/image")
    clouds = robot.listen(PointCloud2, "depthlm/points")
    speck = tools.make_image()
    speck.data[3 * (20 * 64 + 30)] = 250  # red, the model's depth: 1 m + 2 m * red / 255
    robot.see_until(lambda: depths and clouds, image=speck)
    around = 1 + 2 * 100 / 255
    assert tools.floats(depths[-1])[20, 30] > around + 0.2
    assert robot.set_parameters(median_filter=True) == (True, "")
    depths.clear()
    clouds.clear()
    robot.see_until(lambda: len(depths) > 2 and len(clouds) > 2, image=speck)
    # resampling to the model's grid and back smears a little of the speck
    assert tools.floats(depths[-1])[20, 30] == pytest.approx(around, abs=0.05)
    assert cloud_xyz(clouds[-1])[0][20, 30, 2] == tools.floats(depths[-1])[20, 30]
    assert not robot.set_parameters(temporal_filter=1.0)[0]
    assert node.stop()[0] == 0
