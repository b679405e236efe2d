"""Things in rooms, at the sizes that they are made in. Each stands on z = 0 of its own frame.

A function adds one thing, facing +x with its back at -x, and returns its footprint: half extents
(x, y) [m]. Sizes follow what shops sell: tables 0.72 to 0.76 m high, seats 0.43 to 0.48, worktops
0.9, doors 2.0 to 2.1 by 0.8 to 0.95, shelves 0.3 to 0.4 deep.
"""

import numpy as np

from depthlm_ros.scenes import materials as m
from depthlm_ros.scenes.primitives import Builder, rotation_y, rotation_z
from depthlm_ros.scenes.small_things import fill_board, things_on


def _legs(b: Builder, half_x: float, half_y: float, height: float, thick: float, look) -> None:
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (half_x - thick), sy * (half_y - thick)
            wide, deep = (x - thick / 2, x + thick / 2), (y - thick / 2, y + thick / 2)
            b.box(wide, deep, (0, height), look)


def table(b: Builder) -> tuple:
    """Dining or work table with a few things on it."""
    rng = b.rng
    b.begin("table")
    hx, hy = rng.uniform(0.35, 0.5), rng.uniform(0.5, 1.0)
    height, thick = rng.uniform(0.72, 0.76), rng.uniform(0.02, 0.05)
    look = m.furniture(rng)
    b.box((-hx, hx), (-hy, hy), (height - thick, height), look)
    if rng.random() < 0.15:
        b.cylinder(0, 0, (0, height - thick), 0.05, m.metal(rng))
        b.cylinder(0, 0, (0, 0.03), 0.3, m.metal(rng))
    else:
        _legs(b, hx, hy, height - thick, rng.uniform(0.04, 0.07), look)
    things_on(b, hx, hy, height, rng.integers(0, 5))
    return hx, hy


def round_table(b: Builder) -> tuple:
    """Round table on one foot."""
    rng = b.rng
    b.begin("table")
    radius, height = rng.uniform(0.35, 0.6), rng.uniform(0.72, 0.76)
    look = m.furniture(rng)
    b.cylinder(0, 0, (height - 0.03, height), radius, look)
    b.cylinder(0, 0, (0, height), 0.05, m.metal(rng))
    b.cylinder(0, 0, (0, 0.03), 0.6 * radius, m.metal(rng))
    things_on(b, 0.6 * radius, 0.6 * radius, height, rng.integers(0, 3))
    return radius, radius


def coffee_table(b: Builder) -> tuple:
    """Low table before a sofa."""
    rng = b.rng
    b.begin("table")
    hx, hy, height = rng.uniform(0.25, 0.35), rng.uniform(0.4, 0.6), rng.uniform(0.38, 0.46)
    look = m.furniture(rng)
    b.box((-hx, hx), (-hy, hy), (height - 0.03, height), look)
    _legs(b, hx, hy, height - 0.03, 0.05, look)
    things_on(b, hx, hy, height, rng.integers(0, 3))
    return hx, hy


def desk(b: Builder) -> tuple:
    """Desk with screen, keyboard and lamp; its user sits at +x."""
    rng = b.rng
    b.begin("desk")
    hx, hy, height = rng.uniform(0.35, 0.4), rng.uniform(0.6, 0.9), rng.uniform(0.71, 0.75)
    look = m.furniture(rng)
    b.box((-hx, hx), (-hy, hy), (height - 0.03, height), look)
    if rng.random() < 0.5:
        b.box((-hx, hx), (hy - 0.45, hy - 0.05), (0.02, height - 0.03), m.furniture(rng))
        b.box((-hx, hx), (-hy, -hy + 0.04), (0, height - 0.03), look)
    else:
        _legs(b, hx, hy, height - 0.03, 0.05, m.metal(rng))
    y = rng.uniform(-0.3, 0.2)
    screen(b, -hx + 0.18, y, height)
    b.begin("keyboard")
    b.box((0.05, 0.19), (y - 0.22, y + 0.22), (height, height + 0.02), m.metal(rng).tinted(0.6))
    things_on(b, hx, hy, height, rng.integers(0, 4))
    return hx, hy


