"""Which queries of one picture go through the network together."""

from collections.abc import Iterator, Sequence

import torch

from depthlm_ros.models.device_memory import free_device_bytes

_HOST_BYTES = 2**30
"""What a batch may take where the host computes: beyond it nothing is gained."""


def batch_size(budget: int | None, need: int, most: int, device: torch.device) -> int:
    """Return how many queries go together.

    ``budget``: bytes for a batch; None: half of what a GPU has free, or 1 GiB of the host.
    ``need``: bytes of one query; ``most``: queries at most.
    """
    if budget is None:
        budget = free_device_bytes(device) // 2 if device.type == "cuda" else _HOST_BYTES
    return max(1, min(most, budget // need))


def equal_lengths(layouts: Sequence, batch: int) -> Iterator[list[int]]:
    """Yield the indices of conversations that may go together: at most ``batch`` of one length.

    ``layouts``: of the questions (``DepthLMNetwork.layout``), with ``ids`` and ``next_position``.
    """
    groups: dict[tuple, list[int]] = {}
    for index, layout in enumerate(layouts):
        groups.setdefault((len(layout.ids), layout.next_position), []).append(index)
    for members in groups.values():
        for first in range(0, len(members), batch):
            yield members[first : first + batch]
