#!/usr/bin/env python3
"""Stop a robot when the way ahead is not KNOWN to be clear: a filter between planner and wheels.

    python3 examples/05_stop_when_not_clear.py --ros-args -r cmd_vel_in:=cmd_vel_nav

Lets velocities through while ~/clearance of depthlm says clear and is fresh. Everything else, no
message included, stops what goes forward; turning on the spot and driving back stay allowed, for
the camera does not look there. The corridor is depthlm's own: parameters clearance_width_m,
clearance_length_m, ...
"""

import rclpy
from geometry_msgs.msg import Twist
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from depthlm_msgs.msg import Clearance

MAX_AGE_S = 0.7
"""An answer about an image older than this is none."""
CHECK_EVERY_S = 0.05


class StopWhenNotClear(Node):
    """Passes ``cmd_vel_in`` on to ``cmd_vel``; forward only while the way is clear."""

    def __init__(self) -> None:
        super().__init__("stop_when_not_clear")
        self._clear_until_ns, self._why = 0, "no message on clearance yet"
        self._forward, self._said = False, None
        self._out = self.create_publisher(Twist, "cmd_vel", 1)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(Clearance, "/depthlm/clearance", self._on_clearance, newest)
        self.create_subscription(Twist, "cmd_vel_in", self._on_command, 1)
        # On the steady clock: a simulation that stands still must not keep the robot going.
        self.create_timer(
            CHECK_EVERY_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _on_clearance(self, message: Clearance) -> None:
        stamp = message.header.stamp
        taken_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self._why = message.text or message.status.text
        self._clear_until_ns = taken_ns + int(MAX_AGE_S * 1e9) if message.clear else 0

    def _is_clear(self) -> bool:
        return self.get_clock().now().nanoseconds < self._clear_until_ns

    def _on_command(self, command: Twist) -> None:
        if command.linear.x > 0 and not self._is_clear():
            command = Twist()
        self._forward = command.linear.x > 0
        self._out.publish(command)

    def _watch(self) -> None:
        """Stop also when no command comes: the last one may still be under way."""
        clear = self._is_clear()
        if self._forward and not clear:
            self._forward = False
            self._out.publish(Twist())
        if clear != self._said:
            self._said = clear
            self.get_logger().info("clear" if clear else f"stop: {self._why}")


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    node = StopWhenNotClear()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        node.get_logger().info("stopped by Ctrl-C")
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
