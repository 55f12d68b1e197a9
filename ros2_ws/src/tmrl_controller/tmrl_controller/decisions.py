"""What the controller decides, as plain values: arm commands, chunk outcomes, its status."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from tmrl_common.geometry import Vector
from tmrl_common.types import FloatArray
from tmrl_controller.inputs import ActionChunk
from tmrl_controller.limiter import NO_JOINTS, Limited, Setpoint
from tmrl_controller.mode import Mode


class CommandMode(IntEnum):
    """What the driver is to do; the numbers are those of tmrl_msgs/ArmCommand."""

    HOLD = 0
    CARTESIAN_POSE = 1
    JOINT_VELOCITY = 2


@dataclass(frozen=True)
class ArmCommand:
    """One command for the driver (tmrl_msgs/ArmCommand).

    Attributes:
        goal: What the limiter let through: nothing else moves the arm; or where to hold still, for
            the record: drivers stop where they are, and leave the gripper as it is.
        sequence: Counts up by one.
        arm_state_sequence: The newest arm state that the controller had seen.
        duration_s: Time to reach the target, s; 0 for a hold.
        valid_for_s: The driver holds by itself after this without a newer command, s.
        stamp_s: ROS time of the decision, s.
    """

    goal: Limited | Setpoint
    sequence: int
    arm_state_sequence: int
    duration_s: float
    valid_for_s: float
    stamp_s: float

    @property
    def mode(self) -> CommandMode:
        """HOLD stops within the driver's deceleration limit; the others move."""
        if not isinstance(self.goal, Limited):
            return CommandMode.HOLD
        by_joints = len(self.goal.motion.joint_velocity_rad_s) > 0
        return CommandMode.JOINT_VELOCITY if by_joints else CommandMode.CARTESIAN_POSE

    @property
    def target(self) -> Setpoint:
        """Pose of the tool and opening of the gripper."""
        return self.goal.motion.setpoint if isinstance(self.goal, Limited) else self.goal

    @property
    def joint_velocity_rad_s(self) -> Vector:
        """Of each joint, shape (n,), rad/s; empty in other modes than JOINT_VELOCITY."""
        return (
            self.goal.motion.joint_velocity_rad_s if isinstance(self.goal, Limited) else NO_JOINTS
        )


class Preemption(StrEnum):
    """What ended a chunk before its last step."""

    TELEOP = "teleop"
    HOLD = "hold"
    ESTOP = "estop"
    FAULT = "fault"
    LATE_TICK = "late_tick"
    NEWER_CHUNK = "newer_chunk"


class Result(IntEnum):
    """What became of a chunk; the numbers are those of tmrl_msgs/ChunkOutcome."""

    COMPLETED = 0
    REFUSED = 1
    PREEMPTED = 2
    SUPERSEDED = 3


@dataclass(frozen=True)
class ChunkOutcome:
    """What became of one chunk; every chunk gets exactly one (tmrl_msgs/ChunkOutcome).

    Attributes:
        chunk: The chunk.
        result: Completed, refused, preempted or superseded.
        code: Short name of the refusal or preemption; empty when completed.
        reason: One sentence with the value, the limit and the remedy; empty when completed.
        started_s: ROS time of the first step, s; of the end where no step was executed.
        ended_s: ROS time of the end, s.
        executed_actions: Commanded after all limits, shape (steps, action_dim), float32.
        driver: Who commanded each step, shape (steps,), uint8 of tmrl_common.types.Driver.
        clamped: Whether a limit changed the step, shape (steps,), bool.
        step_ends_s: ROS time at which each step's period ended, shape (steps,), float64, s.
        arm_state_sequence: First arm state measured after the last step.
    """

    chunk: ActionChunk
    result: Result
    code: str
    reason: str
    started_s: float
    ended_s: float
    executed_actions: FloatArray
    driver: NDArray[np.uint8]
    clamped: NDArray[np.bool_]
    step_ends_s: NDArray[np.float64]
    arm_state_sequence: int


@dataclass(frozen=True)
class ControllerStatus:
    """The controller as people and the agent see it (tmrl_msgs/ControllerStatus).

    Attributes:
        mode: Who may move the arm.
        reason: Why it is in this mode, one sentence.
        waits_for: Who has to be there before the policy can drive; empty when all are.
        chunks_accepted: Since the start.
        chunks_refused: Since the start.
        steps_clamped: Since the start.
        last_refusal_code: Of a chunk or of a takeover; empty before the first.
        last_refusal: Its sentence.
        last_refusal_stamp_s: Its ROS time, s.
    """

    mode: Mode
    reason: str
    waits_for: str = ""
    chunks_accepted: int = 0
    chunks_refused: int = 0
    steps_clamped: int = 0
    last_refusal_code: str = ""
    last_refusal: str = ""
    last_refusal_stamp_s: float = 0.0


Decision = ArmCommand | ChunkOutcome | ControllerStatus
