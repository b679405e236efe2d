"""The quality of service of every service that a node of this package offers."""

from rclpy.qos import QoSProfile

SERVICE_QOS = QoSProfile(depth=1000)
"""Reliable, with a queue that holds a burst: of 200 calls at once the usual 10 lose 190."""
