"""Models that hang, die and fail on demand, for the tests of the model's process.

A load function is found by its name in the process, so these are plain functions of a module that
both sides can import.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from fakes import ConstantDepth

from depthlm_ros.models.base import QWEN3_VL_BOXES, DistanceReading
from depthlm_ros.status import Code, StatusError


class Faulty(ConstantDepth):
    """A plane at the distance that the first pixel's red value says, in decimetres.

    The green value of the first pixel chooses a fault, by its place in ``FAULTS``.
    """

    name = "faulty"
    speaks = True
    grounding = QWEN3_VL_BOXES
    remarks = ("a remark",)

    def __init__(self, flag=None):
        super().__init__(ratio_90=1.5)
        self.on_token, self.size, self.flag = None, 2, flag

    def depth(self, rgb, view):
        """Do what the first pixel says."""
        red, green, _ = (int(value) for value in rgb[0, 0])
        if green < len(FAULTS):  # an ordinary picture is brighter
            FAULTS[green](self)
        self.depth_m = red / 10
        return super().depth(rgb, view)

    def distances(self, rgb, camera, pixels):
        """Return the pixel's column as its distance."""
        return [DistanceReading(float(u), float(u) - 1, float(u) + 1) for u, _ in pixels]

    def reply(self, rgb, camera, prompt, max_tokens=128):
        """Write the prompt back, word by word."""
        words = []
        for word in prompt.split()[:max_tokens]:
            words.append(word)
            if self.on_token is not None:
                self.on_token()
        return " ".join(words)

    def shrink(self):
        """Become smaller twice."""
        self.size -= 1
        return self.size >= 0


def hold_interpreter(_):
    """Hang in C with Python's lock held: no other thread runs."""
    ctypes.PyDLL(None).usleep(ctypes.c_uint(60_000_000))


def refuse(_):
    """Refuse as models do."""
    raise StatusError(Code.BAD_IMAGE, "the picture is upside down: turn it")


def run_out(_):
    """Run out of memory."""
    raise MemoryError("no 8 GB")


def lose_device(_):
    """Fail as torch does after an illegal access on a GPU."""
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def divide(_):
    """Fail by a fault of its own."""
    return 1 / 0


FAULTS = (
    lambda _: None,
    lambda _: time.sleep(60),
    hold_interpreter,
    lambda _: os.abort(),
    lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    lambda _: os.kill(os.getpid(), signal.SIGKILL),
    lose_device,
    refuse,
    run_out,
    divide,
    lambda _: os._exit(3),
)
NONE, HANG, GIL, ABORT, SEGV, KILL, DEVICE, REFUSE, MEMORY, DIVIDE, EXIT = range(len(FAULTS))


def load_faulty():
    """Load it."""
    return Faulty()


def load_for_node(name, device, dtype, quantize, revision, options):
    """Load it, as the node asks."""
    return Faulty()


def load_and_die():
    """End the process while loading."""
    os._exit(7)


def load_refused(name):
    """Refuse to load."""
    raise StatusError(Code.MODEL_NOT_READY, f"{name!r} is not here: fetch it")


def load_once(flag):
    """Load the first time only; later the process dies: a crash loop."""
    if Path(flag).exists():
        os._exit(9)
    Path(flag).touch()
    return Faulty()


def load_embedded():
    """Load the embedded checkpoint as the node does."""
    from depthlm_ros.models.registry import load

    return load("embedded", device="cpu")


def picture(metres=2.0, fault=NONE, height=48, width=64):
    """Return a picture that asks for a plane at ``metres`` and a fault."""
    rgb = np.full((height, width, 3), 90, np.uint8)
    rgb[0, 0] = round(metres * 10), fault, 0
    return rgb


def hold():
    """Be a node that gets killed: print the number of its model's process, then wait."""
    from depthlm_ros.model_process.model import load_in_process

    model = load_in_process(load_faulty, ())
    print(model.process_status.pid, flush=True)
    sys.stdin.read()
