"""The shell of a room: floor, walls with doors and windows, ceiling, and what hangs on them."""

from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.scenes import materials as m
from depthlm_ros.scenes.primitives import Builder

THICK = 0.15
OUTSIDE = 3.5
"""Wall thickness, and how far the space behind open doorways reaches [m]."""


@dataclass(frozen=True)
class Shell:
    """A room from (0, 0) to (length, width), ``height`` high [m]."""

    length: float
    width: float
    height: float

    def wall(self, side: int) -> tuple:
        """Return a frame at a wall's middle facing inwards, (x, y, yaw), and the wall's length."""
        middle = [
            (0.0, self.width / 2),
            (self.length / 2, 0.0),
            (self.length, self.width / 2),
            (self.length / 2, self.width),
        ][side]
        return (*middle, side * np.pi / 2), (self.width if side % 2 == 0 else self.length)


@dataclass
class Wall:
    """One wall as it is being furnished.

    ``frame``: (x, y, yaw) of its middle, facing inwards. ``look``, ``skirting``: materials.
    ``taken``: (middle, width) of spans along it; ``openings``: (middle, width, kind).
    """

    frame: tuple
    length: float
    look: m.Material
    skirting: m.Material | None
    taken: list = field(default_factory=list)
    openings: list = field(default_factory=list)

    def place(self, rng, width: float, tries: int = 8) -> float | None:
        """Find and take a free span; returns its middle along the wall, or None."""
        for _ in range(tries):
            room = self.length / 2 - width / 2 - 0.1
            if room <= 0:
                return None
            at = rng.uniform(-room, room)
            if all(abs(at - other) > (width + wide) / 2 + 0.05 for other, wide in self.taken):
                self.taken.append((at, width))
                return at
        return None


def beside(frame: tuple, out: float, along: float) -> tuple:
    """Return the place (x, y, yaw) that lies ``out`` before and ``along`` beside a frame's origin.

    ``frame``: (x, y, yaw); distances in metres along its x and y axes.
    """
    x, y, yaw = frame
    c, s = np.cos(yaw), np.sin(yaw)
    return x + out * c - along * s, y + out * s + along * c, yaw


def build_shell(
    b: Builder, shell: Shell, doors: int, windows: int, floor: m.Material | None = None
) -> list[Wall]:
    """Put up floor, ceiling, walls, doors, windows; returns the walls with what is taken."""
    rng = b.rng
    length, width, height = shell.length, shell.width, shell.height
    b.at(0, 0)
    b.begin("floor")
    far = OUTSIDE + THICK
    b.box((-far, length + far), (-far, width + far), (-0.1, 0), floor or m.floor(rng))
    b.begin("ceiling")
    b.box((-far, length + far), (-far, width + far), (height, height + 0.1), m.ceiling(rng))
    _outer_walls(b, shell, far)
    common, skirting = m.plaster(rng), m.furniture(rng) if rng.random() < 0.7 else None
    if rng.random() < 0.08:
        common = m.bricks(rng)
    walls = []
    for side in range(4):
        frame, long = shell.wall(side)
        look = common if rng.random() < 0.8 else m.plaster(rng)
        walls.append(Wall(frame, long, look, skirting))
    for _ in range(doors):
        _plan(rng, walls[rng.integers(4)], "door", rng.uniform(0.8, 0.95))
    lit_side = rng.integers(4)
    for _ in range(windows):
        widest = min(2.2, walls[lit_side].length / 2)
        _plan(rng, walls[lit_side], "window", rng.uniform(0.8, widest))
    for wall in walls:
        _put_up(b, wall, height)
    return walls


def _outer_walls(b: Builder, shell: Shell, far: float) -> None:
    """Close the space behind the doorways."""
    b.begin("wall")
    look = m.plaster(b.rng)
    for side in range(4):
        (x, y, yaw), long = shell.wall(side)
        b.at(x, y, yaw)
        b.box((-far - 0.1, -far), (-long / 2 - far, long / 2 + far), (0, shell.height), look)


def _plan(rng, wall: Wall, kind: str, width: float) -> None:
    at = wall.place(rng, width + 0.1)
    if at is not None:
        wall.openings.append((at, width, kind))


def _put_up(b: Builder, wall: Wall, height: float) -> None:
    """Build one wall around its openings."""
    rng = b.rng
    b.at(*wall.frame)
    b.begin("wall")
    edge = -wall.length / 2 - THICK
    for at, width, kind in sorted(wall.openings):
        _span(b, wall, edge, at - width / 2, 0, height)
        edge = at + width / 2
        low, high = (
            (0.0, rng.uniform(2.0, 2.1))
            if kind == "door"
            else (rng.choice([0.05, 0.5, 0.8, 0.9, 1.0]), rng.uniform(2.0, 2.3))
        )
        high = min(high, height - 0.1)
        _span(b, wall, at - width / 2, edge, high, height)
        if kind == "window":
            _span(b, wall, at - width / 2, edge, 0, low)
            _window(b, at, width, low, high)
        else:
            _door(b, at, width, high)
        b.begin("wall")
    _span(b, wall, edge, wall.length / 2 + THICK, 0, height)


def _span(b: Builder, wall: Wall, y0: float, y1: float, low: float, high: float) -> None:
    if y1 - y0 < 0.01 or high - low < 0.01:
        return
    b.box((-THICK, 0), (y0, y1), (low, high), wall.look)
    if low == 0 and wall.skirting:
        b.box((0, 0.015), (y0, y1), (0, 0.08), wall.skirting)


