"""The service ~/measure_regions: points, boxes and masks of a picture made metric."""

import math
import time
from collections import deque

import numpy as np
from geometry_msgs.msg import Point, Vector3

from depthlm_msgs.msg import Gap as GapMsg
from depthlm_msgs.msg import Region
from depthlm_msgs.msg import RegionDepth as RegionDepthMsg
from depthlm_msgs.srv import MeasureRegions
from depthlm_ros.geometry import regions
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.depth import responses
from depthlm_ros.nodes.depth.applied_scale import named_source
from depthlm_ros.nodes.depth.requests import RequestHandler
from depthlm_ros.sanitize import encodable
from depthlm_ros.status import Code, StatusError

MOST_REGIONS = 256
KEPT = 12
"""Results that a stamp may ask for: a detector answers some frames later."""


class RegionServices(RequestHandler):
    """Measures regions of the newest picture, or of one of the last KEPT by its stamp."""

    def __init__(self, node, scheduler, depth_publishers, guard, surroundings):
        super().__init__(node, scheduler, guard)
        self._recent: deque = deque(maxlen=KEPT)
        self._serve(MeasureRegions, "~/measure_regions", self._on_measure)

    def wanted(self) -> bool:
        """Tell that nobody listens: a service waits for what it needs."""
        return False

    def publish(self, frame_depth) -> None:
        """Remember a result; on the worker."""
        if self._recent and self._recent[-1].clock_generation != frame_depth.clock_generation:
            self._recent.clear()  # of before a jump of the clock
        self._recent.append(frame_depth)

    async def _on_measure(self, request, response):
        begin, frame_depth = time.monotonic(), None
        try:
            if not 1 <= len(request.regions) <= MOST_REGIONS:
                raise StatusError(
                    Code.BAD_QUESTION,
                    f"{len(request.regions)} regions: must be 1 to {MOST_REGIONS}",
                )
            until = self._until(begin, request.deadline)
            frame_depth = await self._frame(request.stamp, until)
            back = await self._transform(request.frame_id, "", frame_depth, until)
            self._scheduler.check_active()
            masks = [_mask(region, frame_depth) for region in request.regions]
            response.regions = [
                _measured(region, mask, frame_depth.depth_map, back)
                for region, mask in zip(request.regions, masks, strict=True)
            ]
            if request.gaps:
                response.gaps = _gaps(request.regions, masks, frame_depth, back)
            response.source = named_source("dense", frame_depth.scale)
            status = StatusError(Code.OK, "")
            age_s = self._scheduler.check_fresh(frame_depth)
        except Exception as error:  # every request gets a reply
            status = self._status_of("~/measure_regions", error)
            response.regions = [
                _without_numbers(r, status) for r in request.regions[:MOST_REGIONS]
            ]
            response.gaps, response.source = [], ""
            age_s = self._age_s(frame_depth)
        response.status = conversions.status_msg(status.code, status.text)
        response.header = responses.header_in(frame_depth, request.frame_id)
        self._stamp(response, age_s, begin, status.code)
        return response

    async def _frame(self, stamp, until: float):
        """Return the result of the picture with this stamp; the newest for zero."""
        if not (stamp.sec or stamp.nanosec):
            return await self._scheduler.fresh_depth(until)
        wanted, newest = conversions.stamp_ns(stamp), None
        while newest is None or newest.frame.stamp_ns < wanted:
            if (found := self._kept(wanted)) is not None:
                return found
            newest = await self._scheduler.next_depth(until)
        if newest.frame.stamp_ns == wanted:
            return newest
        raise StatusError(
            Code.STALE,
            f"no depth of the picture with stamp {stamp.sec}.{stamp.nanosec:09d} is kept: the "
            f"last {KEPT} results are; set continuous so that every picture is estimated, or "
            "leave the stamp zero",
        )

    def _kept(self, wanted: int):
        """Return the kept result with this stamp [ns], None where there is none."""
        return next((f for f in list(self._recent) if f.frame.stamp_ns == wanted), None)


