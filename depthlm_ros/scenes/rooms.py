"""Rooms and corridors: a shell, the furniture of one use, people, lamps."""

from dataclasses import dataclass

import numpy as np

from depthlm_ros.scenes import equipment as e
from depthlm_ros.scenes import furniture as f
from depthlm_ros.scenes import materials as m
from depthlm_ros.scenes.primitives import Builder
from depthlm_ros.scenes.room_shell import Shell, Wall, beside, build_shell, ceiling_lamps, hang
from depthlm_ros.scenes.scene import Ground, Scene


@dataclass(frozen=True)
class Theme:
    """What a room is for.

    ``length``, ``width``, ``height``: ranges [m]. ``walls``: what stands along walls, ``middle``:
    what stands freely; each a thing and its weight. ``density``: things a square metre.
    """

    length: tuple
    width: tuple
    height: tuple
    walls: dict
    middle: dict
    density: float


HOME = (2.35, 2.75)
THEMES = {
    "living room": Theme(
        (3.5, 7.0),
        (3.0, 5.0),
        HOME,
        {
            f.sofa: 3,
            f.shelf: 3,
            f.cabinet: 2,
            f.television: 2,
            f.plant: 1,
            f.floor_lamp: 1,
            f.desk: 0.5,
        },
        {f.coffee_table: 2, f.table: 1, f.chair: 2, e.person: 0.5, f.plant: 0.3, f.sofa: 0.7},
        0.32,
    ),
    "bedroom": Theme(
        (2.8, 5.0),
        (2.5, 4.2),
        HOME,
        {f.bed: 4, f.cabinet: 3, f.shelf: 1, f.desk: 1, f.chair: 1, f.plant: 0.5},
        {f.chair: 1, e.person: 0.3, e.cartons: 0.4},
        0.28,
    ),
    "kitchen": Theme(
        (2.4, 5.5),
        (2.2, 4.0),
        HOME,
        {f.fridge: 2, f.cabinet: 2, f.shelf: 1, e.bin_: 1},
        {f.table: 2, f.round_table: 1, f.chair: 4, e.person: 0.7},
        0.3,
    ),
    "office": Theme(
        (3.0, 9.0),
        (2.8, 6.0),
        (2.5, 3.2),
        {f.desk: 4, f.shelf: 2, f.cabinet: 3, f.plant: 1, e.bin_: 1},
        {f.desk: 2, f.chair: 4, f.table: 1, e.person: 0.7, e.cartons: 0.3},
        0.33,
    ),
    "meeting room": Theme(
        (4.0, 8.0),
        (3.2, 5.5),
        (2.5, 3.2),
        {f.cabinet: 1, f.plant: 1, f.television: 1, f.chair: 2},
        {f.table: 3, f.chair: 7, e.person: 1},
        0.4,
    ),
    "lecture room": Theme(
        (6.0, 13.0),
        (5.0, 9.0),
        (2.8, 4.0),
        {f.cabinet: 1, f.chair: 1, e.bin_: 0.5},
        {f.table: 4, f.chair: 7, e.person: 0.5},
        0.36,
    ),
    "restaurant": Theme(
        (6.0, 13.0),
        (5.0, 9.0),
        (2.6, 3.6),
        {f.cabinet: 1, f.sofa: 2, f.plant: 1, f.shelf: 1},
        {f.table: 2, f.round_table: 2, f.chair: 8, e.person: 1, f.plant: 0.3},
        0.38,
    ),
    "store room": Theme(
        (3.5, 12.0),
        (3.0, 8.0),
        (2.5, 4.5),
        {e.rack: 5, f.shelf: 2, e.cartons: 3, f.cabinet: 1},
        {e.rack: 2, e.cartons: 4, e.person: 0.5, f.table: 0.4},
        0.3,
    ),
    "laboratory": Theme(
        (4.0, 11.0),
        (3.5, 7.0),
        (2.6, 3.8),
        {e.machine: 3, f.desk: 2, f.cabinet: 2, f.shelf: 1, e.rack: 1},
        {f.table: 2, e.machine: 1, f.chair: 3, e.person: 0.7, e.cartons: 0.5},
        0.3,
    ),
    "hall": Theme(
        (8.0, 18.0),
        (6.0, 12.0),
        (3.5, 6.0),
        {e.rack: 3, e.machine: 3, e.cartons: 2, f.cabinet: 1},
        {e.machine: 3, e.rack: 2, e.cartons: 3, e.person: 1, f.table: 1},
        0.13,
    ),
}
_OFTEN = {"living room": 2.0, "office": 1.6, "kitchen": 1.4, "bedroom": 1.2}


