"""Small things on tables and shelves: bottles, cups, books, boxes, laptops."""

from depthlm_ros.scenes import materials as m
from depthlm_ros.scenes.primitives import Builder, rotation_y, rotation_z


def fill_board(b: Builder, hx: float, hy: float, z: float, room: float) -> None:
    """Fill a shelf's board at height z with books, boxes and vases, up to ``room`` high [m]."""
    rng = b.rng
    y = -hy + 0.03
    while y < hy - 0.08:
        width = min(rng.uniform(0.12, 0.5), hy - 0.03 - y)
        kind = rng.random()
        if kind < 0.45:
            b.begin("books")
            b.box(
                (-hx + 0.02, hx - rng.uniform(0.02, 0.08)),
                (y, y + width),
                (z, z + rng.uniform(0.17, min(0.28, room))),
                m.books(rng),
            )
        elif kind < 0.65:
            b.begin("box")
            b.box(
                (-hx + 0.02, hx - 0.03),
                (y, y + width),
                (z, z + rng.uniform(0.1, room)),
                m.paint(rng) if rng.random() < 0.5 else m.cardboard(rng),
            )
        elif kind < 0.75:
            b.begin("vase")
            b.cylinder(
                0,
                y + width / 2,
                (z, z + rng.uniform(0.1, room)),
                rng.uniform(0.03, 0.06),
                m.paint(rng),
            )
        y += width + 0.005


def things_on(b: Builder, hx: float, hy: float, z: float, count: int) -> None:
    """Put bottles, cups, books, papers and laptops on a surface at height z."""
    rng = b.rng
    for _ in range(count):
        x, y = rng.uniform(-0.8, 0.8) * hx, rng.uniform(-0.85, 0.85) * hy
        kind = rng.integers(6)
        if kind == 0:
            b.begin("bottle")
            b.cylinder(x, y, (z, z + 0.2), 0.036, m.paint(rng))
            b.cylinder(x, y, (z + 0.2, z + 0.29), 0.014, m.paint(rng))
        elif kind == 1:
            b.begin("cup")
            b.cylinder(x, y, (z, z + 0.095), 0.04, m.paint(rng))
        elif kind == 2:
            b.begin("book")
            b.box(
                (x - 0.1, x + 0.1),
                (y - 0.07, y + 0.07),
                (z, z + rng.uniform(0.015, 0.08)),
                m.paint(rng),
                rotation_z(rng.uniform(0, 3)),
            )
        elif kind == 3:
            b.begin("paper")
            b.box(
                (x - 0.15, x + 0.15),
                (y - 0.105, y + 0.105),
                (z, z + 0.003),
                m.text(rng),
                rotation_z(rng.uniform(0, 3)),
            )
        elif kind == 4:
            b.begin("laptop")
            b.box((x - 0.12, x + 0.12), (y - 0.17, y + 0.17), (z, z + 0.02), m.metal(rng))
            b.box(
                (x - 0.13, x - 0.12),
                (y - 0.17, y + 0.17),
                (z + 0.02, z + 0.24),
                m.metal(rng),
                rotation_y(-0.25),
            )
        else:
            b.begin("bowl")
            b.ellipsoid(x, y, z + 0.04, (0.1, 0.1, 0.05), m.paint(rng))
