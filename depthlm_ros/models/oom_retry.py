"""Calling a model so that its failures become statuses: out of memory, wrong output, anything."""

from depthlm_ros.models.device_memory import is_out_of_memory, release_device_memory
from depthlm_ros.status import Code, StatusError


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
        raise StatusError(
            Code.MODEL_ERROR,
            f"out of memory, and the model knows no smaller size ({failure}): free memory, or "
            "take a smaller model",
        )
    release_device_memory()
    statistics.retries += 1
    return call()
