"""Streets: a road between pavements and house fronts, with what stands and drives there.

Sizes that are the same everywhere: kerbs 0.1 to 0.15 m, lanes 2.75 to 3.5 m, broken lines 0.12 m
wide, storeys about 3 m, cars 3.6 to 4.9 m long, doors 2.1 m, parked 0.3 m from the kerb.
"""

import numpy as np

from depthlm_ros.scenes import equipment as e
from depthlm_ros.scenes import furniture as f
from depthlm_ros.scenes import materials as m
from depthlm_ros.scenes.primitives import Builder, rotation_x, rotation_y
from depthlm_ros.scenes.scene import Ground, Scene

REACH = 70.0
"""Half length of a street [m]."""


def make_street(seed) -> Scene:
    """Make a straight street along x, centred on y = 0."""
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    road = rng.choice([1, 2, 2, 2, 3]) * rng.uniform(2.75, 3.5) / 2 + rng.choice([0.0, 2.0, 2.0])
    walk, kerb = rng.uniform(1.5, 4.5), rng.uniform(0.08, 0.15)
    ground = Ground((-REACH, REACH), (-road - walk, road + walk), 0.2)
    _roadway(b, road, walk, kerb)
    for side in (-1, 1):
        _front(b, side, road + walk, kerb)
        _pavement_things(b, ground, side, road, walk, kerb)
    _traffic(b, ground, road)
    for _ in range(rng.integers(0, 7)):
        _place(
            b,
            ground,
            e.person,
            rng.uniform(-20, 20),
            rng.uniform(-1, 1) * (road + walk - 0.4),
            rng.uniform(0, 2 * np.pi),
            road,
            kerb,
        )
    return _daylight(b, ground)


def _roadway(b: Builder, road: float, walk: float, kerb: float) -> None:
    rng = b.rng
    b.at(0, 0)
    b.begin("road")
    b.box((-REACH, REACH), (-road, road), (-0.2, 0.0), m.asphalt(rng))
    white = m.Material((0.75, 0.75, 0.72), noise=0.15, noise_m=0.2)
    if rng.random() < 0.7:  # 3 m dashes with 6 m gaps, or 6 with 12
        b.begin("lane marking")
        dash = rng.choice([3.0, 6.0])
        for x in np.arange(-REACH + 1, REACH, 3 * dash):
            b.box((x, x + dash), (-0.06, 0.06), (0.0, 0.004), white)
    if rng.random() < 0.25:  # zebra crossing: 0.5 m bars, 0.5 m apart
        b.begin("crossing")
        x = rng.uniform(-12, 12)
        for y in np.arange(-road + 0.3, road - 0.5, 1.0):
            b.box((x - 1.5, x + 1.5), (y, y + 0.5), (0.0, 0.005), white)
    slabs, stone = m.paving(rng), m.concrete(rng)
    for side in (-1, 1):
        b.begin("kerb")
        b.box((-REACH, REACH), sorted((side * road, side * (road + 0.15))), (-0.2, kerb), stone)
        b.begin("pavement")
        b.box(
            (-REACH, REACH),
            sorted((side * (road + 0.15), side * (road + walk + 30))),
            (-0.2, kerb),
            slabs,
        )


def _front(b: Builder, side: int, line: float, kerb: float) -> None:
    """House fronts, walls, hedges or open ground along one side."""
    rng = b.rng
    x = -REACH
    while x < REACH:
        wide = rng.uniform(6.0, 22.0)
        kind = rng.random()
        b.at(x + wide / 2, side * (line + rng.uniform(0.0, 0.3)), -side * np.pi / 2, kerb)
        if kind < 0.68:
            _house(b, wide)
        elif kind < 0.78:
            b.begin("wall")
            b.box(
                (-0.25, 0),
                (-wide / 2, wide / 2),
                (0, rng.uniform(0.8, 2.2)),
                m.bricks(rng) if rng.random() < 0.5 else m.plaster(rng),
            )
        elif kind < 0.9:
            b.begin("hedge")
            b.box((-0.8, 0), (-wide / 2, wide / 2), (0, rng.uniform(0.8, 2.0)), m.leaves(rng))
        x += wide + (rng.uniform(0.0, 5.0) if rng.random() < 0.3 else 0.0)


