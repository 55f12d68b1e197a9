"""Enters the ROS 2 network, and keeps to this machine unless the shell says otherwise.

ROS's own `ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST` limits only whom a participant of Fast DDS looks
for: its sockets still listen on every interface, and whoever names this machine as a static peer
discovers the nodes and can publish to them. A transport that is confined to loopback and shared
memory has no socket to reach.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
_RMW = "RMW_IMPLEMENTATION"
_PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
_ELSEWHERE = (
    "ROS_DISCOVERY_SERVER",
    "ROS_STATIC_PEERS",
    _PROFILES,
    # Deprecated, and still read by Fast DDS.
    "FASTRTPS_DEFAULT_PROFILES_FILE",
)
"""Variables with which a lab arranges its network by itself."""
_LOOPBACK_PROFILE = Path(__file__).with_name("loopback.xml")


def confine(environment: MutableMapping[str, str]) -> bool:
    """Confine this process's DDS transport to the machine, where nobody asked for more.

    Other middlewares than Fast DDS are left to ROS's own LOCALHOST range. Processes on this machine
    that are not confined, such as `ros2 topic echo` in another shell, still find those that are.

    Args:
        environment: Variables of this process; changed in place, and inherited by its children.

    Returns:
        Whether the transport is confined to loopback and shared memory.
    """
    if environment.get(_PROFILES) == str(_LOOPBACK_PROFILE):
        return True
    if any(environment.get(name) for name in _ELSEWHERE):
        return False
    if environment.setdefault(RANGE, "LOCALHOST").upper() != "LOCALHOST":
        return False
    if not environment.get(_RMW, "rmw_fastrtps_cpp").startswith("rmw_fastrtps"):
        return False
    environment[_PROFILES] = str(_LOOPBACK_PROFILE)
    # LOCALHOST would add a transport without an interface list beside the profile's.
    environment[RANGE] = "SYSTEM_DEFAULT"
    return True


def enter_ros(
    args: list[str] | None = None,
    context: Context | None = None,
    domain_id: int | None = None,
    signal_handler_options: SignalHandlerOptions | None = None,
) -> None:
    """Calls `rclpy.init`; the one place of this stack that does.

    Args:
        args: Command line; None takes the process's own.
        context: The context to initialise; None for the default one.
        domain_id: ROS domain; None for the environment's.
        signal_handler_options: Which signals rclpy handles; None for its default.
    """
    confine(os.environ)
    rclpy.init(
        args=args,
        context=context,
        domain_id=domain_id,
        signal_handler_options=signal_handler_options,
    )
