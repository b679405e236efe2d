"""Changes to a training image that leave its metric depth true.

Cropping moves the principal point and mirroring swaps left and right: neither touches depth or
focal length. Stretching changes the focal length, and depth is divided by the change: what a
``CanonicalView`` whose sides were rounded to whole tokens undoes with its ``depth_scale``.
"""

import math

import cv2
import numpy as np


def crop_and_mirror(
    rgb: np.ndarray, depth: np.ndarray, size: tuple, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a random window of ``size`` = (height, width) and mirror it half of the time."""
    height, width = size
    top = rng.integers(rgb.shape[0] - height + 1)
    left = rng.integers(rgb.shape[1] - width + 1)
    window = (slice(top, top + height), slice(left, left + width))
    rgb, depth = rgb[window], depth[window]
    return (rgb[:, ::-1], depth[:, ::-1]) if rng.random() < 0.5 else (rgb, depth)


def stretched_crop(
    rgb: np.ndarray, depth: np.ndarray, size: tuple, most: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut, mirror and resample a window, each axis by a factor of its own within 1 +- ``most``.

    ``rgb`` uint8 (H, W, 3), ``depth`` z-depth (H, W) [m], any size of at least ``size`` = (height,
    width), which both returned arrays have. Depth is that of the unified focal length: divided by
    the geometric mean of the factors, and taken from the nearest pixel, so that no edge is
    smeared.
    """
    window = [
        min(have, round(want / rng.uniform(1 - most, 1 + most)))
        for want, have in zip(size, depth.shape, strict=True)
    ]
    rgb, depth = crop_and_mirror(rgb, depth, window, rng)
    scale = math.sqrt(size[0] / window[0] * size[1] / window[1])
    to = (size[1], size[0])
    shrunk = cv2.resize(np.ascontiguousarray(rgb), to, interpolation=cv2.INTER_CUBIC)
    nearest = cv2.resize(depth.astype(np.float32), to, interpolation=cv2.INTER_NEAREST_EXACT)
    return shrunk, nearest / np.float32(scale)


def disturb_light(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change exposure, gamma, colour balance, saturation and noise; uint8 (H, W, 3) in and out."""
    x = rgb.astype(np.float32) / 255.0
    x = np.clip(x * np.exp(rng.normal(0.0, 0.25)), 0.0, 1.0) ** np.exp(rng.normal(0.0, 0.2))
    x *= np.exp(rng.normal(0.0, 0.08, 3)).astype(np.float32)
    grey = x.mean(axis=-1, keepdims=True)
    x = grey + (x - grey) * np.float32(rng.uniform(0.0, 1.4))
    sigma = rng.uniform(0.0, 0.03)
    x += rng.standard_normal(x.shape, dtype=np.float32) * np.float32(sigma)
    return (np.clip(x, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