def _mask(region: Region, frame_depth) -> np.ndarray:
    """Return a region as a mask, bool (H, W), of the rectified depth map."""
    rectifier, camera = frame_depth.rectifier, frame_depth.frame.camera
    shape, pixel = (camera.height, camera.width), (region.pixel.u, region.pixel.v)
    if region.kind == Region.POINT:
        return regions.point_mask(rectifier.source_to_rectified(pixel), region.radius, shape)
    if region.kind == Region.BOX:
        box = (region.pixel.u, region.pixel.v, region.corner.u, region.corner.v)
        bounds = regions.rectified_bounds(rectifier, box)
        return np.zeros(shape, bool) if bounds is None else regions.box_mask(bounds, shape)
    if region.kind not in (Region.RLE, Region.MASK):
        raise ValueError(f"kind = {region.kind}: must be POINT 0, BOX 1, RLE 2 or MASK 3")
    source = _source_mask(region, shape)
    if rectifier.is_identity:
        return source
    shown = rectifier.rectify(np.repeat(np.uint8(255) * source[..., None], 3, axis=2))
    return shown[..., 0] > 127


def _source_mask(region: Region, shape: tuple) -> np.ndarray:
    """Return a mask in the subscribed image's pixels; ValueError for one of another size."""
    if region.kind == Region.RLE:
        return regions.decode_rle(region.rle, *shape)
    image, (height, width) = region.mask, shape
    if image.encoding not in ("mono8", "8UC1") or (image.height, image.width) != shape:
        raise ValueError(
            f"mask of {image.width} x {image.height} {image.encoding!r}: must be mono8 or 8UC1 "
            f"of {width} x {height}, as the image"
        )
    data = np.frombuffer(image.data, np.uint8)
    if image.step < width or len(data) < image.step * height:
        raise ValueError(f"mask has {len(data)} bytes, step {image.step}: too few for its size")
    return data[: image.step * height].reshape(height, image.step)[:, :width] > 0


def _measured(region: Region, mask, depth_map, back) -> RegionDepthMsg:
    origin = back((0.0, 0.0, 0.0))
    axes = (back(np.eye(3)) - origin).T  # rows: the wanted frame's axes, in the optical one
    split = region.kind in (Region.POINT, Region.BOX)
    found = regions.measure_region(depth_map, mask, split, axes)
    message = RegionDepthMsg(
        label=encodable(region.label),
        status=conversions.status_msg(found.code, found.text),
        depth=found.depth_m,
        p10=found.p10_m,
        low=found.low_m,
        high=found.high_m,
        distance=found.distance_m,
        point=_point(back(found.point_m)),
        size=Vector3(**dict(zip("xyz", map(float, found.size_m), strict=True))),
        pixels=found.pixels,
        valid_fraction=found.valid_fraction,
        foreground_fraction=found.foreground_fraction,
    )
    message.box.position = _point(back(found.centre_m))
    message.box.orientation.w = 1.0
    return message


def _gaps(asked: list, masks: list, frame_depth, back) -> list[GapMsg]:
    """Return the gap from the first region to each other; of two points along their line."""
    depth_map, rectifier = frame_depth.depth_map, frame_depth.rectifier
    messages = []
    for k in range(1, len(asked)):
        pair = (asked[0], asked[k])
        if all(region.kind == Region.POINT for region in pair):
            ends = rectifier.source_to_rectified([(r.pixel.u, r.pixel.v) for r in pair])
            gap = regions.gap_between_points(depth_map, *ends)
        else:
            split = all(region.kind in (Region.POINT, Region.BOX) for region in pair)
            gap = regions.gap_between_masks(depth_map, masks[0], masks[k], split)
        messages.append(
            GapMsg(
                status=conversions.status_msg(gap.code, gap.text),
                first=0,
                second=k,
                distance=gap.distance_m,
                low=gap.low_m,
                high=gap.high_m,
                a=_point(back(gap.a_m)),
                b=_point(back(gap.b_m)),
            )
        )
    return messages


def _without_numbers(region: Region, status: StatusError) -> RegionDepthMsg:
    """Return a result that holds no number, for a request that failed as a whole."""
    nan = math.nan
    message = RegionDepthMsg(
        label=encodable(region.label),
        status=conversions.status_msg(status.code, status.text),
        **dict.fromkeys(("depth", "p10", "low", "high", "distance"), nan),
    )
    for part in (message.point, message.size, message.box.position):
        part.x = part.y = part.z = nan
    return message


def _point(xyz) -> Point:
    return Point(**dict(zip("xyz", map(float, xyz), strict=True)))
