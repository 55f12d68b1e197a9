"""Arguments of a session beside its rig: the same for `ros2 launch` and `./tmrl up`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tmrl_bringup.options import LABEL_MODES, METHODS
from tmrl_bringup.rig import (
    RigError,
    available,
    is_file_name,
    load,
    nearest,
    parse_overrides,
)


@dataclass(frozen=True)
class Argument:
    """One argument of a session.

    Attributes:
        default: As text; empty where the rig or the session decides.
        meaning: One sentence.
        choices: All that it may be; empty for an open set.
    """

    default: str
    meaning: str
    choices: tuple[str, ...] = ()


ARGUMENTS: Mapping[str, Argument] = {
    "sim": Argument(
        "false", "the simulated counterpart of the rig instead of the hardware", ("true", "false")
    ),
    "robot": Argument("", "name and namespace of the robot; empty: the one in the rig's file"),
    "method": Argument("tmrl", "fine-tuning method; base collects without learning", METHODS),
    "seed": Argument("0", "seed of layouts, exploration and learning"),
    "label": Argument(
        "",
        "manual: a person labels through operator/label; auto: ground truth, simulation only; "
        "empty: auto in simulation, manual on hardware",
        ("", *LABEL_MODES),
    ),
    "episodes": Argument("0", "the session stops after this many; 0 for no end"),
    "run_dir": Argument(
        "", "directory of the run; an existing one is continued; empty: a new one below runs/"
    ),
    "log_dir": Argument("", "directory of the processes' logs; empty: logs/ in the run directory"),
    "parts": Argument(
        "all",
        "all (without a policy server that is elsewhere), robot (what must be beside the arm), gpu "
        "(policy server and learner), or names of parts, separated by commas",
    ),
}
"""Arguments of a session by name, for `ros2 launch` and `./tmrl up` alike."""

RIG = "rig"
"""The one argument of a launch file that `./tmrl up` takes by position."""

_LAUNCH_OWN = ("launch-prefix", "launch-prefix-filter", "emulate_tty", "ros_remaps")
"""Launch configurations that `launch` itself reads when it starts a process."""

_REFUSED = {
    "ros_namespace": "name the robot with robot:=NAME instead",
    "global_params": "give parameters as part.key, so that the rig's check sees them",
}
"""What PushRosNamespace and SetParameter leave in the context, and what to do instead."""


def refuse_unknown(names: Mapping[str, Any], valid: tuple[str, ...]) -> None:
    """Refuses an argument that is neither one of a session nor a `part.key`.

    Raises:
        RigError: Names the first one with the nearest valid one.
    """
    for name in names:
        if "." not in name and name not in valid:
            raise RigError(f"unknown argument {name}; {nearest(name, [*valid])}, or part.key")


def from_launch(rig_name: str, configurations: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the rig and its overrides, out of the launch configurations of a launch file.

    Every configuration counts: `ros2 launch` hands on what the command line gives, also what no
    launch file has declared, and a launch file that includes this one shares all of its own.
    What is not known here is refused, as ignoring it could mean ignoring a limit.

    Args:
        rig_name: Rig of the launch file.
        configurations: Of the launch context, by name.

    Returns:
        Name or path of the rig, and overrides as `propose` takes them.

    Raises:
        RigError: A configuration is neither an argument nor a parameter of the rig.
    """
    for name, remedy in _REFUSED.items():
        if name in configurations:
            raise RigError(f"{name} is set in the launch context and would not apply; {remedy}")
    ours = {key: value for key, value in configurations.items() if key not in _LAUNCH_OWN}
    try:
        refuse_unknown(ours, (RIG, *ARGUMENTS))
    except RigError as error:
        raise RigError(
            f"{error}. A launch file that includes this one keeps its own arguments back with "
            "GroupAction(scoped=True, forwarding=False), see docs/guides/launch.md"
        ) from None
    # An empty argument is one that nobody gave; an empty parameter is judged with the rig.
    given = [f"{key}:={value}" for key, value in ours.items() if value or "." in key]
    overrides = parse_overrides(given)
    return str(overrides.pop(RIG, rig_name)), overrides


def whole_number(name: str, value: object) -> int:
    """Returns a whole number from 0.

    Raises:
        RigError: It is none.
    """
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        raise RigError(f"{name} is {value!r}; it must be a whole number from 0, as in {name}:=3")
    return int(text)


def choice(name: str, value: object) -> str:
    """Returns the value of an argument that is one of a closed set.

    Raises:
        RigError: It is not; the text names the nearest.
    """
    choices = ARGUMENTS[name].choices
    if value not in choices:
        named = [each for each in choices if each]
        raise RigError(f"{name} is {value!r}; {nearest(str(value), named)}")
    return str(value)


def simulated_rigs() -> list[str]:
    """Returns the names of the rigs with a simulated counterpart."""
    return [name for name in available() if f"{name}_sim" in available()]


def rig_to_load(name: str, *, sim: bool) -> str:
    """Returns the rig that is meant: its simulated counterpart where `sim` is set.

    Args:
        name: Of a rig, or the path of a lab's own file.
        sim: Whether sim:=true was given.

    Raises:
        RigError: The rig has no simulated counterpart, or is a file, which says itself what it is.
    """
    if not sim or name.endswith("_sim"):
        return name
    if is_file_name(name):
        raise RigError(
            f"sim:=true and the rig file {name} exclude each other: a file says itself whether it "
            "is simulated (`simulated:`). Leave out sim:=true, or leave out the file"
        )
    if name not in simulated_rigs():
        load(name)
        raise RigError(
            f"{name} has no simulated counterpart, so sim:=true cannot be; rigs with one: "
            f"{', '.join(simulated_rigs())}. arm.driver:=loopback tries out all but the arm"
        )
    return f"{name}_sim"