def _house(b: Builder, wide: float) -> None:
    """One house: storeys of 3 m; the front shows windows, the ground floor a door."""
    rng = b.rng
    b.begin("building")
    storeys, depth = rng.integers(1, 6), rng.uniform(8.0, 14.0)
    b.box(
        (-depth, 0),
        (-wide / 2, wide / 2),
        (0, 3.0 * storeys + rng.uniform(0.3, 3.0)),
        m.facade(rng) if rng.random() < 0.6 else m.bricks(rng),
    )
    if rng.random() < 0.6:  # a plinth
        b.box((0, 0.04), (-wide / 2, wide / 2), (0, rng.uniform(0.3, 0.9)), m.concrete(rng))
    for storey in range(min(storeys, 3)):  # windows with depth on the storeys that one sees
        for y in np.arange(-wide / 2 + 1.2, wide / 2 - 1.2, rng.uniform(2.0, 3.2)):
            b.begin("window")
            z, tall = 3.0 * storey + 0.9, rng.uniform(1.2, 1.5)
            b.box((0, 0.05), (y - 0.6, y + 0.6), (z - 0.06, z + tall + 0.06), m.paint(rng))
            b.box(
                (0.02, 0.06),
                (y - 0.53, y + 0.53),
                (z, z + tall),
                m.Material(m.colour(rng, 0.03, 0.3, 0.15), noise=0.4, noise_m=0.6),
            )
    b.begin("door")
    y = rng.uniform(-wide / 2 + 1.0, wide / 2 - 1.0)
    b.box((0, 0.07), (y - 0.55, y + 0.55), (0, 2.2), m.paint(rng))
    b.box((0, 0.09), (y - 0.47, y + 0.47), (0, 2.08), m.furniture(rng))


def _pavement_things(
    b: Builder, ground: Ground, side: int, road: float, walk: float, kerb: float
) -> None:
    rng = b.rng
    pitch, start = rng.uniform(8.0, 25.0), rng.uniform(0, 8.0)
    kind = rng.choice(["tree", "lamp post", "none", "bollard"], p=[0.35, 0.3, 0.2, 0.15])
    if kind != "none":
        thing = {"tree": tree, "lamp post": lamp_post, "bollard": bollard}[kind]
        pitch = 3.0 if kind == "bollard" else pitch
        for x in np.arange(-REACH + start, REACH, pitch):
            _place(b, ground, thing, x, side * (road + 0.5), -side * np.pi / 2, road, kerb)
    things = (traffic_sign, waste_bin, bench, e.person, f.plant, bicycle_stand)
    for _ in range(rng.integers(0, 8)):
        thing = things[rng.integers(len(things))]
        y = side * (road + rng.uniform(0.4, max(0.5, walk - 0.4)))
        _place(b, ground, thing, rng.uniform(-25, 25), y, -side * np.pi / 2, road, kerb)


def _traffic(b: Builder, ground: Ground, road: float) -> None:
    """Parked cars along the kerbs, and a few that drive."""
    rng = b.rng
    for side in (-1, 1):
        share = rng.choice([0.0, 0.3, 0.8])
        for x in np.arange(-REACH + 5 + rng.uniform(0, 5), REACH - 5, 5.6):
            if rng.random() < share:
                _place(b, ground, car, x, side * (road - 1.2), 0 if side < 0 else np.pi, road, 0)
    for _ in range(rng.integers(0, 4)):
        _place(
            b,
            ground,
            car,
            rng.uniform(-45, 45),
            rng.choice([-1, 1]) * min(1.6, road / 2),
            rng.choice([0.0, np.pi]),
            road,
            0,
        )


def _place(b: Builder, ground: Ground, thing, x, y, yaw, road: float, kerb: float) -> None:
    """Put a thing where the ground is free, on the road or up on the pavement."""
    size = thing(Builder(np.random.default_rng(state := b.rng.integers(1 << 40))))
    if ground.is_free(x, y, *size, yaw):
        rng, b.rng = b.rng, np.random.default_rng(state)
        thing(b.at(x, y, yaw, kerb if abs(y) > road else 0.0))
        b.rng = rng
        ground.take(x, y, *size, yaw)


