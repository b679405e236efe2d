"""The product's node with a model of the tests' making, run in a process of its own.

``NODE_MODEL`` chooses the model: a JSON object with "kind" and its settings. Nothing in the
product knows about this: ``main`` takes the loader as an argument.
"""

import json
import os
import sys
import threading
import time

import cv2
import numpy as np

from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import QWEN3_VL_BOXES, DistanceReading
from depthlm_ros.models.options import DEPTHVLM, parse_pairs, validate
from depthlm_ros.nodes.depth_node import main
from depthlm_ros.status import Code, StatusError


class Plane:
    """The true depth of the plane ``normal . X = offset_m``, in the optical frame."""

    name = "plane"

    def __init__(
        self, normal=(0.0, 0.0, 1.0), offset_m=2.0, seconds=0.0, ratio_90=1.1, busy=False
    ):
        self.normal, self.offset_m = np.array(normal), offset_m
        self.seconds, self.ratio_90, self.busy = seconds, ratio_90, busy

    def view_of(self, camera):
        """Ask for the image at the unified focal length of 400 px, sides multiples of 16."""
        return CanonicalView.of(camera, 400.0, 16)

    def depth(self, rgb, view):
        """Return the depth that a model at the unified focal length would say."""
        self.spend(self.seconds)
        v, u = np.mgrid[: view.height, : view.width]
        rays = view.camera.unproject(np.stack([u, v], axis=-1), np.ones(u.shape))
        metres = self.offset_m / (rays @ self.normal)
        return (metres / view.depth_scale).astype(np.float32)

    def spend(self, seconds):
        """Take this long: asleep, or computing in numpy as a network on the CPU does."""
        if seconds > 10:
            print("thinking", flush=True)
        end = time.monotonic() + seconds
        if not self.busy:
            time.sleep(seconds)
        matrix = np.ones((600, 600), np.float32)
        while self.busy and time.monotonic() < end:
            matrix @ matrix


class Room(Plane):
    """A floor ``height_m`` below a camera that looks ``pitch`` down at a wall ``wall_m`` ahead."""

    name = "room"

    def __init__(self, height_m=0.5, pitch=0.3, wall_m=3.0, **plane):
        super().__init__(**plane)
        self.height_m, self.pitch, self.wall_m = height_m, pitch, wall_m

    def depth(self, rgb, view):
        """Return the nearer of floor and wall."""
        self.spend(self.seconds)
        v, u = np.mgrid[: view.height, : view.width]
        rays = view.camera.unproject(np.stack([u, v], axis=-1), np.ones(u.shape))
        ahead = rays[..., 2] * np.cos(self.pitch) - rays[..., 1] * np.sin(self.pitch)
        down = rays[..., 1] * np.cos(self.pitch) + rays[..., 2] * np.sin(self.pitch)
        with np.errstate(divide="ignore"):
            floor = np.where(down > 0, self.height_m / down, np.inf)
        metres = np.minimum(floor, self.wall_m / ahead)
        return (metres / view.depth_scale).astype(np.float32)


class Picture(Plane):
    """Reads the true depth out of the image: red 0 to 255 is ``near_m`` to ``far_m``."""

    name = "picture"

    def __init__(self, near_m=1.0, far_m=3.0, **plane):
        super().__init__(**plane)
        self.near_m, self.far_m = near_m, far_m

    def depth(self, rgb, view):
        """Return the picture's own depth at the view's size."""
        self.spend(self.seconds)
        size = (view.width, view.height)
        red = cv2.resize(np.float32(rgb[..., 0]), size, interpolation=cv2.INTER_LINEAR)
        metres = self.near_m + red / 255 * (self.far_m - self.near_m)
        return (metres / view.depth_scale).astype(np.float32)


class Speaking(Picture):
    """Writes ``words``, then what it was asked and how red the image is that it was shown."""

    name, speaks = "speaking", True

    def __init__(self, words="", reply_s=0.0, **picture):
        super().__init__(**picture)
        self.words, self.reply_s = words, reply_s

    def reply(self, rgb, camera, prompt, max_tokens=128):
        """Write."""
        self.spend(self.reply_s)
        if self.words == "nothing":
            return "\n \u200b"
        return f"{self.words} [{prompt}] red {rgb[0, 0, 0]} {camera.width} px"