def make_room(seed) -> Scene:
    """Make a furnished room of a random use."""
    rng = np.random.default_rng(seed)
    names = list(THEMES)
    weight = np.array([_OFTEN.get(name, 1.0) for name in names])
    name = names[rng.choice(len(names), p=weight / weight.sum())]
    theme = THEMES[name]
    shell = Shell(rng.uniform(*theme.length), rng.uniform(*theme.width), _height(rng, theme))
    b = Builder(rng)
    walls = build_shell(b, shell, int(rng.integers(1, 4)), int(rng.integers(0, 4)))
    ground = Ground((0.0, shell.length), (0.0, shell.width))
    _keep_doors_clear(ground, walls)
    if name == "kitchen" or rng.random() < 0.05:
        _kitchen(b, ground, walls)
    if rng.random() < 0.25:
        _partition(b, ground, shell, walls[0].look)
    _rug(b, ground, shell)
    _furnish(b, ground, walls, shell, theme)
    for _ in range(rng.integers(2, 9)):
        kind = rng.choice(["picture", "picture", "whiteboard", "notice", "clock", "switch"])
        hang(b, walls[rng.integers(4)], kind)
    return _finish(b, "room", ground, ceiling_lamps(b, shell), shell)


def make_corridor(seed) -> Scene:
    """Make a corridor with many doors."""
    rng = np.random.default_rng(seed)
    shell = Shell(rng.uniform(6.0, 30.0), rng.uniform(1.3, 3.0), rng.uniform(2.4, 3.2))
    b = Builder(rng)
    walls = build_shell(b, shell, int(shell.length / rng.uniform(2.0, 5.0)), 0)
    ground = Ground((0.0, shell.length), (0.0, shell.width))
    for wall in walls:
        for _ in range(int(wall.length / rng.uniform(2.0, 6.0))):
            hang(b, wall, rng.choice(["sign", "notice", "picture", "switch", "clock"]))
    if rng.random() < 0.4:  # a handrail
        b.at(*walls[1].frame)
        b.begin("handrail")
        b.box((0.03, 0.08), (-shell.length / 2, shell.length / 2), (0.88, 0.95), m.wood(rng))
    things = (e.person, e.cartons, e.bin_, f.chair, f.plant, f.cabinet)
    for _ in range(rng.integers(0, max(2, int(shell.length / 3)))):
        _stand_by_wall(b, ground, walls, things[rng.integers(len(things))])
    for _ in range(rng.integers(0, 4)):
        _stand_freely(b, ground, shell, e.person)
    return _finish(b, "corridor", ground, ceiling_lamps(b, shell), shell)


def _height(rng, theme: Theme) -> float:
    """Return a ceiling height; homes keep to the usual 2.4 to 2.6 m most of the time."""
    if theme.height == HOME and rng.random() < 0.7:
        return rng.normal(2.5, 0.05)
    return rng.uniform(*theme.height)


def _keep_doors_clear(ground: Ground, walls: list[Wall]) -> None:
    for wall in walls:
        for at, width, kind in wall.openings:
            if kind == "door":
                x, y, yaw = beside(wall.frame, 0.4, at)
                ground.take(x, y, 0.4, width / 2, yaw)


def _kitchen(b: Builder, ground: Ground, walls: list[Wall]) -> None:
    wall = walls[b.rng.integers(4)]
    length = b.rng.uniform(1.8, max(1.9, min(4.0, wall.length - 0.8)))
    at = wall.place(b.rng, length, tries=20)
    if at is not None:
        place = beside(wall.frame, 0.32, at)
        half = f.kitchen_row(b.at(*place), length)
        ground.take(*place[:2], *half, place[2])


def _partition(b: Builder, ground: Ground, shell: Shell, look: m.Material) -> None:
    """Divide the room by a piece of wall from one side."""
    rng = b.rng
    x, reach = rng.uniform(0.3, 0.7) * shell.length, rng.uniform(0.25, 0.6) * shell.width
    y = (0.0, reach) if rng.random() < 0.5 else (shell.width - reach, shell.width)
    if not ground.is_free(x, sum(y) / 2, 0.07, reach / 2):
        return
    b.at(0, 0)
    b.begin("wall")
    top = shell.height if rng.random() < 0.7 else rng.uniform(1.1, 1.6)
    b.box((x - 0.06, x + 0.06), y, (0, top), look)
    ground.take(x, sum(y) / 2, 0.1, reach / 2)