def screen(b: Builder, x: float, y: float, z: float) -> None:
    """Add a computer screen of 22 to 27 inches facing +x."""
    rng = b.rng
    b.begin("monitor")
    half, tall = rng.uniform(0.24, 0.31), rng.uniform(0.29, 0.36)
    shown = m.picture(rng) if rng.random() < 0.5 else m.Material((0.02, 0.02, 0.025))
    b.box((x - 0.02, x), (y - half, y + half), (z + 0.1, z + 0.1 + tall), m.metal(rng).tinted(0.4))
    b.box((x, x + 0.004), (y - half + 0.01, y + half - 0.01), (z + 0.11, z + 0.09 + tall), shown)
    b.box((x - 0.04, x - 0.02), (y - 0.03, y + 0.03), (z, z + 0.25), m.metal(rng))
    b.box((x - 0.12, x + 0.1), (y - 0.12, y + 0.12), (z, z + 0.015), m.metal(rng))


def chair(b: Builder) -> tuple:
    """Chair, of wood or for an office."""
    rng = b.rng
    b.begin("chair")
    half, seat, back = rng.uniform(0.2, 0.24), rng.uniform(0.43, 0.48), rng.uniform(0.78, 1.0)
    look = m.fabric(rng) if rng.random() < 0.5 else m.furniture(rng)
    frame = m.metal(rng) if rng.random() < 0.5 else look
    b.box((-half, half), (-half, half), (seat - 0.05, seat), look)
    if rng.random() < 0.3:  # office chair on castors
        b.cylinder(0, 0, (0.08, seat - 0.05), 0.03, frame)
        for spoke in range(5):
            b.box(
                (-0.28, 0.28), (-0.025, 0.025), (0.05, 0.09), frame, rotation_z(spoke * np.pi / 5)
            )
        b.box(
            (-half - 0.03, -half + 0.03),
            (-half, half),
            (seat + 0.12, back + 0.05),
            look,
            rotation_y(-0.12),
        )
        return 0.3, 0.3
    _legs(b, half, half, seat - 0.04, 0.035, frame)
    low = seat + rng.uniform(0.0, 0.25)
    b.box((-half, -half + 0.03), (-half, half), (low, back), look)
    for side in (-1, 1):
        y = side * (half - 0.02)
        b.box((-half, -half + 0.03), (y - 0.015, y + 0.015), (seat, back), frame)
    return half + 0.02, half + 0.02


def sofa(b: Builder) -> tuple:
    """Sofa or armchair."""
    rng = b.rng
    seats = rng.integers(1, 4)
    b.begin("sofa" if seats > 1 else "armchair")
    hx, hy = rng.uniform(0.42, 0.5), 0.2 + 0.3 * seats
    look = m.fabric(rng)
    top, seat = rng.uniform(0.75, 0.9), rng.uniform(0.4, 0.46)
    b.box((-hx, hx), (-hy, hy), (0.08, 0.26), look)
    b.box((-hx, -hx + 0.22), (-hy, hy), (0.26, top), look)
    for side in (-1, 1):
        b.box(
            (-hx, hx),
            sorted((side * hy, side * (hy - 0.17))),
            (0.26, rng.uniform(0.55, 0.65)),
            look,
        )
    width = (2 * hy - 0.34) / seats
    for k in range(seats):
        y = -hy + 0.17 + k * width
        b.box((-hx + 0.2, hx), (y + 0.005, y + width - 0.005), (0.26, seat), look.tinted(1.05))
        if rng.random() < 0.5:
            b.box(
                (-hx + 0.22, -hx + 0.36),
                (y + 0.08, y + 0.46),
                (seat, seat + 0.38),
                m.fabric(rng),
                rotation_y(-0.25),
            )
    return hx, hy


