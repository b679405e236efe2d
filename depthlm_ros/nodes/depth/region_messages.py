"""Regions as masks of the depth map, and what is measured of them as messages."""

import math

import numpy as np
from geometry_msgs.msg import Vector3

from depthlm_msgs.msg import Gap as GapMsg
from depthlm_msgs.msg import Region
from depthlm_msgs.msg import RegionDepth as RegionDepthMsg
from depthlm_ros.geometry import regions
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.conversions import point_msg
from depthlm_ros.sanitize import encodable
from depthlm_ros.status import Code, StatusError

MOST_RADIUS_PX = 10_000.0


def measure_all(asked: list[Region], gaps: bool, frame_depth, back) -> tuple[list, list]:
    """Return (RegionDepth of each region, Gap of the first with each other if ``gaps``).

    ``back`` takes points (..., 3) of the optical frame to the wanted one. A region that is none
    has BAD_QUESTION, without harm to the others; StatusError where all are such.
    """
    masks, measured = [], []
    for region in asked:
        try:
            masks.append(region_mask(region, frame_depth))
            measured.append(region_message(region, masks[-1], frame_depth.depth_map, back))
        except ValueError as error:
            refusal = StatusError(Code.BAD_QUESTION, str(error))
            masks.append(refusal)
            measured.append(without_numbers(region, refusal))
    if all(isinstance(mask, StatusError) for mask in masks):
        raise masks[0]
    return measured, gap_messages(asked, masks, frame_depth, back) if gaps else []


def region_mask(region: Region, frame_depth) -> np.ndarray:
    """Return a region as a mask, bool (H, W), of the rectified depth map.

    Raises ValueError for what is no region.
    """
    rectifier, camera = frame_depth.rectifier, frame_depth.frame.camera
    shape, pixel = (camera.height, camera.width), (region.pixel.u, region.pixel.v)
    corner = (region.corner.u, region.corner.v)
    if region.kind in (Region.POINT, Region.BOX) and not np.isfinite((*pixel, *corner)).all():
        raise ValueError(f"pixel = {pixel}, corner = {corner}: must be finite numbers of pixels")
    if region.kind == Region.POINT:
        if not 0 <= region.radius <= MOST_RADIUS_PX:
            raise ValueError(
                f"radius = {region.radius:g} px: must be from 0 to {MOST_RADIUS_PX:g}"
            )
        return regions.point_mask(rectifier.source_to_rectified(pixel), region.radius, shape)
    if region.kind == Region.BOX:
        return _box_mask(np.sort([pixel, corner], axis=0), rectifier, shape)
    if region.kind not in (Region.RLE, Region.MASK):
        raise ValueError(f"kind = {region.kind}: must be POINT 0, BOX 1, RLE 2 or MASK 3")
    source = _source_mask(region, shape)
    if rectifier.is_identity:
        return source
    shown = rectifier.rectify(np.repeat(np.uint8(255) * source[..., None], 3, axis=2))
    return shown[..., 0] > 127


def _box_mask(corners: np.ndarray, rectifier, shape: tuple) -> np.ndarray:
    """Return the mask of a box, corners (2, 2) in the subscribed image, lowest first.

    What lies outside the image is cut off before it is rectified: a lens has no rays there.
    """
    ends = np.array(shape[::-1]) - 0.5
    if (corners[0] > ends).any() or (corners[1] < -0.5).any():
        return np.zeros(shape, bool)
    bounds = regions.rectified_bounds(rectifier, np.clip(corners, -0.5, ends).ravel().tolist())
    return np.zeros(shape, bool) if bounds is None else regions.box_mask(bounds, shape)


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


def region_message(region: Region, mask, depth_map, back) -> RegionDepthMsg:
    """Return what is measured of a mask as a message."""
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
        point=point_msg(back(found.point_m)),
        size=Vector3(**dict(zip("xyz", map(float, found.size_m), strict=True))),
        pixels=found.pixels,
        valid_fraction=found.valid_fraction,
        foreground_fraction=found.foreground_fraction,
    )
    message.box.position = point_msg(back(found.centre_m))
    message.box.orientation.w = 1.0
    return message


def gap_messages(asked: list, masks: list, frame_depth, back) -> list[GapMsg]:
    """Return the gap from the first region to each other; of two points along their line."""
    messages = []
    for k in range(1, len(asked)):
        gap = _gap(asked, masks, k, frame_depth)
        messages.append(
            GapMsg(
                status=conversions.status_msg(gap.code, gap.text),
                first=0,
                second=k,
                distance=gap.distance_m,
                low=gap.low_m,
                high=gap.high_m,
                a=point_msg(back(gap.a_m)),
                b=point_msg(back(gap.b_m)),
            )
        )
    return messages


def _gap(asked: list, masks: list, k: int, frame_depth) -> regions.Gap:
    """Return the gap between the first region and region ``k``."""
    pair, depth_map = (asked[0], asked[k]), frame_depth.depth_map
    for mask in (masks[0], masks[k]):
        if isinstance(mask, StatusError):
            return regions.Gap(mask.code, mask.text)
    if all(region.kind == Region.POINT for region in pair):
        ends = frame_depth.rectifier.source_to_rectified([(r.pixel.u, r.pixel.v) for r in pair])
        return regions.gap_between_points(depth_map, *ends)
    split = all(region.kind in (Region.POINT, Region.BOX) for region in pair)
    return regions.gap_between_masks(depth_map, masks[0], masks[k], split)


def without_numbers(region: Region, status: StatusError) -> RegionDepthMsg:
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
