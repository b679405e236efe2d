"""Reading one conversation with tensors of fixed shapes, so that a GPU's work can be recorded.

Keys and values lie in one buffer of fixed capacity. A question is read into its beginning; what
follows is written at positions that are a tensor, and read whole under a mask over the capacity.
So a pass of a few tokens is one function of tensors, of one of few sizes: rows are padded to the
next of ``ROWS``. A padding row sees the first token only, so that nothing is NaN, and writes to a
spare place that nobody sees. Equal to the growing cache
(``test/models/runtime/test_static_kv_cache.py``).

For one conversation at a time: several keep a GPU busy without a recording, and each number of
them would need one of its own.
"""

import logging

import numpy as np
import torch

from depthlm_ros.models.runtime.cuda_graphs import GraphCache
from depthlm_ros.models.runtime.host_device import to_device
from depthlm_ros.models.runtime.text_decoder import KVCache

ROWS = (1, 32, 64, 128)
"""Sizes of the passes after the question: below 64 rows their time is that of the weights."""
ROOM = 256
"""Tokens after question and lead; what goes beyond is read with a growing cache."""
STEP = 256
"""Capacities are multiples of it, so that questions of different lengths share a buffer."""


_log = logging.getLogger(__name__)


class StaticKVCache:
    """Keys and values of one conversation in a buffer that stays where it is.

    ``buffer``: (2, layers, 1, heads, capacity, head size); ``length``: tokens that count.
    """

    def __init__(self, buffer: torch.Tensor, length: int):
        self.buffer, self.length = buffer, length

    @property
    def capacity(self) -> int:
        """Tokens that the buffer has places for, the spare one included."""
        return self.buffer.shape[4]

    @property
    def spare(self) -> int:
        """The place that padding writes to."""
        return self.capacity - 1

    def cut(self, length: int) -> None:
        """Forget every token from ``length`` on."""
        self.length = min(self.length, length)

    def grown(self, room: int) -> KVCache:
        """Return a copy that can grow."""
        free = KVCache(room)
        keys, values = self.buffer[..., : self.length, :]
        for layer in range(len(keys)):
            free.put(layer, keys[layer], values[layer])
        free.advance(self.length)
        return free


