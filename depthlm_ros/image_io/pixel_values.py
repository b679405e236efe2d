"""Samples of pictures: from 16 to 8 bits, and whether a picture shows anything at all.

One rule for files, raw and compressed messages.
"""

import numpy as np

from depthlm_ros.status import Code, StatusError

BLANK_SPREAD = 4
"""Grey levels between percentiles 0.5 and 99.5 of a picture that shows nothing."""
DARK_LEVEL = 12
"""A picture whose percentile 99.5 is not above this grey level is black, noise and all."""
_LOOKED_AT = 40_000


def significant_bits(samples: np.ndarray) -> int:
    """Return how many bits the largest of uint16 samples needs, at least 8.

    A camera of 12 bits writes 0 to 4095 into 16: by 65535 its picture would be nearly black.
    """
    return max(8, int(samples.max(initial=0)).bit_length())


def to_eight_bits(samples: np.ndarray) -> np.ndarray:
    """Return uint16 samples (...) as uint8: the largest value of their bits becomes 255."""
    import cv2

    full = (1 << significant_bits(samples)) - 1
    return cv2.convertScaleAbs(samples, alpha=255.0 / full).reshape(samples.shape)


def blank_reason(rgb: np.ndarray) -> str:
    """Return why a picture, uint8 (H, W, 3), shows nothing that depth could be seen in, or "".

    With the remedy: a black one wants light, a blank one something to see.
    """
    step = max(1, int(np.sqrt(rgb.shape[0] * rgb.shape[1] / _LOOKED_AT)))
    grey = rgb[::step, ::step].max(axis=-1)
    low, high = (int(x) for x in np.percentile(grey, (0.5, 99.5)))
    if high <= DARK_LEVEL:
        levels = f"grey levels up to {high} of 255"
        return f"it is black ({levels}): take off the lens cap, or light the scene"
    if high - low <= BLANK_SPREAD and _flat(rgb[::step, ::step]):
        remedy = "expose it less" if low > 245 else "uncover the lens, or step back from the wall"
        return f"it is blank (grey levels {low} to {high} of 255): {remedy}"
    return ""


def _flat(rgb: np.ndarray) -> bool:
    """Tell whether each channel is even: red and blue of one brightness are no blank."""
    spread = np.percentile(rgb.reshape(-1, 3), (0.5, 99.5), axis=0)
    return bool((spread[1] - spread[0] <= BLANK_SPREAD).all())


def check_not_blank(rgb: np.ndarray, label: str) -> None:
    """Refuse a picture that shows nothing: a number about it would be made up."""
    if reason := blank_reason(rgb):
        raise StatusError(Code.BAD_IMAGE, f"{label}: {reason}")
