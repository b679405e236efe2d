"""What every model refuses in the same words: an image of another size, and too little memory."""

import numpy as np

from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code, StatusError


def check_source_image(rgb: np.ndarray, view: CanonicalView) -> None:
    """Raise StatusError(BAD_IMAGE) unless ``rgb`` is uint8 (H, W, 3) of the view's source."""
    expected = (view.source.height, view.source.width, 3)
    if rgb.shape != expected or rgb.dtype != np.uint8:
        raise StatusError(
            Code.BAD_IMAGE,
            f"rgb is {rgb.dtype} {rgb.shape}: must be uint8 {expected}, the camera's size",
        )


def out_of_memory(name: str, what: str, max_pixels: int) -> StatusError:
    """Return the refusal of a model whose device's memory did not suffice for ``what``."""
    return StatusError(
        Code.MODEL_ERROR,
        f"{name} ran out of device memory on {what}: load it with a lower max_pixels "
        f"(now {max_pixels})",
    )
