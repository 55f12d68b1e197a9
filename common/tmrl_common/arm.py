"""What goes to an arm and what comes from it: the words that controller, drivers and agent share.

Every name and number here is that of a message in tmrl_msgs; `tests/architecture` compares them.
Quaternions are x y z w, as in ROS messages; poses are of the tool frame in the base frame.
"""

from dataclasses import dataclass
from enum import IntEnum

from tmrl_common.geometry import Vector


class CommandMode(IntEnum):
    """What a command asks for; the numbers are those of tmrl_msgs/ArmCommand."""

    HOLD = 0
    CARTESIAN_POSE = 1
    JOINT_VELOCITY = 2


@dataclass(frozen=True)
class ArmCapabilities:
    """What an arm can do. Known before it is connected, so that a rig can be checked without it.

    Attributes:
        model: Of the arm, for people.
        joint_names: In the order of every array of joints, n of them.
        joint_low_rad: Lower limits, shape (n,), rad.
        joint_high_rad: Upper limits, shape (n,), rad.
        joint_max_velocity_rad_s: Largest speeds, shape (n,), rad/s.
        modes: The command modes that it takes; HOLD is always among them.
        state_rate_hz: How often `read` has something new, Hz.
        max_command_rate_hz: Commands that come faster than this are not worth sending, Hz.
        home_position_m: Where `home` brings the tool, in the base frame, m; None where the driver
            does not know its tool.
    """

    model: str
    joint_names: tuple[str, ...]
    joint_low_rad: Vector
    joint_high_rad: Vector
    joint_max_velocity_rad_s: Vector
    modes: frozenset[CommandMode]
    state_rate_hz: float
    max_command_rate_hz: float
    home_position_m: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ArmCommand:
    """One setpoint as it travels, unchecked (tmrl_msgs/ArmCommand).

    Attributes:
        robot: Name of the arm that it is meant for.
        sequence: Counts up by one.
        arm_state_sequence: The newest arm state that its sender had seen.
        mode: A number of `CommandMode`, or another one.
        position_m: CARTESIAN_POSE: target of the tool in the base frame, shape (3,), m.
        quaternion_xyzw: CARTESIAN_POSE: target rotation of the tool in the base frame, shape (4,).
        joint_velocity_rad_s: JOINT_VELOCITY: in the order of the arm's joint names, shape (n,);
            empty in other modes.
        gripper_opening: 0 closed to 1 open. HOLD leaves the gripper as it is.
        duration_s: CARTESIAN_POSE: time to reach the target, s.
        valid_for_s: Without a newer command the arm holds after this, s.
        stamp_ns: ROS time of the decision.
        frame_id: Name of the base frame.
    """

    robot: str
    sequence: int
    arm_state_sequence: int
    mode: int
    position_m: Vector
    quaternion_xyzw: Vector
    joint_velocity_rad_s: Vector
    gripper_opening: float
    duration_s: float
    valid_for_s: float
    stamp_ns: int = 0
    frame_id: str = ""


@dataclass(frozen=True)
class ArmState:
    """One measured state of the arm, unchecked (tmrl_msgs/ArmState).

    Attributes:
        robot: Name of the arm.
        sequence: Counts up by one within the life of the driver.
        joint_names: In the order of every array of joints, n of them.
        joint_position_rad: Shape (n,), rad.
        joint_velocity_rad_s: Shape (n,), rad/s.
        joint_effort_nm: Shape (n,), N m; shape (0,) where the arm does not measure it.
        position_m: Tool in the base frame, shape (3,), m.
        quaternion_xyzw: Rotation of the tool in the base frame, shape (4,).
        gripper_opening: Measured, 0 closed to 1 open.
        gripper_command: Opening last commanded to the driver, 0 closed to 1 open.
        last_command_sequence: Of the newest command that the driver has taken, carried out or
            refused; 0 before the first.
        holding: Whether the arm stands still and nothing moves it: no movement is valid, it is not
            on its way home, and its braking is over. False where the driver cannot say so.
        fault: Empty while healthy, otherwise a sentence that names fault and remedy.
        stamp_ns: ROS time of the measurement.
        frame_id: Name of the base frame.
    """

    robot: str
    sequence: int
    joint_names: tuple[str, ...]
    joint_position_rad: Vector
    joint_velocity_rad_s: Vector
    joint_effort_nm: Vector
    position_m: Vector
    quaternion_xyzw: Vector
    gripper_opening: float
    gripper_command: float
    last_command_sequence: int
    holding: bool
    fault: str
    stamp_ns: int
    frame_id: str
