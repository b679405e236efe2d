"""Changes to a training picture that leave its metric depth true.

Cropping moves the principal point and mirroring swaps left and right: neither touches depth or
focal length. Scaling would, so there is none.
"""
import numpy as np


def crop_and_mirror(rgb: np.ndarray, depth: np.ndarray, size: tuple,
                    rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cut a random window of ``size`` = (height, width) and mirror it half of the time."""
    height, width = size
    top = rng.integers(rgb.shape[0] - height + 1)
    left = rng.integers(rgb.shape[1] - width + 1)
    window = (slice(top, top + height), slice(left, left + width))
    rgb, depth = rgb[window], depth[window]
    return (rgb[:, ::-1], depth[:, ::-1]) if rng.random() < 0.5 else (rgb, depth)


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
