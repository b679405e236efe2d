"""CUDA graphs of functions on tensors of fixed shapes: captured once, replayed from then on.

A pass through a network launches about a thousand small kernels, and on a fast GPU launching them
takes longer than running them. Replaying a graph is one launch. A function can be captured if it
reads no value back and takes nothing but its inputs from the host, which
``test/models/runtime/test_device_side.py`` shows for ours. Knows nothing of any model.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

KEPT = 4
TOLERANCE = 0.02
"""Mean difference, relative to the mean magnitude, that a replay may have: well above what
another choice of matrix kernels does in bfloat16, well below any mistake."""

_log = logging.getLogger(__name__)


class CudaGraphs:
    """Makes recordings on a CUDA device."""

    def __init__(self, device: torch.device):
        self.device = device

    def record(self, run: Callable[[], tuple]) -> tuple[Callable[[], None], tuple]:
        """Return what replays ``run``, and the tensors that ``run`` then fills again."""
        with torch.cuda.device(self.device):
            # Warm up on a side stream, as torch asks: the capture itself may neither load a kernel
            # nor allocate a library's workspace.
            stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                run()
            current.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # thread_local: what other threads do with the GPU meanwhile is no part of this.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                outputs = run()
        return graph.replay, outputs


class CapturedInputs(TorchDispatchMode):
    """Collects the tensors that were there before: weights, tables, constants.

    A recording reads them by address, so it must keep them alive. ``made``: tensors that are no
    constants, as the inputs.
    """

    def __init__(self, made: tuple = ()):
        super().__init__()
        self.constants: dict[int, torch.Tensor] = {}
        self._made = {_storage(tensor) for tensor in made}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run the operation, and note whose memory it reads and makes."""
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            if _storage(tensor) not in self._made:
                self.constants[_storage(tensor)] = tensor
        out = function(*args, **kwargs)
        self._made |= {_storage(tensor) for tensor in _tensors(out)} - self.constants.keys()
        return out


def _tensors(tree) -> list:
    return [x for x in tree_leaves(tree) if isinstance(x, torch.Tensor)]


def _storage(tensor: torch.Tensor) -> int:
    """Return what two views of the same memory have in common; a wrapper is its own."""
    return tensor.untyped_storage()._cdata if type(tensor) is torch.Tensor else id(tensor)


@dataclass(frozen=True)
class _CapturedGraph:
    replay: Callable[[], None]
    inputs: tuple
    outputs: tuple
    constants: tuple


class GraphCache:
    """Functions of device tensors, each recorded for the shapes that come twice.

    ``recorder``: what ``CudaGraphs`` offers, or None: functions are only called. ``kept``: how
    many recordings are held; the least recently used goes first. Where recording fails, or a
    replay does not give what the call gave, functions are only called from then on, and the log
    says why. Used by one thread at a time.
    """

    def __init__(self, recorder=None, kept: int = KEPT):
        self.recorder, self._kept = recorder, kept
        self._seen: set = set()
        self._held: OrderedDict[Hashable, _CapturedGraph] = OrderedDict()

    @classmethod
    def on(cls, device: torch.device, wanted: bool = True, kept: int = KEPT) -> "GraphCache":
        """Return recordings for a CUDA device; elsewhere, or unwanted, ones that only call."""
        use = wanted and device.type == "cuda"
        return cls(CudaGraphs(device) if use else None, kept)

    def __len__(self) -> int:
        """Return how many recordings are held."""
        return len(self._held)

    def holds(self, key: Hashable) -> bool:
        """Return whether there is a recording with this key, of any shapes."""
        return any(held == key for held, _ in self._held)

    def forget(self) -> None:
        """Drop every recording: weights or settings changed, or memory ran out."""
        self._seen.clear()
        self._held.clear()

    def run(self, key: Hashable, function: Callable[..., tuple], *inputs: torch.Tensor) -> tuple:
        """Return ``function(*inputs)``, a tuple of tensors, from a recording where there is one.

        ``key``: all that the function depends on beside ``inputs`` and their shapes. The tensors
        of a recording hold until the next call with this key: read or copy them before.
        """
        if self.recorder is None:
            return function(*inputs)
        # Addresses and shapes are baked into a graph, so each set of input shapes has its own.
        key = (key, tuple((tuple(x.shape), x.dtype) for x in inputs))
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
            # The graph reads its own input tensors: fill them; the copies are ordered before it.
            for mine, given in zip(held.inputs, inputs, strict=True):
                mine.copy_(given, non_blocking=True)
            held.replay()
            return held.outputs
        if key not in self._seen:  # what comes once is not worth a recording
            self._seen.add(key)
            return function(*inputs)
        outputs = function(*inputs)
        self._record(key, function, inputs, outputs)
        return outputs

    def _record(self, key: Hashable, function, inputs: tuple, expected: tuple) -> None:
        mine = tuple(x.clone() for x in inputs)
        try:
            # After a first call: tables that the function caches exist by now, and are found here
            # as constants that the graph reads by address.
            with CapturedInputs(mine) as reads:
                function(*mine)
            replay, outputs = self.recorder.record(lambda: function(*mine))
            replay()  # a graph that replays to something else is never used
            wrong = difference(outputs, expected)
        except torch.OutOfMemoryError:
            self._give_up("the device's memory does not suffice for a recording")
            return
        except RuntimeError as error:
            self._give_up(f"recording failed ({str(error).splitlines()[0]})")
            return
        if not wrong <= TOLERANCE:
            self._give_up(f"a replay is off by {wrong:.1%} of the magnitude")
            return
        while len(self._held) >= self._kept:
            self._held.popitem(last=False)
        self._held[key] = _CapturedGraph(replay, mine, outputs, tuple(reads.constants.values()))

    def _give_up(self, reason: str) -> None:
        _log.warning("CUDA graphs are not used from now on, which is slower: %s", reason)
        self.recorder = None
        self.forget()


def difference(one: tuple, other: tuple) -> float:
    """Return the largest of the tensors' mean differences, relative to the mean magnitude.

    Infinite where more than 1 in 100 values is finite in one of them only.
    """
    largest = 0.0
    for a, b in zip(one, other, strict=True):
        a, b = a.float(), b.float()
        both = a.isfinite() & b.isfinite()
        if (a.isfinite() ^ b.isfinite()).float().mean() > 0.01:
            return float("inf")
        error = torch.where(both, (a - b).abs(), 0.0).sum()
        scale = torch.where(both, b.abs(), 0.0).sum().clamp_min(1e-30)
        largest = max(largest, (error / scale).item())
    return largest
