"""The service ~/measure_regions: points, boxes and masks of a picture made metric."""

import time

from depthlm_msgs.srv import MeasureRegions
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.depth import responses
from depthlm_ros.nodes.depth.applied_scale import named_source
from depthlm_ros.nodes.depth.region_markers import region_markers
from depthlm_ros.nodes.depth.region_messages import measure_all, without_numbers
from depthlm_ros.nodes.depth.requests import RequestHandler
from depthlm_ros.status import Code, StatusError

MOST_REGIONS = 256


class RegionServices(RequestHandler):
    """Measures regions of the newest picture, or of one of late by its stamp."""

    def __init__(self, node, scheduler, depth_publishers, guard):
        super().__init__(node, scheduler, guard)
        self._depth_publishers = depth_publishers
        self._serve(MeasureRegions, "~/measure_regions", self._on_measure)

    async def _on_measure(self, request, response):
        begin, frame_depth = time.monotonic(), None
        try:
            if not 1 <= len(request.regions) <= MOST_REGIONS:
                raise StatusError(
                    Code.BAD_QUESTION,
                    f"{len(request.regions)} regions: must be 1 to {MOST_REGIONS}",
                )
            until = self._until(begin, request.deadline)
            stamp = conversions.requested_stamp_ns(request.stamp)
            frame_depth = await self._scheduler.fresh_depth(until, stamp)
            back = await self._transform(request.frame_id, "", frame_depth, until)
            response.regions, response.gaps = await self.measure(
                request.regions, request.gaps, frame_depth, back, until
            )
            response.source = named_source("dense", frame_depth.scale)
            status = StatusError(Code.OK, "")
            age_s = self._scheduler.check_fresh(frame_depth)
        except Exception as error:  # every request gets a reply
            status = self._status_of("~/measure_regions", error)
            response.regions = [without_numbers(r, status) for r in request.regions[:MOST_REGIONS]]
            response.gaps, response.source = [], ""
            age_s = self._age_s(frame_depth)
        response.status = conversions.status_msg(status.code, status.text)
        response.header = responses.header_in(frame_depth, request.frame_id)
        self.show(response.regions, response.gaps, response.header)
        self._stamp(response, age_s, begin, status.code)
        return response

    async def measure(self, regions, gaps: bool, frame_depth, back, until: float) -> tuple:
        """Return ``measure_all`` of regions, made on the worker: the executor has others to serve.

        Raises StatusError.
        """
        return await self._scheduler.compute(
            lambda: measure_all(regions, gaps, frame_depth, back), until
        )

    def show(self, regions, gaps, header) -> None:
        """Put measured regions and gaps among the markers."""
        if self._depth_publishers.has_subscriber("markers"):
            self._depth_publishers.publish_message(
                "markers", region_markers(regions, gaps, header)
            )
