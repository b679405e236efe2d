"""Which versions of transformers serve the models here; checked before it is imported."""

import inspect
import logging
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from depthlm_ros.status import Code, StatusError

OLDEST, BELOW, NEWEST_TRIED = (5, 0), (6,), (5, 24)
"""5.0 up to, not including, 6: exact on the oldest and the newest of them (docs/install.md).

What 4.x makes of a config are other rotary positions: wrong depths, not an error.
"""
REQUIREMENT = "transformers>=5.0,<6"

_log = logging.getLogger(__name__)


def check_transformers(found: str | None = None) -> None:
    """Refuse a transformers that does not serve the models: StatusError(MODEL_NOT_READY).

    ``found``: its version, None for the installed one. A newer one than was tried is logged.
    """
    try:
        installed = version("transformers") if found is None else found
    except PackageNotFoundError as error:
        raise _refusal("transformers is not installed") from error
    numbers = tuple(int(part) for part in re.findall(r"\d+", installed)[:2])
    if not OLDEST <= numbers < BELOW:
        raise _refusal(f"transformers {installed} is installed")
    if numbers > NEWEST_TRIED:
        newest = ".".join(map(str, NEWEST_TRIED))
        _log.warning("transformers %s is newer than %s, the newest tried here", installed, newest)


def cache_argument(forward: Callable, cache) -> dict:
    """Return ``cache`` by the name that a forward pass of the stock models takes it by.

    ``cache`` from transformers 5.24 on, where ``past_key_values`` ends with 5.40; that one before.
    """
    function = getattr(forward, "__func__", forward)  # a bound method is a new object each time
    return {_cache_name(function): cache}


@lru_cache(maxsize=64)
def _cache_name(function: Callable) -> str:
    """Look the name up once for a function: this lies in the loop over tokens and layers."""
    return "cache" if "cache" in inspect.signature(function).parameters else "past_key_values"


def _refusal(what: str) -> StatusError:
    return StatusError(
        Code.MODEL_NOT_READY,
        f"{what}: must be {REQUIREMENT}; run `python3 -m pip install '{REQUIREMENT}'` in the "
        "environment that the node runs in",
    )
