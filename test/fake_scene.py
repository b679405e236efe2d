"""A world of boards with exact depth, and a scene in which a scripted model finds its things."""

import json
import math
from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.language.answer_scene import answer_scene
from depthlm_ros.language.free_distance import Body
from depthlm_ros.language.question import Able, read_question
from depthlm_ros.models.base import QWEN3_VL_BOXES
from depthlm_ros.point_readings import sample_points

CAMERA = PinholeCamera(400.0, 400.0, 319.5, 239.5, 640, 480)


ABLE = Able.THINGS | Able.WAYS


# a wall at 8 m, and upright boards in front: name -> (left, top, right, bottom) px, depth [m]
BOARDS = {
    "chair": [((100, 200, 199, 299), 2.0), ((400, 150, 439, 189), 4.0)],
    "table": [((250, 200, 349, 299), 3.0)],
    "lamp": [((500, 50, 539, 149), 2.5)],
    "door": [((600, 100, 640, 400), 6.0)],
}


def world():
    depth = np.full((480, 640), 8.0, np.float32)
    for boards in BOARDS.values():
        for (left, top, right, bottom), z in boards:
            depth[top : bottom + 1, left : right + 1] = z
    return DepthMap(depth, CAMERA, 0, "camera", 1.25, 1)


@dataclass
class FakeScene:
    """Boxes by name in Qwen3-VL's form, or whatever ``replies`` says."""

    replies: dict = field(default_factory=dict)
    form: object = QWEN3_VL_BOXES
    size: tuple = (640, 480)
    shown_size: tuple = (640, 480)
    camera: PinholeCamera = CAMERA
    body: Body = Body()
    rgb: object = None

    def __post_init__(self):
        self.depth_map, self.asked = world(), []

    def ask(self, prompt, mirrored=False):
        """Answer as the model would."""
        self.asked.append((prompt, mirrored))
        name = prompt.removeprefix("Locate every ").partition(",")[0]
        if (name, mirrored) in self.replies:
            return self.replies[name, mirrored]
        boxes = []
        for (left, top, right, bottom), _ in BOARDS.get(name, []):
            edges = np.array([left - 0.5, top - 0.5, min(right, 639) + 0.5, bottom + 0.5])
            if mirrored:
                edges[[0, 2]] = 639 - edges[[2, 0]]
            shares = (edges + 0.5) / [640, 480, 640, 480] * 1000
            boxes.append({"bbox_2d": shares.tolist(), "label": name})
        return json.dumps(boxes)

    def read(self, pixels):
        """Read the true depth."""
        return sample_points(self.depth_map, pixels)

    def as_taken(self, pixel):
        """Return it as it is: no lens."""
        return pixel

    rectified = as_taken


def ask(text, pixels=(), scene=None, verify=False):
    return answer_scene(read_question(text, pixels, able=ABLE), scene or FakeScene(), verify)


def distance(u, v, z):
    return z * math.sqrt(1 + ((u - 319.5) / 400) ** 2 + ((v - 239.5) / 400) ** 2)
