"""DepthLM's training sample, step by step, against numbers worked out by hand."""

import json
import random

import numpy as np
import pytest
from PIL import Image
from sampling_draws import Draws, picture, view_of

from depthlm_ros.datasets.depthlm_sampling import (
    SamplingConfig,
    cropped,
    make_samples,
    nearest_kept,
    off_the_border,
    squeezed,
)
from depthlm_ros.datasets.depthlm_tasks import check_tasks
from depthlm_ros.datasets.mixture import Mixture, Shuffled, scannet_part
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.prompting.marker import Marker
from depthlm_ros.status import StatusError


def test_the_unified_focal_length_scales_everything_by_fx_and_truncates():
    """S = 1000 / 600: 301 x 200 px become int(501.67) x int(333.33)."""
    view = view_of(301, 200, 600.0, [[10, 7], [0, 0]])
    assert view.rgb.shape == (333, 501, 3)
    s = 1000 / 600
    camera = view.camera
    assert (camera.fx, camera.fy) == pytest.approx((1000.0, 1250.0))
    assert (camera.cx, camera.cy) == pytest.approx((100 * s, 50 * s))
    np.testing.assert_array_equal(view.pixels, [[16, 11], [0, 0]])  # int(16.67), int(11.67)
    expected = picture(301, 200).resize((501, 333), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(view.rgb, np.asarray(expected))


def test_no_unified_focal_length_leaves_the_image_alone():
    view = view_of(30, 20, 600.0, [[10, 7]], focal=None)
    np.testing.assert_array_equal(view.rgb, np.asarray(picture(30, 20)))
    np.testing.assert_array_equal(view.pixels, [[10, 7]])


def test_the_crop_is_about_the_centre_of_the_image():
    """1601 x 1001 with h = int(800.9), w = int(1200.7): left = 200, top = 100 (whole halves)."""
    view = view_of(1601, 1001, 1000.0, [[200, 100], [199, 100], [1399, 899], [1400, 899]])
    draws = Draws(800.9, 1200.7)
    cut = cropped(view, SamplingConfig(), draws)
    assert draws.asked == [(700.0, 1200.0), (1000.0, 1400.0)]  # the height first
    assert cut.rgb.shape == (800, 1200, 3)
    assert (cut.camera.cx, cut.camera.cy) == (100 - 200, 50 - 100)
    np.testing.assert_array_equal(cut.pixels[0], [0, 0])
    np.testing.assert_array_equal(cut.kept, [True, False, True, False])
    np.testing.assert_array_equal(cut.rgb[0, 0], view.rgb[100, 200])


def test_an_image_smaller_than_the_crop_stays_whole():
    view = view_of(640, 480, 1000.0, [[0, 0]])
    cut = cropped(view, SamplingConfig(), np.random.default_rng(0))
    assert cut.rgb.shape == (480, 640, 3) and cut.kept.all()


def test_taskonomy_is_squeezed_and_not_cropped():
    """Width 512, draw 1.28: the height becomes 400, s = 400 / 512 for fy, cy and the points."""
    view = view_of(512, 512, 1000.0, [[100, 256]])
    draws = Draws(1.28)
    done = squeezed(view, SamplingConfig(), draws)
    assert draws.asked == [(1.0, 1.3)] and done.rgb.shape == (400, 512, 3)
    s = 400 / 512
    assert (done.camera.fy, done.camera.cy) == pytest.approx((1250 * s, 50 * s))
    assert done.camera.fx == 1000.0 and done.camera.cx == 100.0
    np.testing.assert_array_equal(done.pixels, [[100, 200]])


@pytest.mark.parametrize(
    ("kept", "chosen", "index"),
    [
        ([1, 1, 1], 1, 1),
        ([1, 0, 1], 1, 0),  # left before right
        ([0, 0, 1], 1, 2),
        ([1, 0, 0, 0, 1], 3, 4),  # nearer wins over left
        ([0, 0, 0], 1, None),
    ],
)
def test_a_lost_point_gives_way_to_the_nearest_in_the_list(kept, chosen, index):
    assert nearest_kept([bool(k) for k in kept], chosen) == index


def test_the_border_of_five_pixels():
    inside = [
        off_the_border(p, 20, 12) for p in ((5, 5), (14, 6), (4, 5), (15, 5), (5, 4), (5, 7))
    ]
    assert inside == [True, True, False, False, False, False]


@pytest.fixture
def annotated(tmp_path):
    """Write a file of one image, 100 x 60 px at f = 500 px, with points in its middle."""

    def write(name="nuscenes.jsonl", pixels=((40, 30), (50, 30)), metres=(4.0, 8.0), folder=""):
        (tmp_path / folder).mkdir(exist_ok=True)
        picture(100, 60).save(tmp_path / folder / "a.png")
        line = {
            "image": f"{folder}/a.png",
            "intrinsics": [500, 500, 49.5, 29.5, 100, 60],
            "pixel_coords": [list(p) for p in pixels],
            "depth": list(metres),
        }
        (tmp_path / name).write_text(json.dumps(line))
        return AnnotationFile(tmp_path / name)

    return write


def test_a_whole_sample(annotated):
    """At s = 2 the points are (80, 60), (100, 60); the arrow's nine pixels lie left of one."""
    config = SamplingConfig()
    (made,) = make_samples(annotated()[0], config, np.random.default_rng(3))
    assert made.pixel in ((80, 60), (100, 60))
    metres = {80: 4.0, 100: 8.0}[made.pixel[0]]
    assert made.metres == metres and made.rgb.shape == (120, 200, 3)
    assert made.reply == (
        f"<think> The point is around {metres:.2f} meters away from the camera. "
        f"</think>\n\n<answer> {metres:.2f} </answer>"
    )
    assert made.prompt.question.startswith("Given this image, how far is the point pointed by")
    x, y = made.pixel
    red = {(x - d, y) for d in range(1, 6)}
    red |= {(x - 2, y - 1), (x - 2, y + 1), (x - 3, y - 2), (x - 3, y + 2)}
    rows, columns = np.nonzero((made.rgb == (255, 0, 0)).all(axis=-1))
    assert set(zip(columns.tolist(), rows.tolist(), strict=True)) == red and len(red) == 9


def test_answers_can_be_asked_for_in_the_other_kind(annotated):
    """The ray of (50 - 49.5) / 500 is nearly straight: z 8 m is 8 sqrt(1 + 2e-6) m away."""
    file = annotated(pixels=((87, 29.5), (87, 29.5)), metres=(4.0, 4.0))
    config = SamplingConfig(label="distance")
    (made,) = make_samples(file[0], config, np.random.default_rng(0))
    assert made.metres == pytest.approx(4.0 * np.sqrt(1 + 0.075**2))


def test_several_points_an_image_are_different_ones(annotated):
    file = annotated(pixels=[(20 + 4 * n, 30) for n in range(10)], metres=range(1, 11))
    made = make_samples(file[0], SamplingConfig(points=4), np.random.default_rng(1))
    assert len({m.pixel for m in made}) == 4


@pytest.mark.parametrize("points", [(((40, 30),), (4.0,)), (((1, 1), (2, 1)), (4.0, 4.0))])
def test_lines_that_give_nothing_are_left(annotated, points):
    """One labelled point only; points within 5 px of the border (of the resized image)."""
    assert (
        make_samples(
            annotated(pixels=points[0], metres=points[1])[0],
            SamplingConfig(),
            np.random.default_rng(0),
        )
        == []
    )


def test_taskonomy_is_known_by_its_folder(annotated):
    file = annotated(folder="taskonomy")
    (made,) = make_samples(file[0], SamplingConfig(), np.random.default_rng(0))
    assert made.rgb.shape[1] == 200 and made.rgb.shape[0] != 120


def test_the_ablations_change_the_words_or_the_marker(annotated):
    def made(**change):
        one = make_samples(annotated()[0], SamplingConfig(**change), np.random.default_rng(3))
        return one[0]

    text = made(style="text_coordinates")
    x, y = text.pixel
    assert text.prompt.question == (
        f"Given this image of size (width = 200, height = 120), how "
        f"far is the pixel at ({x}, {y}) from the camera?"
    )
    assert not (text.rgb == (255, 0, 0)).all(axis=-1).any()
    assert "fx = 1000.00, fy = 1000.00" in made(style="intrinsics").prompt.question
    ray = made(style="ray", focal_px=None)
    degrees = np.degrees(np.arctan((ray.pixel[0] - 49.5) / 500))
    side = "right" if degrees > 0 else "left"
    assert f"{abs(degrees):.2f} degrees to the {side}" in ray.reply
    assert made(marker=Marker("circle")).rgb.shape == (120, 200, 3)


@pytest.mark.parametrize(
    "task", ["distance", "principal_axis_distance", "speed", "time", "two_point_distance"]
)
def test_the_other_tasks(annotated, task):
    """Z = 4 m at rays x = 0.06 and -0.06: 4 sqrt(1.0036) m away, and 0.48 m from each other."""
    file = annotated(pixels=((79.5, 29.5), (19.5, 29.5)), metres=(4.0, 4.0))
    config = SamplingConfig(tasks=(task,), label="distance")
    (made,) = make_samples(file[0], config, np.random.default_rng(0))
    distance, words = 4 * np.sqrt(1 + 0.06**2), made.prompt.question
    if task == "two_point_distance":
        assert made.metres == pytest.approx(0.48)
        assert (made.rgb == (0, 0, 255)).all(axis=-1).sum() == 9
        assert "the red arrow and the blue arrow" in words
    elif task in ("speed", "time"):
        given = float(next(w for w in words.split() if w.replace(".", "", 1).isdigit()))
        low, high = {"speed": (1.0, 10.0), "time": (0.5, 10.0)}[task]
        assert low <= given <= high and round(given, 1) == given
        assert made.metres == pytest.approx(distance / given)
    else:
        assert made.metres == pytest.approx(distance if task == "distance" else 4.0)
    assert (made.rgb == (255, 0, 0)).all(axis=-1).sum() == 9
    assert f"{made.metres:.2f}" in made.reply


def test_tasks_in_the_words_of_the_papers_figure(annotated):
    """Speed: the distance first, then the division written out; two points: arrows of one look."""
    file = annotated(pixels=((79.5, 29.5), (19.5, 29.5)), metres=(4.0, 4.0))
    config = SamplingConfig(tasks=("speed",), style="multitask")
    (made,) = make_samples(file[0], config, np.random.default_rng(0))
    given = made.prompt.given
    assert f"{4 * np.sqrt(1 + 0.06**2):.2f} / {given:.1f} = " in made.reply
    assert f"exactly {given:.1f} seconds" in made.prompt.question
    config = SamplingConfig(tasks=("two_point_distance",), style="multitask")
    (made,) = make_samples(file[0], config, np.random.default_rng(0))
    assert (made.rgb == (255, 0, 0)).all(axis=-1).sum() == 18 and "0.48" in made.reply


def test_tasks_are_drawn_evenly_and_known_ones_alone(annotated):
    file = annotated()
    config = SamplingConfig(tasks=check_tasks(["distance", "speed", "time"]))
    rng = np.random.default_rng(4)
    asked = [make_samples(file[0], config, rng)[0].prompt.unit for _ in range(300)]
    assert all(70 < asked.count(unit) < 130 for unit in ("m", "m/s", "s"))
    with pytest.raises(StatusError, match="'height': must be among distance"):
        check_tasks(["height"])


def motion_line(folder, **changed):
    """Write two images of one camera and a line about its motion between them."""
    rng = np.random.default_rng(5)
    for name in ("a.png", "b.png"):
        pixels = rng.integers(0, 256, (60, 100, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    line = {"image": "a.png", "second_image": "b.png", "camera_motion": 1.234, "label": "distance"}
    line |= {"intrinsics": [500, 500, 49.5, 29.5, 100, 60]} | changed
    (folder / "motion.jsonl").write_text(json.dumps(line))
    return AnnotationFile(folder / "motion.jsonl")


def test_the_camera_motion_between_two_images(tmp_path):
    """Both are cut to one window, at the unified focal length, without a marker."""
    sample = motion_line(tmp_path)[0]
    config = SamplingConfig(
        tasks=check_tasks(["distance", "camera_motion"]), style="multitask",
        crop_width=(120.0, 180.0), crop_height=(60.0, 100.0),
    )  # fmt: skip
    (made,) = make_samples(sample, config, np.random.default_rng(2))
    assert made.prompt.question.startswith(
        "How many meters has the camera moved between these 2 images?"
    )
    assert "The camera has moved around 1.23 meters." in made.reply
    assert made.reply.endswith("<answer> 1.23 </answer>")
    first, second = made.images
    assert first.shape == second.shape and 60 <= first.shape[0] < 100 <= first.shape[1] < 180
    whole = Image.open(tmp_path / "b.png").resize((200, 120), Image.Resampling.BICUBIC)
    top, left = (120 - second.shape[0]) // 2, (200 - second.shape[1]) // 2
    window = np.asarray(whole)[top : top + second.shape[0], left : left + second.shape[1]]
    np.testing.assert_array_equal(second, window)
    assert make_samples(sample, SamplingConfig(), np.random.default_rng(2)) == []


def test_motion_is_never_asked_of_one_image(annotated):
    config = SamplingConfig(tasks=("camera_motion",))
    assert make_samples(annotated()[0], config, np.random.default_rng(0)) == []
    config = SamplingConfig(tasks=("camera_motion", "distance"))
    rng = np.random.default_rng(0)
    assert all(make_samples(annotated()[0], config, rng)[0].second is None for _ in range(9))


@pytest.mark.parametrize("motion", [None, -1.0, "far", float("inf"), True])
def test_a_motion_that_is_none_is_refused(tmp_path, motion):
    with pytest.raises(StatusError, match="camera_motion = .*must be a finite number of metres"):
        motion_line(tmp_path, camera_motion=motion)[0]


def test_an_image_of_another_size_is_refused(annotated, tmp_path):
    file = annotated()
    picture(90, 60).save(tmp_path / "a.png")
    with pytest.raises(StatusError, match="line 1.*is 90 x 60 px, the line says 100 x 60"):
        make_samples(file[0], SamplingConfig(), np.random.default_rng(0))


class Numbers(list):
    """Files of whole numbers."""


def test_the_mixture_draws_by_weight_and_is_the_same_for_everybody():
    files = [Numbers(range(10)), Numbers(range(100, 107))]
    mixture = Mixture(files, [10, 1], lambda sample, rng: [sample], seed=1)
    assert len(mixture) == 100 * 17
    drawn = [mixture[i][0] for i in range(1700)]
    share = np.mean([value >= 100 for value in drawn])
    assert abs(share - 1 / 11) < 0.03
    assert all(v == i % 10 if v < 100 else v == 100 + i % 7 for i, v in enumerate(drawn))
    again = Mixture(files, [10, 1], lambda sample, rng: [sample], seed=1)
    assert [again[i][0] for i in (1699, 5)] == [drawn[1699], drawn[5]]
    assert Mixture(files, [0, 1], lambda s, r: [s])[3] == [103]


def test_the_mixture_goes_on_where_a_line_gives_nothing():
    mixture = Mixture([Numbers(range(10))], [1], lambda s, r: [s] if s % 4 == 3 else [], seed=1)
    assert [mixture[i][0] for i in range(5)] == [3, 3, 3, 3, 7]
    nothing = Mixture([Numbers(range(10))], [1], lambda s, r: [])
    with pytest.raises(StatusError, match="1000 lines from 2 on give no sample"):
        nothing[2]
    with pytest.raises(StatusError, match="one weight of 0 or more each"):
        Mixture([Numbers(range(3))], [1, 2], lambda s, r: [s])


def test_an_order_without_memory_is_a_permutation():
    for size in (1, 2, 17, 1000):
        order = Shuffled(size, seed=3)
        assert sorted(order[i] for i in range(size)) == list(range(size))
    long = Shuffled(1_600_000_000, 3)
    first = [long[i] for i in range(2000)]
    assert len(set(first)) == 2000 and 0.45 < np.mean(first) / 1.6e9 < 0.55
    assert first != [Shuffled(1_600_000_000, 4)[i] for i in range(2000)]
    with pytest.raises(IndexError):
        long[1_600_000_000]


def test_scannet_keeps_its_last_lines_for_evaluation():
    train = scannet_part("/data/ScanNetpp/all.jsonl", 150, train=True)
    test = scannet_part("/data/ScanNetpp/all.jsonl", 150, train=False)
    np.testing.assert_array_equal(train, np.arange(147))
    expected = [147, 148, 149]
    random.Random(42).shuffle(expected)
    assert test.tolist() == expected
    assert len(scannet_part("/data/nuscenes.jsonl", 150, train=False)) == 150
