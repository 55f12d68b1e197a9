"""Asks a WidowX's motors how they are, through the vendor's driver; writes nothing to them."""

import time

import numpy as np

from tmrl_arm.interbotix.config import JOINTS, InterbotixConfig
from tmrl_arm.interbotix.motors import Motors
from tmrl_arm.interbotix.node import InterbotixNode
from tmrl_common.clock import SteadyClock
from tmrl_doctor.arm import ArmSeen

_LISTEN_S = 1.5
_POLL_S = 0.002
_EXPECTED_HZ = 100.0


def look_at_motors(config: InterbotixConfig) -> ArmSeen:
    """Joint states for a second or two, then the error registers and the torque of all nine motors.

    Raises:
        ArmConnectionError: The vendor's driver does not answer, or has another arm.
    """
    bus = InterbotixNode(config.vendor_name, SteadyClock())
    try:
        bus.open(config.connect_timeout_s)
        motors = Motors(bus, config)
        motors.check_model()
        fault = motors.complaint()
        versions = ", ".join(map(str, motors.firmware()))
        arrivals = _arrivals(bus)
        newest = bus.newest()
    finally:
        bus.close()
    return ArmSeen(
        through=f"the vendor's driver /{config.vendor_name}",
        model="WidowX 250 6DOF" + (" (the vendor's simulated driver)" if motors.simulated else ""),
        firmware=f"motors: version {versions}" if versions else "",
        rate_hz=arrivals / _LISTEN_S,
        expected_hz=_EXPECTED_HZ,
        fault=fault,
        joint_names=JOINTS,
        joint_rad=newest.position_rad if newest else np.full(len(JOINTS), np.nan),
        joint_low_rad=config.joint_low_rad,
        joint_high_rad=config.joint_high_rad,
    )


def _arrivals(bus: InterbotixNode) -> int:
    """How many messages of joint states come in `_LISTEN_S`."""
    seen: set[float] = set()
    ends_s = time.monotonic() + _LISTEN_S
    while time.monotonic() < ends_s:
        if (sample := bus.newest()) is not None:
            seen.add(sample.received_s)
        time.sleep(_POLL_S)
    return len(seen)