def car(b: Builder) -> tuple:
    """Car or van facing +x."""
    rng = b.rng
    b.begin("car")
    van = rng.random() < 0.2
    hx, hy = rng.uniform(1.8, 2.45), rng.uniform(0.82, 0.93)
    top = rng.uniform(1.8, 2.5) if van else rng.uniform(1.4, 1.65)
    body = m.Material(m.colour(rng, 0.02, 0.8, 0.5), noise=0.04)
    glass = m.Material(m.colour(rng, 0.02, 0.12, 0.1), noise=0.3, noise_m=0.5)
    rubber = m.Material((0.03, 0.03, 0.03))
    belt = rng.uniform(0.85, 1.0)
    b.box((-hx, hx), (-hy, hy), (0.3, 0.62), body)
    b.box((-hx + 0.06, hx - 0.1), (-hy + 0.02, hy - 0.02), (0.6, belt), body)
    rear, front = (-hx + 0.08, hx - 1.1) if van else (-hx + rng.uniform(0.2, 0.7), hx - 1.25)
    b.box((rear, front), (-hy + 0.08, hy - 0.08), (belt, top - 0.05), body if van else glass)
    b.box((rear + 0.05, front - 0.05), (-hy + 0.1, hy - 0.1), (top - 0.06, top), body)
    for x, slope in ((front, -0.55), (rear, 0.1 if van else 0.55)):  # windscreens
        high = np.hypot(slope, top - belt) / 2
        b.box(
            (x - 0.03, x + 0.03),
            (-hy + 0.09, hy - 0.09),
            ((belt + top) / 2 - high, (belt + top) / 2 + high),
            glass,
            rotation_y(np.arctan2(slope, top - belt)),
        )
    for x in (-hx + 0.75, hx - 0.8):
        for side in (-1, 1):
            _wheel(b, x, side * (hy - 0.09), side * (hy - 0.08), rubber)
    for side in (-1, 1):
        b.box(
            (hx - 0.05, hx + 0.01),
            sorted((side * (hy - 0.4), side * (hy - 0.08))),
            (0.62, 0.76),
            m.Material((0.8, 0.8, 0.75), glow=0.3),
        )
        b.box(
            (-hx - 0.01, -hx + 0.1),
            sorted((side * (hy - 0.35), side * (hy - 0.06))),
            (0.66, 0.82),
            m.Material((0.5, 0.03, 0.03), glow=0.3),
        )
    for x in (-hx - 0.012, hx + 0.012):  # number plates, 0.52 x 0.11 m
        b.box((x - 0.006, x + 0.006), (-0.26, 0.26), (0.42, 0.53), m.text(rng))
    return hx + 0.05, hy + 0.1


def _wheel(b: Builder, x: float, y: float, y_rim: float, rubber: m.Material) -> None:
    """Add a tyre of 0.64 m and its rim, both 0.2 m wide."""
    width, axis = (0.32 - 0.1, 0.32 + 0.1), rotation_x(np.pi / 2)
    b.cylinder(x, y, width, (0.32, 0.32), rubber, axis)
    b.cylinder(x, y_rim, width, (0.2, 0.2), m.metal(b.rng), axis)


def tree(b: Builder) -> tuple:
    """Street tree."""
    rng = b.rng
    b.begin("tree")
    height, look = rng.uniform(4.0, 9.0), m.leaves(rng)
    b.cylinder(0, 0, (0, 0.7 * height), rng.uniform(0.08, 0.2), m.wood(rng).tinted(0.5))
    for _ in range(rng.integers(4, 9)):
        x, y = rng.normal(0, 0.7, 2)
        b.ellipsoid(x, y, height * rng.uniform(0.45, 0.95), rng.uniform(0.6, 1.6, 3), look)
    return 0.3, 0.3


