"""A person's device: what was seen of it, and what to think of it."""

from dataclasses import dataclass

from tmrl_doctor.finding import Finding, failed, good, warning
from tmrl_teleop.params import AXES, TeleopConfig

GUIDE = "docs/guides/teleoperation.md"


@dataclass(frozen=True)
class DeviceSeen:
    """A device that was listened to for some seconds.

    Attributes:
        through: Who spoke, such as the name of the device and its file, or a topic.
        axes: How many it has.
        buttons: How many it has.
        touched: What a person did meanwhile, such as "button 5".
        rate_hz: How often a driver said how it stands, Hz; None where no driver is needed.
    """

    through: str
    axes: int
    buttons: int
    touched: tuple[str, ...] = ()
    rate_hz: float | None = None


def judge_device(seen: DeviceSeen, config: TeleopConfig) -> Finding:
    """Whether the device has all that the rig's mapping names, and would stay heard while held.

    Args:
        seen: The device.
        config: The rig's part `teleop`.
    """
    if dead := _dead(seen, config):
        return failed(
            f"{seen.through}: {', '.join(dead)}",
            f"give the number of one that it has, or -1 for none, where none may do ({GUIDE})",
        )
    if seen.rate_hz is not None and seen.rate_hz * config.silence_s < 1.0:
        return warning(
            f"{seen.through}: {seen.rate_hz:.1f} readings a second, and a device that is silent "
            f"for longer than {config.silence_s:g} s is let go of",
            "let its driver repeat them, joy_node with -p autorepeat_rate:=50.0",
        )
    if not seen.touched:
        return good(f"{seen.through}: there; what you press while the doctor looks is named here")
    return good(f"{seen.through}: {', '.join(seen.touched)}")


def _dead(seen: DeviceSeen, config: TeleopConfig) -> list[str]:
    """What the mapping names and the device does not have."""
    # The velocity of a twist comes on its own topic.
    steering = () if config.device == "twist" else zip(AXES, config.axes, strict=True)
    axes = [*steering, ("gripper_axis", config.gripper_axis)]
    kinds = (("axis", axes, seen.axes), ("button", config.buttons.items(), seen.buttons))
    return [
        f"{name} is {kind} {number}, and there are {count}, numbered from 0"
        for kind, named, count in kinds
        for name, number in named
        if number >= count
    ]
