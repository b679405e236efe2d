"""The services of a managed node, with queues that hold a burst of calls.

rcl makes these services with queues of ten: of 100 transitions asked for at once, 88 got no reply
at all. Here they are services as any other; state machine and ``~/transition_event`` stay rcl's.
Names and types are those of the managed node design (design.ros2.org/articles/node_lifecycle).
"""

from collections.abc import Callable

from lifecycle_msgs.msg import State, Transition, TransitionDescription
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rclpy.callback_groups import ReentrantCallbackGroup

from depthlm_ros.nodes.common.service_qos import SERVICE_QOS


class LifecycleServices:
    """Offers the five services of a ``LifecycleNode`` that was made without them.

    ``machine``: gives rclpy's state machine, which must not outlive the node. ``change_state``:
    the coroutine that serves transitions, ``(request, response) -> response``; several may be
    under way, and it must not raise.
    """

    def __init__(self, node, machine: Callable, change_state: Callable):
        self._machine = machine
        group = ReentrantCallbackGroup()
        for kind, name, callback in (
            (ChangeState, "change_state", change_state),
            (GetState, "get_state", self._get_state),
            (GetAvailableStates, "get_available_states", self._get_available_states),
            (GetAvailableTransitions, "get_available_transitions", self._get_transitions),
            (GetAvailableTransitions, "get_transition_graph", self._get_graph),
        ):
            node.create_service(
                kind, f"~/{name}", callback, qos_profile=SERVICE_QOS, callback_group=group
            )

    def _get_state(self, _, response):
        response.current_state = _state(*self._machine().current_state)
        return response

    def _get_available_states(self, _, response):
        response.available_states = [_state(*one) for one in self._machine().available_states]
        return response

    def _get_transitions(self, _, response):
        response.available_transitions = _described(self._machine().available_transitions)
        return response

    def _get_graph(self, _, response):
        response.available_transitions = _described(self._machine().transition_graph)
        return response


def _state(number: int, label: str) -> State:
    return State(id=number, label=label)


def _described(transitions) -> list[TransitionDescription]:
    """Return messages of rclpy's (id, label, start id, start label, goal id, goal label)."""
    return [
        TransitionDescription(
            transition=Transition(id=number, label=label),
            start_state=_state(start_id, start),
            goal_state=_state(goal_id, goal),
        )
        for number, label, start_id, start, goal_id, goal in transitions
    ]
