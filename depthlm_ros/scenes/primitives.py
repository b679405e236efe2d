"""What a scene is made of: boxes, cylinders and ellipsoids with a material, and how to add them.

World frame (REP-103): x forward, y left, z up, metres; the ground is z = 0. numpy only: casting
rays at shapes is ``scenes/raycast.py``'s.
"""

from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.scenes.materials import Material

BOX, CYLINDER, ELLIPSOID = 0, 1, 2


def rotation_z(angle_rad: float) -> np.ndarray:
    """Return the rotation by an angle around z, (3, 3)."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_y(angle_rad: float) -> np.ndarray:
    """Return the rotation by an angle around y, (3, 3)."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def rotation_x(angle_rad: float) -> np.ndarray:
    """Return the rotation by an angle around x, (3, 3)."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


@dataclass(frozen=True)
class Shapes:
    """N shapes as arrays.

    ``kind`` int64 (N,): BOX, CYLINDER (axis: local z) or ELLIPSOID. ``centre`` (N, 3) and ``half``
    (N, 3): position and half extents [m]. ``rotation`` (N, 3, 3): local to world. ``material``
    (N, K): see ``materials.Material.row``. ``object_id`` int64 (N,). All floats are float32.
    """

    kind: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    rotation: np.ndarray
    material: np.ndarray
    object_id: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


@dataclass
class Builder:
    """Collects shapes; objects are built in a frame of their own and placed by ``at``."""

    rng: np.random.Generator
    names: list = field(default_factory=lambda: ["sky"])
    _rows: list = field(default_factory=list)
    _origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    _turn: np.ndarray = field(default_factory=lambda: np.eye(3))

    def at(self, x: float, y: float, yaw_rad: float = 0.0, z: float = 0.0) -> "Builder":
        """Place what follows with its frame's origin at (x, y, z) [m], turned around z."""
        self._origin, self._turn = np.array([x, y, z], dtype=float), rotation_z(yaw_rad)
        return self

    def begin(self, name: str) -> None:
        """Begin a new object: what follows belongs to it."""
        self.names.append(name)

    def box(self, x, y, z, material: Material, rotation: np.ndarray | None = None) -> None:
        """Add a box that spans x = (x0, x1), y, z [m]; ``rotation``: around its own centre."""
        spans = np.array([x, y, z], dtype=float)
        self._add(
            BOX, spans.mean(axis=1), np.abs(spans[:, 1] - spans[:, 0]) / 2, material, rotation
        )

    def cylinder(
        self, x: float, y: float, z, radius, material: Material, rotation: np.ndarray | None = None
    ) -> None:
        """Add an upright cylinder around (x, y) from z[0] to z[1]; radius or (rx, ry) [m]."""
        rx, ry = np.broadcast_to(radius, 2)
        half = np.array([rx, ry, abs(z[1] - z[0]) / 2])
        self._add(CYLINDER, np.array([x, y, (z[0] + z[1]) / 2]), half, material, rotation)

    def ellipsoid(self, x: float, y: float, z: float, radii, material: Material) -> None:
        """Add an ellipsoid around (x, y, z) with radii (rx, ry, rz) or one radius [m]."""
        self._add(ELLIPSOID, np.array([x, y, z]), np.broadcast_to(radii, 3), material)

    def _add(
        self,
        kind: int,
        centre: np.ndarray,
        half: np.ndarray,
        material: Material,
        rotation: np.ndarray | None = None,
    ) -> None:
        turn = self._turn if rotation is None else self._turn @ rotation
        row = material.row(self.rng)
        self._rows.append(
            (
                kind,
                self._turn @ centre + self._origin,
                np.maximum(half, 1e-3),
                turn,
                row,
                len(self.names) - 1,
            )
        )

    def shapes(self) -> Shapes:
        """Return everything added so far."""
        kind, centre, half, rotation, material, object_id = zip(*self._rows, strict=True)
        floats = [np.array(part, dtype=np.float32) for part in (centre, half, rotation, material)]
        return Shapes(np.array(kind), *floats, np.array(object_id))
