"""How much memory a device has left, and what weights need of it: asked before they are made.

On the CPU the kernel kills whoever takes more than there is, often another program; so the answer
has to come before. Knows no model, and loads torch only to ask a GPU.
"""

import gc
import logging
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from depthlm_ros.status import Code, StatusError

_log = logging.getLogger(__name__)
# Of a control group: its limit, what it uses, and the line of memory.stat with the file pages
# among that which the kernel takes back when it needs them. Version 2, then version 1.
_GROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def free_device_bytes(device) -> int:
    """Return the bytes that torch can still get on a ``torch.device``.

    Of a GPU: what the driver has left, and what torch's own cache holds without using it. Of the
    CPU: ``available_host_bytes``. A GPU that shares the host's memory (Jetson) can have what the
    kernel would give back, too, which its driver does not count.
    """
    if device.type != "cuda":
        return available_host_bytes()
    from torch import cuda

    cached = cuda.memory_reserved(device) - cuda.memory_allocated(device)
    left = cuda.mem_get_info(device)[0]
    if getattr(cuda.get_device_properties(device), "is_integrated", False):
        left = max(left, available_host_bytes())
    return left + cached


def available_host_bytes(root: Path = Path("/")) -> int:
    """Return what Linux calls available, or less where a control group (a container) allows less.

    Elsewhere there is no telling: ``sys.maxsize``. ``root``: where proc and sys lie.
    """
    lines = _lines(root / "proc/meminfo")
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min([sys.maxsize, *available, *_group_bytes(root)])


def need_bytes(numbers: int, dtype) -> int:
    """Return the bytes of so many parameters in a ``torch.dtype``."""
    return numbers * dtype.itemsize


def check_memory(what: str, need: int, device, kind: str) -> None:
    """Refuse what needs more bytes than the device has free.

    ``kind``: in which type, for the text. Raises StatusError(MODEL_NOT_READY).
    """
    free = free_device_bytes(device)
    if need > free:
        raise StatusError(
            Code.MODEL_NOT_READY,
            f"{what} needs {need / 1e9:.1f} GB in {kind}, "
            f"{device} has {free / 1e9:.1f} GB free: take a smaller model, bfloat16 or "
            "quantize, or free the memory",
        )


def reserve_check(what: str, numbers: int, device, dtype) -> None:
    """Tell in the log what so many random weights are going to take; then as ``check_memory``."""
    need = need_bytes(numbers, dtype)
    _log.info(
        "making %s: %.1f M parameters, %.2f GB in %s on %s",
        what,
        numbers / 1e6,
        need / 1e9,
        dtype,
        device,
    )
    check_memory(what, need, device, str(dtype))


def _group_bytes(root: Path) -> Iterator[int]:
    """Yield what each control group that this process is in, and each around it, leaves."""
    paths = [line.split(":", 2) for line in _lines(root / "proc/self/cgroup")]
    for mount, *files in _GROUPS:
        version_1 = mount.endswith("memory")
        for _, controllers, path in (path for path in paths if len(path) == 3):
            if controllers.split(",").count("memory") == version_1:
                for folder in _upwards(root / mount, path):
                    yield from _left_by(folder, *files)


def _upwards(mount: Path, path: str) -> list[Path]:
    """Return a group's folder and those around it; in a container only the last may be there."""
    inner = PurePosixPath(path.lstrip("/"))
    return [mount / inner, *(mount / outer for outer in inner.parents)]


def _left_by(folder: Path, limit: str, used: str, reclaimable: str) -> Iterator[int]:
    """Yield the bytes that one group leaves, nothing where it has no limit."""
    limits, uses = _lines(folder / limit), _lines(folder / used)
    if limits and uses and limits[0].isdigit():
        stat = dict(line.split(maxsplit=1) for line in _lines(folder / "memory.stat"))
        yield max(0, int(limits[0]) - int(uses[0]) + int(stat.get(reclaimable, 0)))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="ascii").splitlines() if file.is_file() else []


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


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an exception, or what caused it, is a lack of memory (host or device)."""
    seen = []  # an error may be its own cause
    while error is not None and error not in seen:
        seen.append(error)
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"OutOfMemoryError", "MemoryError"}:
            return True
        error = error.__cause__
    return False