class _Prefill:
    """A cache that is empty: what is put is all there is, and stays in the buffer."""

    length = 0

    def __init__(self, buffer: torch.Tensor):
        self._buffer = buffer

    def put(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple:
        """Write keys and values (1, heads, n, head size) of the first tokens; return them."""
        n = keys.shape[2]
        self._buffer[0, layer, :, :, :n] = keys
        self._buffer[1, layer, :, :, :n] = values
        return keys, values

    def advance(self, n: int) -> None:
        """Empty the rest: what an earlier conversation left may not even be a number."""
        self._buffer[..., n:, :].zero_()


class _IndexedWrite:
    """A cache that is written at given places, int64 (n,), and read whole."""

    length = 1

    def __init__(self, buffer: torch.Tensor, places: torch.Tensor):
        self._buffer, self._places = buffer, places

    def put(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple:
        """Write keys and values (1, heads, n, head size); return all of the layer's."""
        held_keys, held_values = self._buffer[0, layer], self._buffer[1, layer]
        held_keys.index_copy_(2, self._places, keys)
        held_values.index_copy_(2, self._places, values)
        return held_keys, held_values

    def advance(self, n: int) -> None:
        """Nothing to count: the host knows the places."""


class StaticDecoder:
    """Reads with a network's language model what its ``read`` and ``step`` read, in fixed shapes.

    Only the last conversation that it began can go on.
    """

    def __init__(self, network, graph_cache: GraphCache):
        self._network, self._graph_cache = network, graph_cache
        self._buffer = self._last = None

    @property
    def is_wanted(self) -> bool:
        """Whether anything is recorded: padding costs time and saves none by itself."""
        return self._graph_cache.recorder is not None

    def forget(self, for_good: bool = False) -> None:
        """Give back the buffer and every recording; ``for_good``: and make none any more."""
        self._buffer = self._last = None
        if for_good:
            _log.warning("memory ran out: nothing is recorded from now on, which is slower")
            self._graph_cache.recorder = None
        self._graph_cache.forget()

    def read(self, ids: torch.Tensor, image_at, positions, features, keep: int) -> tuple:
        """Read a conversation from its beginning: (its cache, states of the last ``keep`` tokens).

        ``ids``: int64 (1, n); ``image_at``: where features (1, tokens, width) go; ``positions``:
        int64 (axes, 1, n). The states, (1, keep, width), hold until the next reading.
        """
        network = self._network
        buffer = self._with_room(ids.shape[1] + ROOM)
        network.decoder.prepare()

        def function(ids, image_at, positions, features):
            x = network.embedded(ids, image_at, features)
            return (network.language(x, positions, _Prefill(buffer), keep=keep),)

        key = ("read", network.decoder.version, keep)
        (hidden,) = self._graph_cache.run(key, function, ids, image_at, positions, features)
        self._last = StaticKVCache(buffer, ids.shape[1])
        return self._last, hidden

    def _with_room(self, tokens: int) -> torch.Tensor:
        """Return the buffer; a larger one, for which nothing is recorded, where it must be."""
        if self._buffer is None or tokens > self._buffer.shape[4]:
            self.forget()
            decoder, weight = self._network.decoder, self._network.model.lm_head.weight
            layers, capacity = len(decoder.stock.layers), -(-tokens // STEP) * STEP
            shape = (2, layers, 1, decoder.kv_heads, capacity, decoder.head_size)
            with torch.inference_mode(False):  # cached across calls, also outside inference_mode
                self._buffer = torch.zeros(shape, dtype=weight.dtype, device=weight.device)
        return self._buffer

    def fits(self, cache: StaticKVCache, n: int) -> bool:
        """Return whether n more tokens of this conversation can be read here.

        Raises RuntimeError for a conversation that another has overwritten.
        """
        if cache is not self._last:
            raise RuntimeError("another conversation was begun: this one is gone")
        return n <= ROWS[-1] and cache.length + n <= cache.spare

    def step(self, cache: StaticKVCache, ids, positions, mask) -> torch.Tensor:
        """Read n more tokens: states (1, n, width), which hold until the next step.

        ``ids``, ``positions``: int64 arrays (1, n). ``mask``: bool array (1, n, length + n), True
        where a token sees another; None for one token that sees all.
        """
        n, start, network = ids.shape[1], cache.length, self._network
        rows = next(size for size in ROWS if size >= n)
        tokens = np.zeros((3, rows), np.int64)  # ids, positions, places
        tokens[0, :n], tokens[1, :n] = ids[0], positions[0]
        tokens[2], tokens[2, :n] = cache.spare, start + np.arange(n)
        # The mask over the whole buffer, with n = 2 real rows of 4 and 3 cached tokens:
        #
        #              cached  new  free ..  spare
        #     row 0    1 1 1   1 0  0 0 ..   0       (a row of ``mask``, or all before it)
        #     row 1    1 1 1   1 1  0 0 ..   0
        #     padding  1 0 0   0 0  0 0 ..   0       sees the first token: no softmax over nothing
        seen = np.zeros((rows, cache.capacity), bool)
        seen[n:, 0] = True
        seen[:n, : start + n] = True if mask is None else mask[0]
        tokens, seen = (to_device(array, network.device) for array in (tokens, seen))

        def function(tokens, seen):
            x = network.embed(tokens[None, 0])
            at = tokens[1].expand(network.family.axes, 1, -1)
            places = _IndexedWrite(cache.buffer, tokens[2])
            return (network.language(x, at, places, seen[None, None]),)

        key = ("step", network.decoder.version)
        (hidden,) = self._graph_cache.run(key, function, tokens, seen)
        cache.length += n
        return hidden[:, :n]
