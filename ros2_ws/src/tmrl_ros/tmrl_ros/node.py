"""Base of every node: parameters from a configuration class, and a heartbeat on /diagnostics."""

from typing import Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from tmrl_ros.parameters import ParameterError, declare

C = TypeVar("C")


class TmrlNode(Node, Generic[C]):
    """A node with a validated configuration that tells once per second that it is alive.

    Attributes:
        config: The validated configuration.
    """

    def __init__(self, name: str, config_class: type[C], groups: tuple[str, ...] = ()) -> None:
        """Declares the parameters and starts the heartbeat.

        Args:
            name: Name of the node.
            config_class: Frozen dataclass of its parameters (see tmrl_ros.parameters).
            groups: Groups of further parameters (`group.name`), which the subclass declares.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
        """
        super().__init__(name, automatically_declare_parameters_from_overrides=True)
        try:
            self.config: C = declare(self, config_class, elsewhere=groups)
        except ParameterError:
            # A subclass's destroy_node counts on what its own __init__ would have made.
            Node.destroy_node(self)
            raise
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Liveness is a matter of wall time: in lock-step the simulated clock may stand still.
        self.wall_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._heartbeat = self.create_timer(1.0, self._publish_health, clock=self.wall_clock)

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong (empty while healthy) and figures worth showing; nodes override it."""
        return "", {}

    @property
    def hardware_id(self) -> str:
        """What the diagnostics are about, robot and part: `widowx/arm`."""
        return self.get_fully_qualified_name().removeprefix("/")

    def _publish_health(self) -> None:
        reason, figures = self.health()
        status = DiagnosticStatus(
            level=DiagnosticStatus.ERROR if reason else DiagnosticStatus.OK,
            name=self.get_fully_qualified_name(),
            message=reason or "ok",
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in figures.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)