def lamp_post(b: Builder) -> tuple:
    """Street lamp."""
    rng = b.rng
    b.begin("lamp post")
    height, look = rng.uniform(4.0, 8.0), m.metal(rng)
    b.cylinder(0, 0, (0, height), rng.uniform(0.05, 0.09), look)
    b.box((0, 1.2), (-0.04, 0.04), (height - 0.08, height), look)
    b.box((0.8, 1.4), (-0.12, 0.12), (height - 0.1, height), m.lamp(rng))
    return 0.15, 0.15


def bollard(b: Builder) -> tuple:
    """Bollard of about 0.9 m."""
    b.begin("bollard")
    b.cylinder(0, 0, (0, b.rng.uniform(0.8, 1.0)), 0.06, m.metal(b.rng))
    return 0.1, 0.1


def traffic_sign(b: Builder) -> tuple:
    """Sign of 0.42 to 0.6 m on a post."""
    rng = b.rng
    b.begin("traffic sign")
    b.cylinder(0, 0, (0, 2.6), 0.035, m.metal(rng))
    face = m.Material(m.colour(rng, 0.2, 0.7, 1.2), (0.8, 0.8, 0.8), m.TEXT, (0.2, 0.15))
    if rng.random() < 0.5:
        b.cylinder(
            0.05, 0, (2.3 - 0.01, 2.3 + 0.01), rng.uniform(0.21, 0.3), face, rotation_y(np.pi / 2)
        )
    else:
        half = rng.uniform(0.2, 0.3)
        b.box((0.04, 0.06), (-half, half), (2.3 - half, 2.3 + half), face)
    return 0.3, 0.3


def waste_bin(b: Builder) -> tuple:
    """Wheeled bin of 240 litres: 0.58 x 0.73 x 1.07 m."""
    b.begin("bin")
    look = m.paint(b.rng)
    b.box((-0.3, 0.36), (-0.27, 0.27), (0.05, 0.98), look)
    b.box((-0.34, 0.4), (-0.29, 0.29), (0.98, 1.07), look.tinted(0.8))
    return 0.42, 0.32


def bench(b: Builder) -> tuple:
    """Park bench."""
    b.begin("bench")
    look = m.wood(b.rng)
    for k in range(3):
        b.box((-0.2 + 0.15 * k, -0.08 + 0.15 * k), (-0.8, 0.8), (0.42, 0.45), look)
    b.box((-0.26, -0.22), (-0.8, 0.8), (0.55, 0.85), look, rotation_y(-0.15))
    for y in (-0.6, 0.6):
        b.box((-0.2, 0.2), (y - 0.04, y + 0.04), (0, 0.42), m.metal(b.rng))
    return 0.35, 0.82


def bicycle_stand(b: Builder) -> tuple:
    """Row of hoops, 0.8 m high."""
    b.begin("bicycle stand")
    look = m.metal(b.rng)
    for y in np.arange(-1.0, 1.1, 0.5):
        for x in (-0.35, 0.35):
            b.cylinder(x, y, (0, 0.8), 0.025, look)
        b.box((-0.36, 0.36), (y - 0.025, y + 0.025), (0.77, 0.82), look)
    return 0.45, 1.1


def _daylight(b: Builder, ground: Ground) -> Scene:
    """Sun or an overcast sky."""
    rng = b.rng
    yaw, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.2)
    sun = np.array([[np.cos(yaw) * np.cos(high), np.sin(yaw) * np.cos(high), np.sin(high)]])
    strength = rng.choice([0.0, 0.5, 1.0, 2.0])
    grey = rng.uniform(0.5, 0.9)
    sky = (
        ((grey, grey, grey), (grey, grey, grey))
        if strength < 0.4
        else ((0.62, 0.72, 0.85), (0.2, 0.4, 0.8))
    )
    power = strength * np.array([[1.0, 0.95, 0.85]])
    return Scene(
        "street",
        b.shapes(),
        tuple(b.names),
        ground,
        sun,
        power,
        tuple(rng.uniform(0.5, 0.9) * np.array([0.9, 0.95, 1.0])),
        True,
        sky,
        float(rng.uniform(0.15, 0.35)),
    )
