"""What a checkpoint's preprocessor_config.json says, honoured or refused by name.

Free of torch. ``mean`` and ``std`` here are of values in 0..1, whatever the file counts in.
"""

import math

from depthlm_ros.status import Code, StatusError

FILE = "preprocessor_config.json"
_WHITE = 255.0
_BICUBIC = (None, 3, "bicubic")
_REMEDY = "fetch the checkpoint again, or correct the file"


def refuse(rule: str):
    """Raise StatusError(MODEL_ERROR) that names the file and the rule."""
    raise StatusError(Code.MODEL_ERROR, f"{FILE}: {rule}; {_REMEDY}")


def check(settings: dict, patch: int, merge: int | None = None) -> None:
    """Refuse settings that ask for what is not done here.

    ``patch``, ``merge``: of config.json; the file must say the same where it says any.
    """
    if settings.get("do_resize") is False:
        refuse(
            "do_resize = false: pictures of any size come here, and the model takes whole "
            "patches only"
        )
    for key in ("do_center_crop", "do_image_splitting"):
        if settings.get(key):
            refuse(f"{key} = {settings[key]}: what is cut off would have no depth")
    if settings.get("resample") not in _BICUBIC:
        refuse(f"resample = {settings['resample']}: pictures are resampled bicubic (3)")
    for key, ours in (("patch_size", patch), ("merge_size", merge)):
        theirs = settings.get(key)
        sides = set(theirs.values()) if isinstance(theirs, dict) else {theirs}
        if ours is not None and sides - {None, ours}:
            refuse(f"{key} = {theirs}: config.json says {ours}")


def mean_and_std(settings: dict, mean: tuple, std: tuple) -> tuple[tuple, tuple]:
    """Return mean and std (three each) of values in 0..1.

    ``mean``, ``std``: where nothing is said.
    A processor computes (value * rescale_factor - mean) / std of values in 0..255, and leaves a
    step out where its ``do_`` is false.
    """
    mean, std = (settings.get("image_mean") or mean), (settings.get("image_std") or std)
    if settings.get("do_normalize") is False:
        mean, std = (0.0,) * 3, (1.0,) * 3
    factor = settings.get("rescale_factor")
    factor = 1.0 / _WHITE if factor is None else factor
    if settings.get("do_rescale") is False:
        factor = 1.0
    numbers = (factor, *_three(mean, "image_mean"), *_three(std, "image_std"))
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers) or not factor > 0:
        refuse(
            f"image_mean = {mean}, image_std = {std}, rescale_factor = {factor}: must be "
            "finite numbers, the factor positive"
        )
    in_ours = factor * _WHITE
    if math.isclose(in_ours, 1.0, rel_tol=1e-9):
        in_ours = 1.0  # 1/255 as a decimal: not a bit of difference is meant
    return tuple(m / in_ours for m in mean), tuple(s / in_ours for s in std)


def _three(values, name: str) -> tuple:
    if not isinstance(values, list | tuple) or len(values) != 3:
        refuse(f"{name} = {values}: must be three numbers")
    return tuple(values)
