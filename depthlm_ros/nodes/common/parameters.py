"""Parameters declared once, with type, default, range, description and rule; depth_node's table.

A parameter callback that raises would end spin, so nothing here raises at run time: nonsense is
refused with the rule in the reason. At start-up nonsense raises ParameterError with the same text.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import SimpleNamespace

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter as RosParameter

LIVE = "live"
INACTIVE = "inactive"
UNCONFIGURED = "unconfigured"
MOST_TEXTS = 64
READ_ONLY = "read_only"
_WHEN = {
    INACTIVE: "deactivate the node first (`ros2 lifecycle set {node} deactivate`)",
    UNCONFIGURED: "clean the node up first (`ros2 lifecycle set {node} cleanup`)",
}
_BOTH = (
    "deactivate the node, then clean it up (`ros2 lifecycle set {node} deactivate`, then `ros2 "
    "lifecycle set {node} cleanup`)"
)
_OTHERS = ("qos_overrides.", "use_sim_time", "start_type_description_service")


class ParameterError(ValueError):
    """A start-up value breaks its rule; the text names value and rule."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: ``when`` says in which state it may change, ``choices`` what it may be.

    A default of [] is a list of texts. ROS 2 gives an empty list no type, and launch files cannot
    write one: [], [''] and nothing at all are the empty list here. Not READ_ONLY.
    """

    name: str
    default: object
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple = ()
    when: str = LIVE
    max_length: int = 4096

    def descriptor(self, node: str) -> ParameterDescriptor:
        """Return what ``ros2 param describe`` shows; ``node``: its name, with the namespace."""
        text = self.description
        if self.choices:
            text += f" One of: {', '.join(self.choices)}."
        if self.when in _WHEN:
            text += f" To change it, {_WHEN[self.when].format(node=node)}."
        descriptor = ParameterDescriptor(
            description=text,
            read_only=self.when == READ_ONLY,
            dynamic_typing=self.is_word_or_bool or self.is_list,
        )
        if self.low is not None and isinstance(self.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
            ]
        elif self.low is not None:
            descriptor.integer_range = [
                IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
            ]
        return descriptor

    @property
    def is_word_or_bool(self) -> bool:
        """True where 'true' is a choice: YAML and command lines turn that word into a bool."""
        return "true" in self.choices

    @property
    def is_list(self) -> bool:
        """True where the value is a list of texts."""
        return isinstance(self.default, list)

    def read(self, value):
        """Return a value as its own type: a bool becomes its word where words are wanted.

        A whole number becomes a float where one is wanted: people write max_age:=2.
        """
        if self.is_list and (value is None or isinstance(value, Iterable)):
            return value if isinstance(value, str) else [part for part in value or () if part]
        if self.is_word_or_bool and isinstance(value, bool):
            return str(value).lower()
        return float(value) if isinstance(self.default, float) and type(value) is int else value

    def validation_error(self, value) -> str:
        """Return the rule that a value breaks, or ""."""
        if self.is_list:
            return self._validation_error_of_list(value)
        if type(value) is not type(self.default):
            kind = type(self.default).__name__
            return f"{self.name} = {value!r}: must be a {kind}, as in {self.default!r}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"{self.name} = {value}: must be finite"
        if self.low is not None and not self.low <= value <= self.high:
            return f"{self.name} = {value}: must be from {self.low} to {self.high}"
        if self.choices and value not in self.choices:
            return f"{self.name} = {value[:80]!r}: must be one of {', '.join(self.choices)}"
        if isinstance(value, str) and (len(value) > self.max_length or not value.isprintable()):
            return f"{self.name}: must be printable, at most {self.max_length} characters"
        return ""

    def _validation_error_of_list(self, value) -> str:
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            return f"{self.name} = {str(value)[:80]!r}: must be a list of texts, as in ['a', 'b']"
        if len(value) > MOST_TEXTS:
            return f"{self.name}: must be at most {MOST_TEXTS} texts, not {len(value)}"
        if any(len(text) > self.max_length or not text.isprintable() for text in value):
            return f"{self.name}: must be printable, at most {self.max_length} characters each"
        return ""


class Parameters:
    """The declared parameters of a node: ``values`` is the current set, replaced as a whole.

    ``state``: returns the lifecycle state's label, which decides what may change. ``table`` and
    ``rule_between``: what is declared, and the rule that a set of values breaks together.
    """

    def __init__(self, node, state, table, rule_between):
        """Declare all; raise ParameterError when a start-up value breaks its rule."""
        self._state, self._rule_between = state, rule_between
        self._node_name = node.get_fully_qualified_name()
        self._by_name = {parameter.name: parameter for parameter in table}
        values = {}
        for parameter in table:
            values[parameter.name] = self._declare(node, parameter)
            if rule := parameter.validation_error(values[parameter.name]):
                raise ParameterError(f"parameter {rule}")
        if rule := rule_between(values):
            raise ParameterError(f"parameters {rule}")
        self.values = SimpleNamespace(**values)
        for name in unknown(node._parameter_overrides, values):
            near = get_close_matches(name, values, n=1)
            hint = f"; is {near[0]} meant?" if near else ""
            node.get_logger().warning(f"parameter {name} is not one of this node{hint}")
        node.add_pre_set_parameters_callback(self._before_set)
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, node, parameter: Parameter):
        """Declare one parameter and return its value, of its own type where that is possible."""
        name, descriptor = parameter.name, parameter.descriptor(self._node_name)
        is_read = parameter.is_list or isinstance(parameter.default, float)
        try:
            value = self._start_value(node, parameter) if is_read else parameter.default
            if value == []:
                return self._declare_empty(node, parameter)
            declared = node.declare_parameter(name, value, descriptor, ignore_override=is_read)
        except ParameterException as error:
            raise ParameterError(f"parameter {name}: {error}") from error
        return parameter.read(declared.value)

    def _declare_empty(self, node, parameter: Parameter) -> list:
        """Declare a list of texts that is empty: rclpy would take [] for bytes."""
        descriptor = parameter.descriptor(self._node_name)
        node.declare_parameter(parameter.name, None, descriptor, ignore_override=True)
        node.set_parameters([_texts(parameter.name, [])])
        return []

    @staticmethod
    def _start_value(node, parameter: Parameter):
        """Return what a float or a list is started with.

        rclpy itself refuses a whole number for the one, and knows no empty other.
        """
        anything = ParameterDescriptor(dynamic_typing=True)
        default = None if parameter.is_list else parameter.default
        given = node.declare_parameter(parameter.name, default, anything).value
        node.undeclare_parameter(parameter.name)
        return parameter.read(given)

    def _before_set(self, parameters: list) -> list:
        """Return the changes, a whole number as a float and any empty list as one of texts."""
        return [self._typed(parameter) for parameter in parameters]

    def _typed(self, parameter: RosParameter) -> RosParameter:
        ours = self._by_name.get(parameter.name)
        if ours is not None and ours.is_list:
            value = ours.read(parameter.value)
            return parameter if ours.validation_error(value) else _texts(parameter.name, value)
        if ours is None or parameter.type_ != RosParameter.Type.INTEGER:
            return parameter
        return RosParameter(parameter.name, value=ours.read(parameter.value))

    def _on_set(self, parameters) -> SetParametersResult:
        """Check a change as a whole and take it over; never raises."""
        try:
            ours = [p for p in parameters if p.name in self._by_name]
            changed = {p.name: self._by_name[p.name].read(p.value) for p in ours}
            rule = self._refusal(changed)
        except Exception as error:  # an exception here would end spin
            rule = f"the change could not be checked: {error}"
        if rule:
            return SetParametersResult(successful=False, reason=rule)
        self.values = SimpleNamespace(**{**vars(self.values), **changed})
        return SetParametersResult(successful=True)

    def _refusal(self, changed: dict) -> str:
        for name, value in changed.items():
            parameter = self._by_name[name]
            if rule := parameter.validation_error(value):
                return rule
            if value != getattr(self.values, name) and not self._may_change(parameter.when):
                return f"{name} cannot change now: {self._remedy(parameter.when)}"
        return self._rule_between({**vars(self.values), **changed})

    def _remedy(self, when: str) -> str:
        """Say what to do first, from the state as it is now."""
        both = when == UNCONFIGURED and self._state() == "active"
        return (_BOTH if both else _WHEN[when]).format(node=self._node_name)

    def _may_change(self, when: str) -> bool:
        allowed = {UNCONFIGURED: ("unconfigured",), INACTIVE: ("unconfigured", "inactive")}
        return when not in allowed or self._state() in allowed[when]


def unknown(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names that are given at the start and mean nothing to a node, in order."""
    return sorted(n for n in set(given) - set(known) if not n.startswith(_OTHERS))


def _texts(name: str, value: list) -> RosParameter:
    return RosParameter(name, RosParameter.Type.STRING_ARRAY, value)