def _rug(b: Builder, ground: Ground, shell: Shell) -> None:
    rng = b.rng
    if rng.random() < 0.35:
        b.at(
            rng.uniform(1, shell.length - 1),
            rng.uniform(1, shell.width - 1),
            rng.choice([0, np.pi / 2]),
        )
        b.begin("rug")
        look = m.carpet(rng) if rng.random() < 0.5 else m.picture(rng)
        b.box((-0.7, 0.7), (-1.0, 1.0), (0, 0.01), look)


def _furnish(b: Builder, ground: Ground, walls: list[Wall], shell: Shell, theme: Theme) -> None:
    """Put things along the walls and into the middle until the room is as full as it should be."""
    rng = b.rng
    count = int(shell.length * shell.width * theme.density * rng.uniform(0.4, 1.5)) + 1
    for _ in range(min(count, 26)):
        if rng.random() < 0.55:
            _stand_by_wall(b, ground, walls, _draw(rng, theme.walls))
        else:
            thing = _draw(rng, theme.middle)
            placed = _stand_freely(b, ground, shell, thing)
            if placed and thing in (f.table, f.round_table):
                _chairs_around(b, ground, placed)


def _draw(rng, weights: dict):
    things = list(weights)
    p = np.array([weights[thing] for thing in things], dtype=float)
    return things[rng.choice(len(things), p=p / p.sum())]


def _try(b: Builder, ground: Ground, thing, places) -> tuple | None:
    """Build a thing at the first of some places (x, y, yaw) where it fits, or not at all."""
    size = thing(Builder(np.random.default_rng(state := b.rng.integers(1 << 40))))
    for place in places(size):
        x, y, yaw = place
        if ground.is_free(x, y, size[0] + 0.03, size[1] + 0.03, yaw):
            rng, b.rng = b.rng, np.random.default_rng(state)  # the same thing again, in place
            thing(b.at(x, y, yaw))
            b.rng = rng
            ground.take(x, y, *size, yaw)
            return x, y, yaw, *size
    return None


def _stand_by_wall(b: Builder, ground: Ground, walls: list[Wall], thing) -> tuple | None:
    rng = b.rng

    def places(size):
        for _ in range(4):
            wall = walls[rng.integers(4)]
            at = rng.uniform(-1, 1) * max(0.0, wall.length / 2 - size[1] - 0.05)
            yield beside(wall.frame, size[0] + 0.06 + abs(rng.normal(0, 0.03)), at)

    return _try(b, ground, thing, places)


def _stand_freely(b: Builder, ground: Ground, shell: Shell, thing) -> tuple | None:
    rng = b.rng

    def places(size):
        for _ in range(4):
            yaw = rng.integers(4) * np.pi / 2 + (rng.normal(0, 0.15) if rng.random() < 0.5 else 0)
            yaw = rng.uniform(0, 2 * np.pi) if thing is e.person else yaw
            yield rng.uniform(0, shell.length), rng.uniform(0, shell.width), yaw

    return _try(b, ground, thing, places)


def _chairs_around(b: Builder, ground: Ground, table: tuple) -> None:
    """Set chairs at a table, facing it."""
    rng = b.rng
    *frame, hx, hy = table
    for side in (-1, 1):
        for at in np.arange(-hy + 0.3, hy - 0.2, 0.62):
            if rng.random() < 0.75:
                x, y, yaw = beside(frame, side * (hx + rng.uniform(0.1, 0.35)), at)
                place = x, y, yaw + (np.pi if side > 0 else 0) + rng.normal(0, 0.2)
                _try(b, ground, f.chair, lambda size, place=place: [place])


def _finish(b: Builder, kind: str, ground: Ground, lamps: np.ndarray, shell: Shell) -> Scene:
    """Light the room and close it."""
    rng = b.rng
    area = shell.length * shell.width
    each = 1.6 * area / len(lamps) * rng.uniform(0.5, 1.6)
    warm = np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.6, 1.0)])
    power = np.tile(each * warm, (len(lamps), 1)) * rng.uniform(0.6, 1.4, (len(lamps), 1))
    if rng.random() < 0.4:  # daylight from one side
        side = np.array(
            [[rng.choice([0.4, shell.length - 0.4]), rng.uniform(0.3, 0.7) * shell.width, 1.6]]
        )
        lamps = np.concatenate([side, lamps])
        power = np.concatenate(
            [
                [1.5 * area * rng.uniform(0.3, 1.5) * np.array([0.85, 0.93, 1.0])],
                power * rng.uniform(0.05, 1.0),
            ]
        )
    ambient = tuple(rng.uniform(0.1, 0.5) * warm)
    return Scene(
        kind,
        b.shapes(),
        tuple(b.names),
        ground,
        lamps,
        power,
        ambient,
        exposure=float(rng.uniform(0.12, 0.35)),
    )
