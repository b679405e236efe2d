"""A bond with a lifecycle manager (Nav2), which then sees within seconds that the node has died.

bondpy is optional: without it, tell the manager ``bond_timeout: 0.0``.
"""

TOPIC = "bond"
PERIOD_S, TIMEOUT_S = 0.1, 4.0
"""As Nav2's own nodes have them."""


class LifecycleBond:
    """Held while the node is active, where bondpy is installed and the parameter allows it."""

    def __init__(self, node, guard):
        self._node, self._guard, self._bond = node, guard, None

    def form(self) -> None:
        """Begin to send heartbeats; whoever listens forms the bond."""
        try:
            from bondpy.bondpy import Bond
        except ImportError:
            self._node.get_logger().debug("bondpy is not installed: no bond with a manager")
            return
        self._bond = Bond(self._node, TOPIC, self._node.get_name())
        self._bond.set_heartbeat_period(PERIOD_S)
        self._bond.set_heartbeat_timeout(TIMEOUT_S)
        self._bond.start()

    def end(self) -> None:
        """Say that the node leaves in order."""
        bond, self._bond = self._bond, None
        if bond is not None:
            self._guard.wrap("ending the bond", bond.shutdown)()
