"""Pictures and scripted random numbers for the tests of sampling."""

import numpy as np
from PIL import Image

from depthlm_ros.datasets.depthlm_sampling import (
    unified,
)
from depthlm_ros.geometry.camera import PinholeCamera


class Draws:
    """A generator that says what it is told, and notes what it was asked."""

    def __init__(self, *values):
        self.values, self.asked = list(values), []

    def uniform(self, low, high):
        """Note the range; return the next value."""
        self.asked.append((low, high))
        return self.values.pop(0)


def picture(width, height):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8))


def view_of(width, height, fx, pixels, focal=1000.0):
    camera = PinholeCamera(fx, fx * 1.25, 100.0, 50.0, width, height)
    return unified(picture(width, height), camera, pixels, focal)
