"""Which images and points of a set are measured, as DepthVLM-Bench chooses them (its section 4).

A budget of images is spread evenly over groups (scene and camera outdoors, scenes indoors), picks
lie evenly within a group, a pick without a usable pixel is replaced from its group, and points are
drawn from the valid pixels of the depth map at its own size.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from depthlm_ros.status import Code, StatusError

SEED = 42
SHARED_AGAIN, REPLACED_AGAIN = 10, 5


def share(sizes: Sequence[int], budget: int) -> list[int]:
    """Spread a budget evenly over groups of these sizes, the remainder to the first ones.

    What a full group cannot take is shared out again among the others, at most ten rounds.
    """
    taken = [0] * len(sizes)
    for _ in range(SHARED_AGAIN):
        left = budget - sum(taken)
        open_groups = [i for i, size in enumerate(sizes) if taken[i] < size]
        if left <= 0 or not open_groups:
            break
        each, more = divmod(left, len(open_groups))
        for rank, i in enumerate(open_groups):
            taken[i] = min(sizes[i], taken[i] + each + (rank < more))
    return taken


def spaced(size: int, count: int) -> list[int]:
    """Return ``count`` indices of ``size`` at even distances: int(j size / count)."""
    return [int(j * size / count) for j in range(count)]


def choose_images(
    groups: Sequence[Hashable],
    budget: int,
    usable: Callable[[int], bool],
    seed: int = SEED,
) -> list[int]:
    """Return the indices of the chosen images, shuffled; at most ``budget``.

    ``groups``: of each image; ``usable(index)``: whether its depth map has a pixel in range. A
    pick that has none is replaced from its group's shuffled rest, at most five rounds.
    """
    if budget < 1:
        raise StatusError(Code.UNSUPPORTED, f"budget = {budget} images: must be at least 1")
    members: dict = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    ordered = [members[group] for group in sorted(members, key=str)]
    rng = np.random.default_rng(seed)
    chosen = []
    for member, count in zip(ordered, share([len(m) for m in ordered], budget), strict=True):
        chosen += _choose_in(member, count, usable, rng)
    rng.shuffle(chosen)
    return [int(index) for index in chosen]


def _choose_in(member: list, count: int, usable: Callable, rng: np.random.Generator) -> list:
    """Pick ``count`` usable images of one group."""
    picks = [member[i] for i in spaced(len(member), count)] if count else []
    taken = set(picks)
    rest = [index for index in member if index not in taken]
    rng.shuffle(rest)
    good = [index for index in picks if usable(index)]
    for _ in range(REPLACED_AGAIN):
        missing = count - len(good)
        if not missing or not rest:
            break
        tried, rest = rest[:missing], rest[missing:]
        good += [index for index in tried if usable(index)]
    return good


def points_per_image(images: int, each: int = 10, total: int | None = None) -> list[int]:
    """Return how many points each image gets: ``each``, or ``total`` spread evenly.

    Spread, the first images get one more until the total is reached.
    """
    if total is None:
        return [each] * images
    base, more = divmod(total, images)
    return [base + (i < more) for i in range(images)]


def choose_points(depth_m: np.ndarray, count: int, line: int, seed: int = SEED) -> np.ndarray:
    """Draw pixels of a masked depth map (H, W), > 0 where usable: int (N, 2) as (column, row).

    Without replacement, by a generator seeded ``seed + line``; all there are where fewer.
    """
    rows, columns = np.nonzero(depth_m > 0)
    rng = np.random.default_rng(seed + line)
    picked = rng.choice(len(rows), min(count, len(rows)), replace=False)
    return np.stack([columns[picked], rows[picked]], axis=1)
