"""Listens to the arm: through the rig where it runs, through its own driver where it does not.

Nothing here commands the arm. A driver's `connect` and `read` never move it (tmrl_arm.driver); of
hardware not even that much is asked: connecting writes to a WidowX's motors, and takes hold of a
Franka's control.
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tmrl_arm.driver import ArmDriver, ArmReading
from tmrl_arm.drivers import make_driver
from tmrl_common.arm_drivers import find_driver
from tmrl_common.clock import SteadyClock
from tmrl_common.errors import TmrlError
from tmrl_doctor.arm import ArmSeen
from tmrl_doctor.silence import likely_cause
from tmrl_doctor.topic_listener import TopicListener
from tmrl_msgs.msg import ArmState
from tmrl_ros import qos

_LISTEN_S = 1.5
_FIND_S = 2.0
_MANY = 10_000
_RUNNING_RATE_HZ = 50.0


class ArmNotAskedError(TmrlError):
    """Real hardware of which only its driver knows how to ask: it is left alone."""


def look_at_arm(values: Mapping[str, Any], listener: TopicListener) -> ArmSeen:
    """Listens for a second or two.

    Args:
        values: The rig's part `arm`, complete.
        listener: In the rig's namespace.

    Raises:
        ArmConnectionError: The arm cannot be reached; the text says why and what helps.
        ArmNotAskedError: It is real, does not run, and has no probe here.
        DriverError: Its driver is not installed.
    """
    description = find_driver(values["driver"])
    name, wanted = description.name, description.settings
    settings: Any = build_settings(wanted, values.get(name) or {}) if wanted else None
    if listener.is_published("arm/state", _FIND_S):
        model = make_driver(description, settings, SteadyClock()).capabilities.model
        return _through_rig(listener, model, float(values.get("state_rate_hz", _RUNNING_RATE_HZ)))
    if name == "interbotix":
        from tmrl_doctor.interbotix_probe import look_at_motors

        return look_at_motors(settings)
    if name == "franky":
        from tmrl_doctor.franka_probe import look_at_franka

        return look_at_franka(settings)
    if not description.simulated:
        raise ArmNotAskedError(
            f"driver {name}: connecting might touch the arm, so it is asked only where it runs"
        )
    return _through_driver(make_driver(description, settings, SteadyClock()), name)


def build_settings(config_class: type[Any], values: Mapping[str, Any]) -> Any:
    """A driver's settings from the rig's file; lists become tuples."""
    return config_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _through_rig(listener: TopicListener, model: str, expected_hz: float) -> ArmSeen:
    received = listener.receive(ArmState, "arm/state", qos.STATE, enough=_MANY, wait_s=_LISTEN_S)
    if not received:
        return _silent(model, "arm/state of the running rig", expected_hz)
    (first_s, oldest), (last_s, newest) = received[0], received[-1]
    # By the numbers of the states: what this process is too slow to hear was published too.
    published, took_s = newest.sequence - oldest.sequence, last_s - first_s
    return ArmSeen(
        through="arm/state of the running rig",
        model=model,
        firmware="",
        rate_hz=published / took_s if took_s else 0.0,
        expected_hz=expected_hz,
        fault=newest.fault,
        joint_names=tuple(newest.joint_names),
        joint_rad=np.array(newest.joint_position),
        joint_low_rad=np.zeros(0),
        joint_high_rad=np.zeros(0),
    )


def _silent(model: str, through: str, expected_hz: float) -> ArmSeen:
    nothing = np.zeros(0)
    fault = f"nothing heard for {_LISTEN_S:g} s; likely cause: {likely_cause()}"
    return ArmSeen(through, model, "", 0.0, expected_hz, fault, (), nothing, nothing, nothing)


def _through_driver(driver: ArmDriver, name: str) -> ArmSeen:
    can = driver.capabilities
    driver.connect()
    try:
        readings = _readings(driver, can.state_rate_hz)
    finally:
        driver.close()
    measured = {reading.measured_s for reading in readings}
    newest = readings[-1]
    return ArmSeen(
        through=f"driver {name}",
        model=can.model,
        firmware="",
        rate_hz=len(measured) / _LISTEN_S,
        expected_hz=can.state_rate_hz,
        fault=newest.fault.sentence if newest.fault else "",
        joint_names=can.joint_names,
        joint_rad=newest.joint_position_rad,
        joint_low_rad=can.joint_low_rad,
        joint_high_rad=can.joint_high_rad,
    )


def _readings(driver: ArmDriver, rate_hz: float) -> list[ArmReading]:
    """What the driver reads at its own rate."""
    readings: list[ArmReading] = []
    due_s = time.monotonic()
    ends_s = due_s + _LISTEN_S
    while due_s < ends_s:
        readings.append(driver.read())
        due_s += 1.0 / rate_hz
        time.sleep(max(0.0, due_s - time.monotonic()))
    return readings
