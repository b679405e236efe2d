"""Cartons, bins, racks, machines and people, at their true sizes; built as in ``furniture.py``."""

import numpy as np

from depthlm_ros.scenes import materials as m
from depthlm_ros.scenes.primitives import Builder, rotation_y, rotation_z


def cartons(b: Builder) -> tuple:
    """One to five cartons, stacked."""
    rng = b.rng
    z = 0.0
    hx, hy = rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.4)
    for _ in range(rng.integers(1, 5)):
        b.begin("box")
        tall, turn = rng.uniform(0.18, 0.4), rotation_z(rng.normal(0, 0.1))
        b.box((-hx, hx), (-hy, hy), (z, z + tall), m.cardboard(rng), turn)
        z, hx, hy = z + tall, hx * rng.uniform(0.8, 1.0), hy * rng.uniform(0.8, 1.0)
    return 0.35, 0.45


def bin_(b: Builder) -> tuple:
    """Waste-paper bin."""
    rng = b.rng
    b.begin("bin")
    b.cylinder(0, 0, (0, rng.uniform(0.28, 0.4)), rng.uniform(0.12, 0.17), m.paint(rng))
    return 0.17, 0.17


def rack(b: Builder) -> tuple:
    """Warehouse rack with pallets' worth of cartons."""
    rng = b.rng
    b.begin("rack")
    hx, hy, levels = rng.uniform(0.3, 0.5), rng.uniform(0.9, 1.4), rng.integers(3, 6)
    pitch, frame = rng.uniform(0.5, 0.8), m.metal(rng) if rng.random() < 0.6 else m.paint(rng)
    height = levels * pitch
    for sx in (-1, 1):
        for sy in (-1, 1):
            b.box(
                sorted((sx * hx, sx * (hx - 0.05))),
                sorted((sy * hy, sy * (hy - 0.05))),
                (0, height + 0.1),
                frame,
            )
    for k in range(levels):
        z = 0.1 + k * pitch
        b.begin("rack")
        b.box((-hx, hx), (-hy, hy), (z, z + 0.04), frame)
        y = -hy + 0.05
        while y < hy - 0.25:
            width = min(rng.uniform(0.25, 0.6), hy - 0.05 - y)
            if rng.random() < 0.8:
                b.begin("box")
                b.box(
                    (-hx + 0.04, hx - rng.uniform(0.02, 0.2)),
                    (y, y + width),
                    (z + 0.04, z + 0.04 + rng.uniform(0.2, pitch - 0.1)),
                    m.cardboard(rng) if rng.random() < 0.7 else m.paint(rng),
                )
            y += width + 0.03
    return hx, hy


def machine(b: Builder) -> tuple:
    """Machine or laboratory device: cabinets, a drum, pipes, a panel."""
    rng = b.rng
    b.begin("machine")
    hx, hy, height = rng.uniform(0.4, 0.7), rng.uniform(0.5, 1.2), rng.uniform(0.9, 1.8)
    look = m.paint(rng)
    b.box((-hx, hx), (-hy, hy), (0.1, height), look)
    b.box(
        (-hx * 0.8, hx * 0.6),
        (-hy * 0.5, hy * 0.7),
        (height, height + rng.uniform(0.1, 0.5)),
        m.paint(rng),
    )
    b.cylinder(
        0, hy * 0.3, (height, height + rng.uniform(0.3, 1.0)), rng.uniform(0.05, 0.2), m.metal(rng)
    )
    b.box((hx, hx + 0.03), (-0.25, 0.15), (1.0, 1.35), m.text(rng))
    b.box((hx, hx + 0.02), (0.25, hy * 0.9), (0.2, 0.8), m.metal(rng))
    return hx, hy


def person(b: Builder) -> tuple:
    """Standing or walking person, 1.5 to 1.95 m tall."""
    rng = b.rng
    b.begin("person")
    s = np.clip(rng.normal(1.0, 0.055), 0.87, 1.14)  # of 1.72 m
    trousers, shirt, tone = m.fabric(rng), m.fabric(rng), m.skin(rng)
    stride = rng.uniform(-0.16, 0.16)
    for side in (-1, 1):
        y, x = side * 0.09 * s, side * stride * s / 2
        b.cylinder(
            x, y, (0.05 * s, 0.86 * s), 0.072 * s, trousers, rotation_y(side * stride * 0.9)
        )
        b.box(
            (x + side * stride * 0.3 - 0.08, x + side * stride * 0.3 + 0.19),
            (y - 0.05, y + 0.05),
            (0, 0.08),
            m.metal(rng).tinted(0.5),
        )
        b.cylinder(
            -x,
            side * 0.235 * s,
            (0.78 * s, 1.42 * s),
            0.045 * s,
            shirt,
            rotation_y(-side * stride),
        )
        b.ellipsoid(-x, side * 0.24 * s, 0.75 * s, (0.045, 0.035, 0.09), tone)
    b.cylinder(0, 0, (0.82 * s, 1.42 * s), (0.12 * s, 0.185 * s), shirt)
    b.ellipsoid(0, 0, 1.42 * s, (0.11 * s, 0.2 * s, 0.06 * s), shirt)
    b.cylinder(0, 0, (1.42 * s, 1.52 * s), 0.055 * s, tone)
    b.ellipsoid(0.01, 0, 1.6 * s, (0.095 * s, 0.078 * s, 0.12 * s), tone)
    b.ellipsoid(
        -0.02,
        0,
        1.64 * s,
        (0.098 * s, 0.084 * s, 0.1 * s),
        m.Material(m.colour(rng, 0.02, 0.3, 0.3), noise=0.2, noise_m=0.03),
    )
    return 0.25, 0.3
