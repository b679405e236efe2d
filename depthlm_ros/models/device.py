"""Which device and number type a model runs on."""

import torch

from depthlm_ros.status import Code, StatusError


def pick_device(device: str) -> torch.device:
    """Resolve ``auto`` to the GPU where there is one, else the CPU.

    Raises StatusError(MODEL_NOT_READY) for a device that this machine's torch does not offer.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        picked = torch.device(device)
        torch.empty(0, device=picked)
    except (RuntimeError, AssertionError) as error:  # torch raises either for what it lacks
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"device {device!r} cannot be used "
            f"({str(error).splitlines()[0]}): give 'auto', 'cpu' or 'cuda'",
        ) from error
    return picked


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Resolve ``auto``: bfloat16 on a GPU, float32 on the CPU.

    Raises StatusError(MODEL_NOT_READY).
    """
    known = {
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "float32": torch.float32,
        "auto": torch.float32 if device.type == "cpu" else torch.bfloat16,
    }
    if dtype not in known:
        raise StatusError(Code.MODEL_NOT_READY, f"dtype {dtype!r}: known are {', '.join(known)}")
    return known[dtype]
