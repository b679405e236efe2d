"""What the node does with the geometry of a frame, wired together."""

from depthlm_ros.nodes.depth.clearance import ClearanceServices
from depthlm_ros.nodes.depth.detections import offer_detections
from depthlm_ros.nodes.depth.obstacle_streams import ObstacleStreams
from depthlm_ros.nodes.depth.regions import RegionServices
from depthlm_ros.nodes.depth.scale_calibration import ScaleCalibration
from depthlm_ros.nodes.depth.surroundings import Surroundings


class GeometryParts:
    """Clearance, obstacles, scan, regions and scale, on one ground and one labelled depth map."""

    def __init__(self, node, scheduler, depth_publishers, guard):
        self.surroundings = Surroundings(node)
        parts = (node, scheduler, depth_publishers, guard, self.surroundings)
        self._scale = ScaleCalibration(*parts)
        self._streams = (
            self._scale,
            ObstacleStreams(*parts),
            ClearanceServices(*parts),
        )
        regions = RegionServices(node, scheduler, depth_publishers, guard)
        self._detections = offer_detections(node, scheduler, regions, guard)
        depth_publishers.add_stream(self)

    def wanted(self) -> bool:
        """Tell whether anybody listens to what is made here."""
        return any(stream.wanted() for stream in self._streams)

    def publish(self, frame_depth) -> None:
        """Publish what is wanted of a result; on the worker."""
        for stream in self._streams:
            stream.publish(frame_depth)

    def forget(self) -> None:
        """Forget what depends on time, as after a jump of the clock."""
        self.surroundings.forget()

    def recall_scale(self) -> None:
        """Apply the scale that was kept for this node and its model."""
        self._scale.recall()
