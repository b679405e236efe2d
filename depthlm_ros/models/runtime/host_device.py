"""Between host and device: through page-locked memory to a GPU, without a copy to the CPU.

A GPU fetches page-locked memory by itself while the host goes on; torch keeps such blocks for the
next frame of the size, so that nothing is locked anew.
"""

import numpy as np
import torch


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return an array as a tensor on the device; on the CPU it may share the array's memory.

    Memory of a numpy array that must not be written to is copied.
    """
    writable = array if array.flags.writeable and array.flags.c_contiguous else array.copy()
    tensor = torch.from_numpy(writable)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def to_host(*tensors: torch.Tensor) -> tuple[np.ndarray, ...]:
    """Return tensors of one device as arrays of their own; waits once for all of them.

    On the CPU they share the tensors' memory.
    """
    if not tensors or tensors[0].device.type != "cuda":
        return tuple(tensor.numpy() for tensor in tensors)
    landed = [
        torch.empty(x.shape, dtype=x.dtype, pin_memory=True).copy_(x, non_blocking=True)
        for x in tensors
    ]
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return tuple(tensor.numpy() for tensor in landed)
