"""Several annotation files as one endless, weighted, resumable list of samples (DepthLM 4.1).

Item ``i`` is a function of the seed and ``i`` alone, whatever process asks: an interrupted run
goes on with the very same samples, and ranks and loader workers share the work by index.
"""

from collections.abc import Callable, Sequence

import numpy as np

from depthlm_ros.status import Code, StatusError

PASSES = 100
"""The mixed list is this many times as long as all files together; steps bound a run."""
ATTEMPTS = 1000


def scannet_part(path, count: int, train: bool) -> np.ndarray:
    """Return the line indices of the published split of a ScanNet file, int (N,).

    A file whose path contains "scannet": the first 98 % train, the last 2 % evaluate, shuffled
    with Python's generator seeded 42. Any other file: all lines for both.
    """
    if "scannet" not in str(path).lower():
        return np.arange(count)
    first = int(count * 0.98)
    if train:
        return np.arange(first)
    import random

    rest = list(range(first, count))
    random.Random(42).shuffle(rest)
    return np.array(rest, dtype=int)


class Mixture(Sequence):
    """Samples drawn from several files by weight, and made into what a model reads.

    ``make(sample, rng)`` returns a list; an empty one sends the search to the next index, with a
    new draw of the data set, as published. ``parts``: line indices that are used of each file
    (None: all). Raises StatusError(NO_FRAME) where a thousand lines in a row give nothing.
    """

    def __init__(
        self,
        files: Sequence,
        weights: Sequence[float],
        make: Callable,
        seed: int = 42,
        parts: Sequence | None = None,
    ):
        if len(files) != len(weights) or not files or not min(weights) >= 0 or not sum(weights):
            raise StatusError(
                Code.NO_FRAME,
                f"{len(files)} files and weights {list(weights)}: one weight of 0 or more each, "
                "not all 0",
            )
        self.files, self.make, self.seed = list(files), make, seed
        self.parts = list(parts) if parts is not None else [None] * len(self.files)
        self._ends = np.cumsum(np.asarray(weights, float) / sum(weights))

    def __len__(self) -> int:
        return PASSES * sum(self._length(which) for which in range(len(self.files)))

    def __getitem__(self, index: int) -> list:
        """Return what ``make`` makes of the first line from ``index`` on that gives something."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([self.seed, index, attempt])
            which = min(
                int(np.searchsorted(self._ends, rng.random(), "right")), len(self.files) - 1
            )
            row = (index + attempt) % self._length(which)
            if self.parts[which] is not None:
                row = int(self.parts[which][row])
            if made := self.make(self.files[which][row], rng):
                return made
        raise StatusError(
            Code.NO_FRAME,
            f"{ATTEMPTS} lines from {index} on give no sample: are there two labelled points an "
            "image, off the border, and is the focal length right?",
        )

    def _length(self, which: int) -> int:
        part = self.parts[which]
        return len(self.files[which]) if part is None else len(part)


class Shuffled:
    """A pseudo-random order of ``range(size)`` that takes no memory: a permutation by number.

    A list of a hundred passes over 16 million lines cannot be shuffled as an array (13 GB). Four
    rounds of a Feistel network over the next even number of bits, walking on where a number lies
    outside (Black and Rogaway 2002).
    """

    ROUNDS = 4

    def __init__(self, size: int, seed: int):
        self.size, self.seed = size, seed
        self._half = max(1, (max(1, size - 1).bit_length() + 1) // 2)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        """Return the number at a place of the order."""
        if not 0 <= index < self.size:
            raise IndexError(f"{index} of {self.size}")
        while True:
            index = self._permuted(index)
            if index < self.size:
                return index

    def _permuted(self, number: int) -> int:
        import hashlib

        mask = (1 << self._half) - 1
        left, right = number >> self._half, number & mask
        for turn in range(self.ROUNDS):
            word = f"{self.seed}/{turn}/{right}".encode()
            digest = hashlib.blake2b(word, digest_size=8).digest()
            left, right = right, left ^ (int.from_bytes(digest, "little") & mask)
        return left << self._half | right