def _window(b: Builder, at: float, width: float, low: float, high: float) -> None:
    rng = b.rng
    b.begin("window")
    pane, frame = m.window_pane(rng), m.paint(rng)
    b.box((-THICK, -0.1), (at - width / 2, at + width / 2), (low, high), pane)
    wings = max(1, round(width / 0.8))
    for k in range(wings + 1):
        y = at - width / 2 + k * width / wings
        b.box((-0.1, -0.05), (y - 0.04, y + 0.04), (low, high), frame)
    for z in (low + 0.03, high - 0.03):
        b.box((-0.1, -0.05), (at - width / 2, at + width / 2), (z - 0.035, z + 0.035), frame)
    if low > 0.3:
        b.box(
            (-0.1, 0.12),
            (at - width / 2 - 0.05, at + width / 2 + 0.05),
            (low - 0.03, low),
            m.paint(rng),
        )
    if low > 0.6 and rng.random() < 0.6:  # the radiator below
        b.begin("radiator")
        stripes = m.Material((0.8, 0.8, 0.78), (0.45, 0.45, 0.43), m.STRIPES, (0.05, 1.0), 0.015)
        top = min(low - 0.1, 0.75)
        b.box((0.03, 0.12), (at - width / 2, at + width / 2), (0.15, top), stripes)
    if rng.random() < 0.3:
        b.begin("curtain")
        cloth = m.fabric(rng)
        for side in (-1, 1):
            y = at + side * width / 2
            span = sorted((y - side * 0.1, y + side * 0.3))
            b.box((0.02, 0.08), span, (0.03, high + 0.1), cloth)


def _door(b: Builder, at: float, width: float, high: float) -> None:
    rng = b.rng
    b.begin("door")
    frame, leaf = m.furniture(rng), m.furniture(rng) if rng.random() < 0.6 else m.paint(rng)
    for y in (at - width / 2, at + width / 2):
        b.box((-THICK - 0.01, 0.015), (y - 0.05, y + 0.03), (0, high + 0.05), frame)
    b.box((-THICK - 0.01, 0.015), (at - width / 2, at + width / 2), (high, high + 0.05), frame)
    if rng.random() < 0.3:
        return  # an open doorway
    b.box((-0.1, -0.05), (at - width / 2, at + width / 2), (0, high), leaf)
    if rng.random() < 0.25:  # glazed
        b.box(
            (-0.052, -0.045),
            (at - width / 2 + 0.15, at + width / 2 - 0.15),
            (0.9, high - 0.15),
            m.Material(m.colour(rng, 0.1, 0.7, 0.1), noise=0.2, noise_m=0.5),
        )
    handle = m.metal(rng)
    y = at + (width / 2 - 0.08) * rng.choice([-1, 1])
    b.box((-0.05, 0.02), (y - 0.02, y + 0.02), (0.95, 1.17), handle)
    b.box((0.0, 0.02), sorted((y, y + np.sign(at - y) * 0.12)), (1.03, 1.055), handle)


def hang(b: Builder, wall: Wall, kind: str) -> None:
    """Hang an image, board, clock or switch on a free span of a wall."""
    rng = b.rng
    sizes = {
        "picture": (rng.uniform(0.25, 1.0), rng.uniform(0.25, 0.8)),
        "whiteboard": (rng.uniform(1.2, 2.4), rng.uniform(0.9, 1.2)),
        "notice": (0.21, 0.297),
        "clock": (0.3, 0.3),
        "switch": (0.08, 0.08),
        "sign": (0.3, 0.15),
    }
    wide, tall = sizes[kind]
    at = wall.place(rng, wide)
    if at is None:
        return
    b.at(*wall.frame)
    b.begin(kind)
    heights = {"switch": rng.choice([1.1, 0.3]), "clock": 2.1, "notice": 1.5, "sign": 1.9}
    z = heights.get(kind, 1.55)
    look = {"picture": m.picture, "notice": m.text, "sign": m.text}.get(kind)
    if kind == "whiteboard":
        face = m.text(rng) if rng.random() < 0.3 else m.Material((0.85, 0.86, 0.87), noise=0.04)
    else:
        face = look(rng) if look else m.Material((0.85, 0.85, 0.82))
    if kind in ("picture", "whiteboard"):
        b.box(
            (0, 0.02),
            (at - wide / 2 - 0.02, at + wide / 2 + 0.02),
            (z - tall / 2 - 0.02, z + tall / 2 + 0.02),
            m.furniture(rng),
        )
    b.box((0, 0.025), (at - wide / 2, at + wide / 2), (z - tall / 2, z + tall / 2), face)


def ceiling_lamps(b: Builder, shell: Shell) -> np.ndarray:
    """Hang lamps from the ceiling; returns their positions (L, 3), 1 to 6, just below it."""
    rng = b.rng
    across = int(np.clip(round(shell.length / 3.0), 1, 3))
    down = int(np.clip(round(shell.width / 3.5), 1, 2))
    b.at(0, 0)
    places = []
    kind = rng.integers(4)
    for i in range(across):
        for j in range(down):
            x, y = (i + 0.5) * shell.length / across, (j + 0.5) * shell.width / down
            b.begin("lamp")
            z = shell.height
            if kind == 0:
                b.box((x - 0.3, x + 0.3), (y - 0.3, y + 0.3), (z - 0.01, z), m.lamp(rng))
            elif kind == 1:
                b.box((x - 0.6, x + 0.6), (y - 0.1, y + 0.1), (z - 0.08, z - 0.02), m.lamp(rng))
            elif kind == 2:
                drop = rng.uniform(0.3, 0.8)
                b.cylinder(x, y, (z - drop, z), 0.008, m.metal(rng))
                b.ellipsoid(x, y, z - drop, rng.uniform(0.1, 0.2), m.lamp(rng))
            else:
                b.cylinder(x, y, (z - 0.08, z), rng.uniform(0.1, 0.2), m.lamp(rng))
            places.append((x, y, z - 0.12 if kind != 2 else z - 1.0))
    return np.array(places)
