"""The arm: what was seen of it without moving it, and what to think of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_doctor.finding import Finding, failed, good, skipped, warning

Array = NDArray[np.float64]

_NEAR_LIMIT_RAD = 0.05
_LEAST_RATE = 0.8
"""Share of the expected rate below which the states come too slowly."""


@dataclass(frozen=True)
class ArmSeen:
    """An arm that was listened to.

    Attributes:
        through: Who spoke to it, such as "arm/state of the running rig".
        model: Of the arm.
        firmware: Version of its software and of the vendor's; empty where it does not tell.
        rate_hz: New states per second, Hz.
        expected_hz: As it should be, Hz.
        fault: What the arm says is wrong; empty while it is healthy.
        joint_names: Of its joints.
        joint_rad: Their newest positions, shape (n,), rad.
        joint_low_rad: Lower limits, shape (n,), rad; shape (0,) where they are not known.
        joint_high_rad: Upper limits.
    """

    through: str
    model: str
    firmware: str
    rate_hz: float
    expected_hz: float
    fault: str
    joint_names: tuple[str, ...]
    joint_rad: Array
    joint_low_rad: Array
    joint_high_rad: Array


def judge_arm(seen: ArmSeen) -> Finding:
    """Whether it answers, and whether it would take commands."""
    detail = f"{seen.model}, through {seen.through}"
    if seen.fault:
        return failed(f"{detail}: {seen.fault}", "do what the text says, beside the arm")
    return good(detail)


def judge_firmware(seen: ArmSeen) -> Finding:
    """Which versions are at work; that they fit each other was found out by speaking."""
    if not seen.firmware:
        return skipped(f"not reported by {seen.through}", "the vendor's own tool shows it")
    return good(seen.firmware)


def judge_joints(seen: ArmSeen) -> Finding:
    """Whether the joint states are alive, make sense, and leave room to move."""
    if not np.isfinite(seen.joint_rad).all():
        return failed(f"joint positions {seen.joint_rad.tolist()}", "restart the arm's own driver")
    detail = f"{len(seen.joint_names)} joints at {seen.rate_hz:.0f} Hz"
    if seen.rate_hz < _LEAST_RATE * seen.expected_hz:
        return failed(
            f"{detail}; {seen.expected_hz:.0f} Hz are expected",
            "a cable, a switch or a busy machine: connect the arm directly, stop what else runs",
        )
    if near := _near_limits(seen):
        return warning(
            f"{detail}; {', '.join(near)} within {_NEAR_LIMIT_RAD} rad of a limit",
            "bring the arm into the middle of its range by hand, as the vendor says",
        )
    return good(detail)


def _near_limits(seen: ArmSeen) -> list[str]:
    if not seen.joint_low_rad.size:
        return []
    low, high = seen.joint_low_rad + _NEAR_LIMIT_RAD, seen.joint_high_rad - _NEAR_LIMIT_RAD
    outside = (seen.joint_rad < low) | (seen.joint_rad > high)
    return [name for name, near in zip(seen.joint_names, outside, strict=True) if near]