def bed(b: Builder) -> tuple:
    """Bed with its head at -x."""
    rng = b.rng
    b.begin("bed")
    hx, hy = 1.02, rng.choice([0.45, 0.7, 0.8, 0.9])
    frame, sheet = m.furniture(rng), m.fabric(rng)
    b.box((-hx, hx), (-hy, hy), (0.1, 0.3), frame)
    b.box((-hx + 0.03, hx - 0.03), (-hy + 0.02, hy - 0.02), (0.3, rng.uniform(0.45, 0.55)), sheet)
    b.box((-0.3, hx), (-hy - 0.01, hy + 0.01), (0.28, rng.uniform(0.52, 0.6)), m.fabric(rng))
    b.box((-hx - 0.04, -hx), (-hy, hy), (0, rng.uniform(0.8, 1.1)), frame)
    for y in [0.0] if hy < 0.6 else [-hy / 2, hy / 2]:
        b.ellipsoid(-hx + 0.28, y, 0.57, (0.2, 0.3, 0.08), m.plaster(rng))
    return hx + 0.04, hy


def shelf(b: Builder) -> tuple:
    """Open shelf with books and boxes."""
    rng = b.rng
    b.begin("shelf")
    hx, hy = rng.uniform(0.14, 0.2), rng.uniform(0.38, 0.6)
    boards = rng.integers(2, 7)
    pitch = rng.uniform(0.3, 0.38)
    height, look = 0.08 + boards * pitch, m.furniture(rng)
    for side in (-1, 1):
        b.box((-hx, hx), sorted((side * hy, side * (hy - 0.02))), (0, height), look)
    b.box((-hx, -hx + 0.01), (-hy, hy), (0, height), look)
    for k in range(boards + 1):
        b.box((-hx, hx), (-hy, hy), (0.06 + k * pitch, 0.08 + k * pitch), look)
    for k in range(boards):
        fill_board(b, hx, hy, 0.08 + k * pitch, pitch - 0.04)
    return hx, hy


def cabinet(b: Builder) -> tuple:
    """Wardrobe, cupboard or chest of drawers with handles."""
    rng = b.rng
    b.begin("cabinet")
    hx, hy = rng.uniform(0.2, 0.3), rng.uniform(0.4, 0.8)
    height = rng.choice([0.75, 0.9, 1.1, 1.4, 1.8, 2.0, 2.2])
    look = m.furniture(rng)
    b.box((-hx, hx), (-hy, hy), (0.06, height), look)
    b.box((-hx, hx - 0.03), (-hy, hy), (0, 0.06), look.tinted(0.4))
    columns, rows = max(1, round(2 * hy / 0.5)), (1 if height > 1.3 else rng.integers(1, 5))
    _fronts(b, hx, hy, 0.08, height - 0.02, columns, rows, look)
    if height < 1.2:
        things_on(b, hx, hy, height, rng.integers(0, 4))
    return hx, hy


def _fronts(b, hx, hy, low, high, columns, rows, look) -> None:
    """Doors or drawers on the +x face, with a gap of 4 mm and a handle each."""
    wide, tall = 2 * hy / columns, (high - low) / rows
    handle = m.metal(b.rng)
    for i in range(columns):
        for j in range(rows):
            y, z = -hy + i * wide, low + j * tall
            b.box(
                (hx, hx + 0.015),
                (y + 0.004, y + wide - 0.004),
                (z + 0.004, z + tall - 0.004),
                look.tinted(1.04),
            )
            middle, up = (y + wide / 2, z + 0.8 * tall) if rows > 1 else (y + wide - 0.06, 1.0)
            if low < up < high:
                b.box(
                    (hx + 0.015, hx + 0.04),
                    (middle - 0.008, middle + 0.008),
                    (up - 0.06, up + 0.06),
                    handle,
                )


