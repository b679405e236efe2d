"""Calling a model so that its failures become statuses: out of memory, wrong output, anything."""

import gc
import sys

from depthlm_ros.status import Code, Refusal


def call_model(model, call, statistics):
    """Return ``call()``; one more try at a smaller size when the device's memory ran out.

    A model that can work smaller has ``shrink() -> bool`` (False: it is as small as it gets).
    """
    try:
        return call()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        failure = str(error)  # not the error: its frames hold what filled the memory
    if not getattr(model, "shrink", bool)():
        raise Refusal(Code.MODEL_ERROR, f"out of memory, and no smaller size: {failure}")
    release_device_memory()
    statistics.retries += 1
    return call()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an exception, or what caused it, is a lack of memory (host or device)."""
    while error is not None:
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"OutOfMemoryError", "MemoryError"}:
            return True
        error = error.__cause__
    return False


def device_memory_bytes() -> tuple[int, int] | None:
    """Return (used, total) bytes of the current GPU where torch is loaded and has one."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)  # None too while torch is being loaded
    if cuda is None or not cuda.is_available() or not cuda.is_initialized():
        return None
    free, total = cuda.mem_get_info()
    return total - free, total


def release_device_memory() -> None:
    """Give memory that no model uses any more back to the device, where torch holds it."""
    gc.collect()
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_available() and cuda.is_initialized():
        cuda.empty_cache()
