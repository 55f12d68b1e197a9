"""Clients and publishers towards the vendor's driver: the one place that imports the vendor.

Where the vendor's Python package `interbotix_xs_modules` is installed, its core class makes them,
so that names and types are the vendor's own; the message package `interbotix_xs_msgs` alone
suffices. The vendor's helper methods are not used: they wait for ever once its driver has died, and
sleep in steps of 50 ms while the arm moves.
"""

# The vendor's packages have no types, and are not installed everywhere.
# pyright: basic, reportMissingImports=false

import importlib.util
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tmrl_arm.driver import ArmConnectionError

_MODEL = "wx250s"
_DEPTH = 10


@dataclass(frozen=True)
class Endpoints:
    """Clients and publishers, named as in the vendor's `InterbotixRobotXSCore`.

    Attributes:
        srv_get_info: Client of RobotInfo.
        srv_get_reg: Client of RegisterValues, reading.
        srv_set_reg: Client of RegisterValues, writing.
        srv_set_op_modes: Client of OperatingModes.
        srv_torque: Client of TorqueEnable.
        srv_reboot: Client of Reboot.
        pub_group: Publisher of JointGroupCommand.
        pub_single: Publisher of JointSingleCommand.
    """

    srv_get_info: Any
    srv_get_reg: Any
    srv_set_reg: Any
    srv_set_op_modes: Any
    srv_torque: Any
    srv_reboot: Any
    pub_group: Any
    pub_single: Any

    @property
    def clients(self) -> tuple[Any, ...]:
        """All clients."""
        return (
            self.srv_get_info,
            self.srv_get_reg,
            self.srv_set_reg,
            self.srv_set_op_modes,
            self.srv_torque,
            self.srv_reboot,
        )


def import_messages() -> tuple[ModuleType, ModuleType]:
    """The vendor's modules of messages and of services.

    Raises:
        ArmConnectionError: They are not installed, or their workspace is not sourced.
    """
    try:
        from interbotix_xs_msgs import msg, srv
    except ImportError as error:
        raise ArmConnectionError(
            f"interbotix_xs_msgs cannot be imported ({error}); install the vendor's software and "
            "source its workspace before starting (docs/guides/widowx.md)"
        ) from error
    return msg, srv


def connect_endpoints(node: Any, vendor_name: str) -> Endpoints:
    """Makes clients and publishers on a node that nobody spins yet.

    Args:
        node: A ROS node.
        vendor_name: Namespace of the vendor's driver. It must be alive: the vendor's class waits
            for its services and joint states without an end.
    """
    if importlib.util.find_spec("interbotix_xs_modules") is not None:
        from interbotix_xs_modules.xs_robot.core import InterbotixRobotXSCore

        core = InterbotixRobotXSCore(robot_model=_MODEL, robot_name=vendor_name, node=node)
        names = Endpoints.__dataclass_fields__
        return Endpoints(**{name: getattr(core, name) for name in names})
    msg, srv = import_messages()

    def client(service: Any, name: str) -> Any:
        return node.create_client(service, f"/{vendor_name}/{name}")

    def publisher(message: Any, name: str) -> Any:
        return node.create_publisher(message, f"/{vendor_name}/commands/{name}", _DEPTH)

    return Endpoints(
        srv_get_info=client(srv.RobotInfo, "get_robot_info"),
        srv_get_reg=client(srv.RegisterValues, "get_motor_registers"),
        srv_set_reg=client(srv.RegisterValues, "set_motor_registers"),
        srv_set_op_modes=client(srv.OperatingModes, "set_operating_modes"),
        srv_torque=client(srv.TorqueEnable, "torque_enable"),
        srv_reboot=client(srv.Reboot, "reboot_motors"),
        pub_group=publisher(msg.JointGroupCommand, "joint_group"),
        pub_single=publisher(msg.JointSingleCommand, "joint_single"),
    )
