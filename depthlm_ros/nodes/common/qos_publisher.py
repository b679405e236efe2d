"""Publishers that can be overridden by parameters and that name a subscriber who gets nothing."""

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import QoSPolicyKind, QoSProfile, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


def create_publisher(node, guard, kind, topic: str, depth: int = 5):
    """Return a reliable publisher, with qos_overrides, that warns of an incompatible subscriber.

    Reliable fits both kinds of subscribers: a best-effort one (the sensor-data profile) gets it
    without acknowledgements; a best-effort offer would leave RViz and recorders that ask for
    reliable without an image.
    """

    def warn(event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        name = node.resolve_topic_name(topic)
        node.get_logger().warning(
            f"a subscriber of {name} asks for a QoS {policy} that is not offered and "
            "gets nothing. Relax it there (reliable and volatile are offered), or set the "
            f"parameter qos_overrides.{name}.publisher.{policy.lower()}"
        )

    return node.create_publisher(
        kind,
        topic,
        QoSProfile(depth=depth),
        event_callbacks=PublisherEventCallbacks(incompatible_qos=guard.wrap("a QoS event", warn)),
        qos_overriding_options=QoSOverridingOptions(policy_kinds=OVERRIDABLE),
    )
