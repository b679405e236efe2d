"""How long a call may take before the model counts as hung: learned from how long such calls took.

A limit must be wide of the slowest honest call and still end a hang soon. Calls are told apart by
method, by pixels of the picture and number of query pixels (in octaves), since these decide how
long they take.
"""

from collections import deque

FIRST_S = 120.0
"""Limit of a kind of call that has not been seen yet: kernels may be compiled in it."""
LEAST_S = 2.0
FACTOR = 10.0
_KEPT, _ENOUGH = 50, 3


class CallLimits:
    """Limits by kind of call. ``fixed_s`` > 0: one limit for all instead."""

    def __init__(self, fixed_s: float = 0.0, first_s: float = FIRST_S) -> None:
        self._fixed_s, self._first_s = fixed_s, first_s
        self._seconds: dict[tuple, deque] = {}

    def limit(self, kind: tuple) -> float:
        """Return the seconds that a call of this kind may take."""
        if self._fixed_s > 0:
            return self._fixed_s
        measured = self._seconds.get(kind, ())
        if len(measured) < _ENOUGH:
            return self._first_s
        return min(self._first_s, max(LEAST_S, FACTOR * max(measured)))

    def note(self, kind: tuple, seconds: float) -> None:
        """Learn from a call that ended well."""
        self._seconds.setdefault(kind, deque(maxlen=_KEPT)).append(seconds)

    def as_dict(self) -> dict[str, float]:
        """Return the limits by name of the kind, for diagnostics."""
        return {" ".join(map(str, kind)): self.limit(kind) for kind in self._seconds}


def kind_of(method: str, arguments: tuple) -> tuple:
    """Return the kind of a call: method and, in octaves, the sizes of its arguments."""
    sizes = []
    for argument in arguments:
        shape = getattr(argument, "shape", None)
        if shape is not None and len(shape) >= 2:
            sizes.append((int(shape[0]) * int(shape[1])).bit_length())
        elif isinstance(argument, list | tuple):
            sizes.append(len(argument).bit_length())
    return method, *sizes
