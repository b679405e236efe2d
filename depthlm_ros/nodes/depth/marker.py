"""One RViz marker: what all that is shown has in common."""

from builtin_interfaces.msg import Duration
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from depthlm_ros.nodes.common.conversions import point_msg
from depthlm_ros.sanitize import encodable

WHITE = (1.0, 1.0, 1.0)


def marker(
    header,
    namespace: str,
    number: int,
    kind: int,
    colour: tuple,
    size: float,
    lifetime_s: float,
    alpha: float = 1.0,
    points=(),
    at=(0.0, 0.0, 0.0),
    text: str = "",
    shown: bool = True,
) -> Marker:
    """Return a marker, or with ``shown`` False the order to take it away.

    ``size``: of a sphere or a letter, or the width of a line [m]; triangles have none: 1.
    ``points`` (N, 3), ``at`` (3,): in the header's frame [m].
    """
    made = Marker(header=header, ns=namespace, id=number, type=kind, text=encodable(text))
    made.action = Marker.ADD if shown else Marker.DELETE
    if shown:
        made.pose.position = point_msg(at)
    made.pose.orientation.w = 1.0
    made.scale.x = made.scale.y = made.scale.z = float(size)
    made.color = ColorRGBA(**dict(zip("rgba", map(float, (*colour, alpha)), strict=True)))
    made.points = [point_msg(xyz) for xyz in points]
    made.lifetime = Duration(sec=int(lifetime_s), nanosec=int(lifetime_s % 1 * 1e9))
    return made


def box_edges(corners) -> list:
    """Return the ends of a box's twelve edges, two by two.

    ``corners`` (8, 3): bit k of the index: high along axis k.
    """
    edges = [(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit]
    return [corners[k] for edge in edges for k in edge]
