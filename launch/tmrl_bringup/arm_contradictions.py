"""What a rig asks of its arm that this arm cannot do, by what its driver's package says of it."""

from collections.abc import Iterable
from typing import Any

from tmrl_bringup.options import nothing_real_moves
from tmrl_bringup.whole import Check, Whole
from tmrl_common.arm import ArmCapabilities, CommandMode
from tmrl_common.arm_drivers import DriverDescription, DriverError, find_driver
from tmrl_common.config import nearest_name

_STEADY = "steady"
_MODES = {
    "bridge_delta_ee_7": CommandMode.CARTESIAN_POSE,
    "droid_joint_velocity_8": CommandMode.JOINT_VELOCITY,
}
"""What an action space commands the arm by."""


def _foreign_kinematics(whole: Whole) -> Iterable[str]:
    description = _description(whole)
    named = whole.get("controller", "kinematics")
    if description is None or description.simulated or named in (None, "", description.name):
        return
    yield (
        f"controller: kinematics is {named!r}, but arm.driver is {description.name!r}: the joint "
        "limits would be those of another arm; give both the same name"
    )


def _real_arm_as_simulated(whole: Whole) -> Iterable[str]:
    if "controller" not in whole.parts or nothing_real_moves(whole.rig):
        return
    driver = whole.rig.parts["arm"].get("driver")
    if whole.get("controller", "simulated_arm"):
        yield (
            f"controller: simulated_arm is true, but arm.driver is {driver!r}, a real arm: remove "
            "the line, the launch sets it where it is so"
        )
    pacing = whole.get("controller", "pacing")
    if pacing not in (None, _STEADY):
        yield (
            f"controller: pacing is {pacing!r}, which is for simulations; with arm.driver "
            f"{driver!r}, a real arm, it must be {_STEADY}: its watchdogs need a clock of their own"
        )


def _action_space_of_other_arms(whole: Whole) -> Iterable[str]:
    can, space = _capabilities(whole), whole.get("controller", "action_space")
    mode = _MODES.get(space)
    if can is None or mode is None or mode in can.modes:
        return
    others = [name for name, each in _MODES.items() if each in can.modes]
    yield (
        f"controller.action_space is {space!r}, which commands {_words(mode)}, and the {can.model} "
        f"of arm.driver does not take those; it does {' and '.join(others) or 'none of ours'}"
    )


def _joints_beyond_the_arms(whole: Whole) -> Iterable[str]:
    can, description = _capabilities(whole), _description(whole)
    if can is None or description is None or description.simulated:
        return
    for key, lowest, highest in (
        ("joint_low_rad", can.joint_low_rad, can.joint_high_rad),
        ("joint_high_rad", can.joint_low_rad, can.joint_high_rad),
        ("max_joint_velocity_rad_s", None, can.joint_max_velocity_rad_s),
    ):
        values = whole.get("controller", key) or ()
        if len(values) != len(can.joint_names):
            # The controller's own configuration says how many there must be.
            continue
        for joint, value in enumerate(values):
            low = 0.0 if lowest is None else float(lowest[joint])
            high = float(highest[joint])
            if not low <= value <= high:
                yield (
                    f"controller.{key} has {value:g} for {can.joint_names[joint]}; of the "
                    f"{can.model} it must be {low:.4f} to {high:.4f}"
                )


def _home_outside_the_box(whole: Whole) -> Iterable[str]:
    can, box = _capabilities(whole), whole.get("controller", "workspace_box")
    if can is None or can.home_position_m is None or box is None:
        return
    if len(can.home_position_m) != 3 or len(box) != 6:
        return
    for axis, value in enumerate(can.home_position_m):
        low, high = box[2 * axis], box[2 * axis + 1]
        if not low <= value <= high:
            name = "xyz"[axis]
            yield (
                f"arm.{whole.rig.parts['arm']['driver']}.home_position_m has {name} = {value:g}, "
                f"outside the controller's workspace_box ({name} from {low:g} to {high:g} m): the "
                "way home would leave the box; move one of the two"
            )


def _joints_that_the_arm_lacks(whole: Whole) -> Iterable[str]:
    can = _capabilities(whole)
    if can is None:
        return
    for field in whole.get("agent", "proprio_fields") or ():
        joint = str(field).removeprefix("joint.")
        if joint != field and joint not in can.joint_names:
            hint = nearest_name(joint, list(can.joint_names))
            yield f"agent.proprio_fields has {field!r}, no joint of the {can.model}: {hint}"


def _states_rarer_than_the_watchdog(whole: Whole) -> Iterable[str]:
    age_s, rate_hz = (
        whole.get("controller", "max_arm_state_age_s"),
        whole.get("arm", "state_rate_hz"),
    )
    if age_s and rate_hz and age_s <= 1.0 / rate_hz:
        yield (
            f"controller.max_arm_state_age_s is {age_s:g}, but the arm reports every "
            f"{1.0 / rate_hz:.3g} s (arm.state_rate_hz): it would stop at once; raise one of the "
            "two"
        )


def _home_given_up_too_early(whole: Whole) -> Iterable[str]:
    ours, arms = whole.get("operator", "home_timeout_s"), whole.get("arm", "home_timeout_s")
    if ours and arms and ours <= arms:
        yield (
            f"operator.home_timeout_s is {ours:g}, but the arm's own, arm.home_timeout_s, is "
            f"{arms:g}: give the operator more, so that the arm can say what went wrong"
        )


def _description(whole: Whole) -> DriverDescription | None:
    """That of the arm's driver; None without an arm here, or where none can be loaded."""
    name = whole.get("arm", "driver")
    try:
        return find_driver(name) if name else None
    except DriverError:
        return None


def _capabilities(whole: Whole) -> ArmCapabilities | None:
    """What the arm can do; None where its package does not say, or its settings are incomplete."""
    description = _description(whole)
    if description is None or description.capabilities is None:
        return None
    try:
        settings: Any = description.settings and description.settings(
            **whole.values.get(f"arm.{description.name}", {})
        )
    except (TypeError, ValueError):
        # The settings' own sentences are said elsewhere.
        return None
    return description.capabilities(settings)


def _words(mode: CommandMode) -> str:
    return "joint velocities" if mode is CommandMode.JOINT_VELOCITY else "poses of the tool"


ARM_CHECKS: tuple[Check, ...] = (
    _foreign_kinematics,
    _real_arm_as_simulated,
    _action_space_of_other_arms,
    _joints_beyond_the_arms,
    _home_outside_the_box,
    _joints_that_the_arm_lacks,
    _states_rarer_than_the_watchdog,
    _home_given_up_too_early,
)
