"""The ROS shell of every arm: converts, hands to the driver's thread, publishes what was read."""

# Generated messages are typed in part only.

import sys
from collections.abc import Callable

from rclpy.duration import Duration
from std_srvs.srv import Trigger

from tmrl_arm.core import ArmCore
from tmrl_arm.driver import ArmDriver
from tmrl_arm.drivers import make_driver
from tmrl_arm.host import Answer, ArmHost
from tmrl_arm.messages import arm_state
from tmrl_arm.params import ArmConfig
from tmrl_arm.reports import Report
from tmrl_common.arm_drivers import driver_names, find_driver
from tmrl_common.clock import SteadyClock
from tmrl_common.errors import TmrlError
from tmrl_description.urdf import read_urdf
from tmrl_msgs.msg import ArmCommand, ArmState
from tmrl_ros import qos
from tmrl_ros.arm_topics import ArmTopics
from tmrl_ros.chunk_messages import arm_command, fill_arm_state
from tmrl_ros.deferred_service import serve_deferred
from tmrl_ros.node import TmrlNode
from tmrl_ros.parameters import ParameterError, declare
from tmrl_ros.run import run_node


class ArmNode(TmrlNode[ArmConfig]):
    """Hosts one driver; the same topics and services as the simulated arm."""

    def __init__(self) -> None:
        """Declares parameters, topics and services, and sets the driver's thread going.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
            DriverError: The driver is unknown, offered twice, or its software is not installed.
        """
        super().__init__("arm", ArmConfig, groups=driver_names())
        self._host: ArmHost | None = None
        self._steady = SteadyClock()
        try:
            urdf = read_urdf(self.config.urdf)
            self._driver = self._make_driver()
        except TmrlError:
            self.destroy_node()
            raise
        can = self._driver.capabilities
        self._message = ArmState(robot=self.config.robot, joint_names=list(can.joint_names))
        self._message.header.frame_id = self.config.base_frame
        self._topics = ArmTopics(self, urdf)
        core = ArmCore(self.config, self._driver, self._steady)
        rate_hz = min(self.config.state_rate_hz, can.state_rate_hz)
        self._host = host = ArmHost(core, self._steady, rate_hz, self._publish)
        self.create_subscription(
            ArmCommand, "arm/command", lambda message: host.command(arm_command(message)), qos.STATE
        )
        self._serve("arm/home", host.home)
        self._serve("arm/recover", host.recover)
        host.start()

    def destroy_node(self) -> None:
        """Stops the arm and its thread, then destroys the node."""
        if self._host is not None:
            self._host.stop()
        super().destroy_node()

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong with the arm or its connection, and what the driver did."""
        if self._host is None:
            return "", {}
        health, stuck_s = self._host.health(), self._host.stuck_for_s()
        problem = health.problem
        if health.connected and stuck_s:
            problem = (
                f"the driver has been inside a call of the vendor's software for {stuck_s:.1f} s; "
                "if it stays so, stop the arm by hand and restart this node"
            )
        figures = {
            "model": self._driver.capabilities.model,
            "driver": self.config.driver,
            "connected": str(health.connected).lower(),
            "failed_attempts": str(health.failed_attempts),
            "connections_lost": str(health.losses),
            "faults_cleared_alone": str(health.recoveries),
            "states": str(health.states),
            "commands": str(health.commands),
            "commands_refused": str(health.refusals),
        }
        return problem, figures

    def _make_driver(self) -> ArmDriver:
        description = find_driver(self.config.driver)
        name = description.name
        for group in driver_names():
            if group != name and self.get_parameters_by_prefix(group):
                raise ParameterError(
                    f"there are parameters for the driver {group!r}, but driver is {name!r}: "
                    "take them out of the rig's file, or choose the other driver"
                )
        wanted = description.settings
        settings = declare(self, wanted, group=name) if wanted is not None else None
        return make_driver(description, settings, self._steady)

    def _serve(self, name: str, ask: Callable[[Answer], None]) -> None:
        """Serves a request that takes its time; commands pass meanwhile."""
        serve_deferred(self, Trigger, name, lambda _, answer: ask(answer), prefix=f"{name}: ")

    def _publish(self, report: Report) -> None:
        """Publishes a reading, stamped with when it was measured; called on the driver's thread."""
        age_s = self._steady.now_s() - report.reading.measured_s
        stamp = self.get_clock().now() - Duration(seconds=max(age_s, 0.0))
        names = self._driver.capabilities.joint_names
        robot, frame_id = self.config.robot, self.config.base_frame
        state = arm_state(report, robot, names, stamp.nanoseconds, frame_id)
        fill_arm_state(self._message, state)
        self._topics.publish(self._message)


def main() -> None:
    """Runs the node until it is asked to stop."""
    sys.exit(run_node(ArmNode))
