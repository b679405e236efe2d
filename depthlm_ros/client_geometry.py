"""The part of ``DepthClient`` that planners use: clearance, regions and scale, typed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from geometry_msgs.msg import Point, Vector3
from rclpy.qos import QoSProfile

from depthlm_msgs.msg import Pixel, Region, RegionDepth
from depthlm_msgs.srv import CalibrateScale, CheckClearance, MeasureRegions
from depthlm_ros.status import Code

QUEUE = QoSProfile(depth=1000)
VERDICTS = ("UNKNOWN", "CLEAR", "BLOCKED", "DROP")


@dataclass(frozen=True)
class ClearanceReply:
    """The reply of ``check_clearance`` (see CheckClearance.srv); lengths in metres.

    ``clear`` is True only where the whole volume is known to be free. ``verdict``: one of
    VERDICTS. Numbers are NaN where there is nothing to tell.
    """

    code: Code
    text: str
    clear: bool
    verdict: str
    distance_m: float
    low_m: float
    p10_m: float
    nearest_m: tuple
    free_m: float
    visible_from_m: float
    drop_m: float
    valid_fraction: float
    outside_view: float
    hidden: float
    invalid: float
    free_headings_m: tuple
    camera_height_m: float
    frame_id: str
    stamp_ns: int
    source: str
    age_s: float
    latency_s: float


@dataclass(frozen=True)
class RegionReply:
    """One region of ``measure_regions`` (see RegionDepth.msg); NaN unless ``code`` is OK."""

    label: str
    code: Code
    text: str
    depth_m: float
    p10_m: float
    low_m: float
    high_m: float
    distance_m: float
    point_m: tuple
    centre_m: tuple
    size_m: tuple


@dataclass(frozen=True)
class GapReply:
    """The gap between two regions (see Gap.msg); NaN unless ``code`` is OK."""

    code: Code
    text: str
    first: int
    second: int
    distance_m: float
    low_m: float
    high_m: float


@dataclass(frozen=True)
class RegionsReply:
    """The reply of ``measure_regions``: ``code`` and ``text`` of the request as a whole."""

    code: Code
    text: str
    regions: tuple
    gaps: tuple
    frame_id: str
    stamp_ns: int
    source: str
    age_s: float
    latency_s: float


@dataclass(frozen=True)
class ScaleReply:
    """The reply of ``calibrate_scale``; numbers are NaN unless ``code`` is OK."""

    code: Code
    text: str
    scale: float
    previous: float
    residual_m: float
    relative_residual: float
    samples: int
    latency_s: float


def box(u0: float, v0: float, u1: float, v1: float, label: str = "") -> Region:
    """Return a box as a region, corners in pixels of the subscribed image."""
    return Region(kind=Region.BOX, pixel=_pixel(u0, v0), corner=_pixel(u1, v1), label=label)


def point(u: float, v: float, radius_px: float = 0.0, label: str = "") -> Region:
    """Return a point, or the disc around it, as a region."""
    return Region(kind=Region.POINT, pixel=_pixel(u, v), radius=float(radius_px), label=label)


class GeometryCalls:
    """Calls of ``DepthClient``; each raises ServiceTimeoutError when no reply comes in time."""

    def _open_geometry(self, node: str) -> None:
        kinds = {
            "check_clearance": CheckClearance,
            "measure_regions": MeasureRegions,
            "calibrate_scale": CalibrateScale,
        }
        self._geometry = {
            name: self._node.create_client(kind, f"{node}/{name}", qos_profile=QUEUE)
            for name, kind in kinds.items()
        }

    def check_clearance(
        self,
        width_m: float,
        height_m: float,
        length_m: float = 0.0,
        begin_m: float = 0.0,
        margin_m: float = 0.0,
        frame_id: str = "",
        start: Sequence = (0.0, 0.0, 0.0),
        direction: Sequence = (0.0, 0.0, 0.0),
        target: Sequence | None = None,
        headings_rad: Sequence = (),
        airborne: bool = False,
        deadline_s: float = 5.0,
    ) -> ClearanceReply:
        """Ask whether a swept volume is known to be free; see CheckClearance.srv.

        ``target`` (3,): sweep to this point instead of ``length_m`` along ``direction``.
        """
        request = CheckClearance.Request(
            frame_id=frame_id,
            width=float(width_m),
            height=float(height_m),
            length=float(length_m),
            begin=float(begin_m),
            margin=float(margin_m),
            airborne=airborne,
            to_target=target is not None,
            start=_xyz(Point, start),
            direction=_xyz(Vector3, direction),
            target=_xyz(Point, (0.0, 0.0, 0.0) if target is None else target),
            headings=[float(yaw) for yaw in headings_rad],
        )
        return _clearance(self._call(self._geometry["check_clearance"], request, deadline_s))

    def measure_regions(
        self,
        regions: Iterable,
        gaps: bool = False,
        stamp_ns: int = 0,
        frame_id: str = "",
        deadline_s: float = 5.0,
    ) -> RegionsReply:
        """Measure regions (Region messages; ``box`` and ``point`` make some) in metres.

        ``stamp_ns``: of the picture they were found in, 0 for the newest.
        """
        request = MeasureRegions.Request(regions=list(regions), gaps=gaps, frame_id=frame_id)
        request.stamp.sec, request.stamp.nanosec = divmod(int(stamp_ns), 1_000_000_000)
        r = self._call(self._geometry["measure_regions"], request, deadline_s)
        return RegionsReply(
            Code(r.status.code),
            r.status.text,
            tuple(_region(one) for one in r.regions),
            tuple(
                GapReply(
                    Code(g.status.code),
                    g.status.text,
                    g.first,
                    g.second,
                    g.distance,
                    g.low,
                    g.high,
                )
                for g in r.gaps
            ),
            r.header.frame_id,
            _ns(r.header.stamp),
            r.source,
            _ns(r.age) * 1e-9,
            _ns(r.latency) * 1e-9,
        )

    def calibrate_scale(
        self,
        kind: str,
        value: float = 0.0,
        pixel: Sequence = (0.0, 0.0),
        topic: str = "",
        frames: int = 0,
        measure_only: bool = False,
        deadline_s: float = 15.0,
    ) -> ScaleReply:
        """Correct the metric scale; see CalibrateScale.srv.

        ``kind``: "point", "camera_height", "laser_scan", "range" or "set".
        """
        number = getattr(CalibrateScale.Request, kind.upper(), None)
        if number is None:
            raise ValueError(
                f"kind = {kind!r}: must be point, camera_height, laser_scan, range or set"
            )
        request = CalibrateScale.Request(
            kind=number,
            value=float(value),
            pixel=_pixel(*pixel),
            topic=topic,
            frames=frames,
            measure_only=measure_only,
        )
        r = self._call(self._geometry["calibrate_scale"], request, deadline_s)
        return ScaleReply(
            Code(r.status.code),
            r.status.text,
            r.scale,
            r.previous,
            r.residual,
            r.relative_residual,
            r.samples,
            _ns(r.latency) * 1e-9,
        )


def _clearance(r: CheckClearance.Response) -> ClearanceReply:
    return ClearanceReply(
        Code(r.status.code),
        r.status.text or r.text,
        r.clear,
        VERDICTS[r.verdict],
        r.distance,
        r.low,
        r.p10,
        _tuple(r.nearest),
        r.free,
        r.visible_from,
        r.drop,
        r.valid_fraction,
        r.outside_view,
        r.hidden,
        r.invalid,
        tuple(r.free_headings),
        r.camera_height,
        r.header.frame_id,
        _ns(r.header.stamp),
        r.source,
        _ns(r.age) * 1e-9,
        _ns(r.latency) * 1e-9,
    )


def _region(m: RegionDepth) -> RegionReply:
    return RegionReply(
        m.label,
        Code(m.status.code),
        m.status.text,
        m.depth,
        m.p10,
        m.low,
        m.high,
        m.distance,
        _tuple(m.point),
        _tuple(m.box.position),
        _tuple(m.size),
    )


def _pixel(u: float, v: float) -> Pixel:
    return Pixel(u=float(u), v=float(v))


def _xyz(kind: type, values: Sequence) -> object:
    return kind(**dict(zip("xyz", map(float, values), strict=True)))


def _tuple(m: object) -> tuple:
    return m.x, m.y, m.z


def _ns(stamp: object) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec
