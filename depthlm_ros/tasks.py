"""What the value of an answer is: tasks, their units and how many points they need.

One list for what people ask (``language/``) and for what the models are trained to be asked
(``prompting/``, ``datasets/``): DepthLM section 4.4 names six of them.
Components are those of the camera's optical frame (REP-103: x right, y down, z forward); vertical
and horizontal are the world's only where the camera is held level, which answers say.
"""

from enum import Enum

PRINCIPAL_AXIS_DISTANCE = "principal_axis_distance"
"""The paper's name for Task.DEPTH, as it stands in training configurations."""


class Task(str, Enum):
    """What the value of an answer is."""

    DISTANCE = "distance"
    """Euclidean distance from the camera to the point, m."""
    DEPTH = "depth"
    """Distance along the camera's principal axis (REP-118), m; also "principal_axis_distance"."""
    SPEED = "speed"
    """Speed that covers the distance in the given time, m/s."""
    TIME = "time"
    """Time that the distance takes at the given speed, s."""
    LATERAL = "lateral"
    """Offset to the side of the camera's axis, m: positive towards the side asked for."""
    VERTICAL = "vertical"
    """Offset above or below the camera, m: positive in the direction asked for."""
    HORIZONTAL = "horizontal"
    """Distance in the plane of the camera's x and z axes, m."""
    BEARING = "bearing"
    """Angle from the camera's axis to the side, rad: positive to the right."""
    TWO_POINT_DISTANCE = "two_point_distance"
    """Straight line between two points, m."""
    TWO_POINT_DEPTH = "two_point_depth"
    """Difference of two points along the camera's axis, m."""
    TWO_POINT_LATERAL = "two_point_lateral"
    """Difference of two points along the camera's x axis, m."""
    TWO_POINT_VERTICAL = "two_point_vertical"
    """Difference of two points along the camera's y axis, m."""
    TWO_POINT_HORIZONTAL = "two_point_horizontal"
    """Distance of two points in the plane of the camera's x and z axes, m."""
    TWO_POINT_ANGLE = "two_point_angle"
    """Angle between the rays to two points, rad."""
    DISTANCE_DIFFERENCE = "distance_difference"
    """How much farther from the camera the first of two points is, m (negative: nearer)."""
    NEARER = "nearer"
    """Which of two points is nearer to the camera; the value is by how much, m."""
    FARTHER = "farther"
    """Which of two points is farther from the camera; the value is by how much, m."""
    HEIGHT = "height"
    """Height of a named thing, m."""
    WIDTH = "width"
    """Width of a named thing, m."""
    COUNT = "count"
    """How many of a named thing are found."""
    EXISTS = "exists"
    """Whether a named thing is found: 1 or 0."""
    PASSAGE = "passage"
    """Width of the gap between two things or points, m."""
    FREE_DISTANCE = "free_distance"
    """Free way in a direction, m."""
    FREEST = "freest_direction"
    """Which direction has the most free way; the value is how much, m."""
    CAMERA_MOTION = "camera_motion"
    """How far the camera moved between two images, m: by poses, or by models trained for it."""

    @classmethod
    def _missing_(cls, value: object) -> "Task | None":
        """Accept the paper's name of a task."""
        return cls.DEPTH if value == PRINCIPAL_AXIS_DISTANCE else None

    @property
    def points(self) -> int:
        """How many points the task needs."""
        return _POINTS.get(self, 1)

    @property
    def unit(self) -> str:
        """The SI unit of the value; "" for a number of things."""
        return _UNITS.get(self, "m")


TWO_POINT = {
    "straight": Task.TWO_POINT_DISTANCE,
    "axis": Task.TWO_POINT_DEPTH,
    "lateral": Task.TWO_POINT_LATERAL,
    "vertical": Task.TWO_POINT_VERTICAL,
    "horizontal": Task.TWO_POINT_HORIZONTAL,
    "angle": Task.TWO_POINT_ANGLE,
}
"""Component -> its task between two points."""
ONE_POINT = {
    "straight": Task.DISTANCE,
    "axis": Task.DEPTH,
    "lateral": Task.LATERAL,
    "vertical": Task.VERTICAL,
    "horizontal": Task.HORIZONTAL,
    "angle": Task.BEARING,
}
"""Component -> its task from the camera to a point."""
OF_THINGS = frozenset({Task.HEIGHT, Task.WIDTH, Task.COUNT, Task.EXISTS})
"""Tasks that only a named thing has."""
OF_WAYS = frozenset({Task.FREE_DISTANCE, Task.FREEST})
"""Tasks that clearance answers, about no point."""
_TWO = {*TWO_POINT.values(), Task.DISTANCE_DIFFERENCE, Task.NEARER, Task.FARTHER, Task.PASSAGE}
_POINTS = dict.fromkeys(_TWO, 2) | dict.fromkeys({*OF_WAYS, Task.CAMERA_MOTION}, 0)
_UNITS = {
    Task.SPEED: "m/s",
    Task.TIME: "s",
    Task.BEARING: "rad",
    Task.TWO_POINT_ANGLE: "rad",
    Task.COUNT: "",
    Task.EXISTS: "",
}