def kitchen_row(b: Builder, length: float) -> tuple:
    """Kitchen units along y: worktop at 0.9 m, wall units, a refrigerator, a cooker."""
    rng = b.rng
    b.begin("kitchen units")
    look, top = m.paint(rng) if rng.random() < 0.7 else m.wood(rng), m.furniture(rng)
    hy, units = length / 2, max(2, round(length / 0.6))
    b.box((-0.3, 0.3), (-hy, hy), (0.1, 0.87), look)
    b.box((-0.3, 0.26), (-hy, hy), (0, 0.1), look.tinted(0.3))
    b.box((-0.3, 0.32), (-hy, hy), (0.87, 0.91), top)
    _fronts(b, 0.3, hy, 0.11, 0.86, units, int(rng.integers(1, 4)), look)
    b.box((-0.31, -0.295), (-hy, hy), (0.91, 1.45), m.wall_tiles(rng))
    if rng.random() < 0.8:
        b.box((-0.3, 0.05), (-hy, hy), (1.45, rng.uniform(2.0, 2.2)), look)
        _fronts(b, 0.05, hy, 1.46, 2.0, units, 1, look)
    b.begin("cooker")
    y = rng.uniform(-hy + 0.3, hy - 0.3)
    b.box((-0.25, 0.25), (y - 0.29, y + 0.29), (0.91, 0.917), m.Material((0.02, 0.02, 0.02)))
    b.box((0.316, 0.322), (y - 0.27, y + 0.27), (0.3, 0.75), m.Material((0.03, 0.03, 0.03)))
    things_on(b, 0.25, hy, 0.91, rng.integers(1, 7))
    return 0.33, hy


def fridge(b: Builder) -> tuple:
    """Refrigerator, 0.6 m wide."""
    rng = b.rng
    b.begin("refrigerator")
    height, look = rng.choice([1.45, 1.75, 1.85, 2.0]), m.paint(rng)
    b.box((-0.3, 0.3), (-0.3, 0.3), (0.03, height), look)
    _fronts(b, 0.3, 0.3, 0.04, 0.62, 1, 1, look)
    _fronts(b, 0.3, 0.3, 0.64, height - 0.01, 1, 1, look)
    return 0.32, 0.3


def television(b: Builder) -> tuple:
    """Television on a low board."""
    rng = b.rng
    b.begin("television")
    half, tall = rng.uniform(0.45, 0.75), rng.uniform(0.5, 0.8)
    b.box((-0.2, 0.2), (-half - 0.2, half + 0.2), (0.05, 0.45), m.furniture(rng))
    b.box((-0.05, 0.0), (-half, half), (0.52, 0.52 + tall), m.Material((0.015, 0.015, 0.018)))
    b.box((-0.1, 0.1), (-0.2, 0.2), (0.45, 0.52), m.Material((0.02, 0.02, 0.02)))
    return 0.2, half + 0.2


def plant(b: Builder) -> tuple:
    """Potted plant."""
    rng = b.rng
    b.begin("plant")
    radius, height = rng.uniform(0.12, 0.22), rng.uniform(0.5, 1.6)
    b.cylinder(0, 0, (0, rng.uniform(0.2, 0.4)), radius, m.paint(rng))
    b.cylinder(0, 0, (0.2, height), 0.02, m.wood(rng))
    for _ in range(rng.integers(3, 8)):
        x, y = rng.normal(0, 0.12, 2)
        b.ellipsoid(
            x, y, height * rng.uniform(0.6, 1.0), rng.uniform(0.08, 0.25, 3), m.leaves(rng)
        )
    return 0.3, 0.3


def floor_lamp(b: Builder) -> tuple:
    """Add a standard lamp."""
    rng = b.rng
    b.begin("lamp")
    height = rng.uniform(1.4, 1.8)
    b.cylinder(0, 0, (0, 0.03), 0.14, m.metal(rng))
    b.cylinder(0, 0, (0, height), 0.015, m.metal(rng))
    b.cylinder(0, 0, (height - 0.15, height + 0.15), rng.uniform(0.14, 0.22), m.lamp(rng))
    return 0.2, 0.2