class Finding(Picture):
    """Answers with the boxes of a name, else [], or writes ``tokens`` words, one each token_s.

    ``form``: what it makes of a question that it is to read.
    """

    name, speaks = "finding", True

    def __init__(self, boxes=None, tokens=1, token_s=0.0, form="", **picture):
        super().__init__(**picture)
        self.form = form
        self.boxes, self.tokens, self.token_s = boxes or {}, tokens, token_s
        self.grounding, self.on_token = QWEN3_VL_BOXES, None

    def reply(self, rgb, camera, prompt, max_tokens=128):
        """Write as many tokens as may be, and tell of each."""
        for _ in range(min(self.tokens, max_tokens)):
            self.spend(self.token_s)
            if self.on_token is not None:
                self.on_token()
        if prompt.startswith("Do not answer"):
            return self.form
        name = prompt.removeprefix("Locate every ").partition(",")[0]
        return self.boxes.get(name, "[]") if "bbox" in prompt else "word " * self.tokens


class Marker:
    """A point model: every point is ``distance_m`` away.

    ``asks_tasks``: it also answers the six tasks itself, by the sum of what it is given.
    """

    name = "marker"

    def __init__(self, distance_m=3.0, seconds=0.0, reason="", spread=1.2, asks_tasks=False):
        self.distance_m, self.seconds, self.reason = distance_m, seconds, reason
        self.spread, self.asks_tasks = spread, asks_tasks

    def task_reading(self, task, images, camera, pixels=(), given=None):
        """Say the sum of the pixels, of what is given, and 100 for each image."""
        total = 100.0 * len(images) + float(np.sum(pixels)) + (given or 0.0)
        nan = float("nan")
        return DistanceReading(total, nan, nan, f"{total}")

    def distances(self, rgb, camera, pixels):
        """Say the same for each pixel."""
        time.sleep(self.seconds)
        d = self.distance_m
        return [
            DistanceReading(d, d / self.spread, d * self.spread, f"{d}", self.reason)
            for _ in pixels
        ]


class Failing(Plane):
    """Fails as told on its first ``times`` calls, then is the plane."""

    def __init__(self, error="ValueError", times=10**9, shrinks=False, **plane):
        super().__init__(**plane)
        self.error, self.times, self.shrinks = error, times, shrinks

    def depth(self, rgb, view):
        """Fail."""
        self.times -= 1
        if self.times < 0:
            return super().depth(rgb, view)
        kinds = {
            "ValueError": ValueError("bad luck \udcff"),
            "MemoryError": MemoryError("full"),
            "SystemExit": SystemExit(3),
            "shape": None,
        }
        if self.error == "shape":
            return np.ones((3, 3), np.float32)
        raise kinds[self.error]

    def shrink(self):
        """Say whether a smaller size is possible."""
        return self.shrinks


def load(name, device, dtype, quantize, revision, options):
    """Make the model that NODE_MODEL describes; some names fail as a real loader does.

    Options are checked as those of a DepthVLM, and told with the revision on standard output.
    """
    print(f"revision {revision!r} options {validate(DEPTHVLM, parse_pairs(options))}", flush=True)
    if name == "missing":
        raise StatusError(
            Code.MODEL_NOT_READY, "no weights in /nowhere: run depthlm fetch missing"
        )
    settings = json.loads(os.environ.get("NODE_MODEL", "{}"))
    time.sleep(settings.pop("load_s", 0.0))
    kinds = (Plane, Marker, Picture, Room, Speaking, Finding, Failing)
    made = {kind.__name__.lower(): kind for kind in kinds}[settings.pop("kind", "plane")]
    return made(**settings)


if __name__ == "__main__":
    threading.current_thread().name = "main"
    sys.exit(main(load_model=load))
