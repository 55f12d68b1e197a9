"""An action chunk from its proposal to its end: the words that agent, controller and arms share.

Every name and number here is that of a message in tmrl_msgs; `tests/architecture` compares them.
Stamps are integer nanoseconds of ROS time: a label binds to a chunk by comparing them, and seconds
as floating point would lose hundreds of nanoseconds at today's epoch.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from tmrl_common.types import FloatArray


class ControllerMode(IntEnum):
    """Who may move the arm; the numbers are those of tmrl_msgs/ControllerStatus."""

    HOLD = 0
    POLICY = 1
    TELEOP = 2
    ESTOP = 3
    FAULT = 4


class ChunkResult(IntEnum):
    """How a chunk ended; the numbers are those of tmrl_msgs/ChunkOutcome."""

    COMPLETED = 0
    REFUSED = 1
    PREEMPTED = 2
    SUPERSEDED = 3


class Driver(IntEnum):
    """Who commanded a step; the numbers are those of tmrl_msgs/ChunkOutcome."""

    POLICY = 0
    TELEOP = 1
    NONE = 2


class Origin(StrEnum):
    """Who produced the actions; the names are those of tmrl_msgs/ChunkOutcome."""

    POLICY = "policy"
    HUMAN = "human"


class Preemption(StrEnum):
    """What ended a chunk before its last step; the codes are those of tmrl_msgs/ChunkOutcome."""

    TELEOP = "teleop"
    HOLD = "hold"
    ESTOP = "estop"
    FAULT = "fault"
    LATE_TICK = "late_tick"
    NEWER_CHUNK = "newer_chunk"


class RefusalCode(StrEnum):
    """Why a chunk was refused; the codes are those of tmrl_msgs/ChunkOutcome."""

    WRONG_ROBOT = "wrong_robot"
    MISSING_IDENTITY = "missing_identity"
    STALE_EPOCH = "stale_epoch"
    OUT_OF_SEQUENCE = "out_of_sequence"
    EPISODE_OUT_OF_ORDER = "episode_out_of_order"
    UNKNOWN_ARM_STATE = "unknown_arm_state"
    TOO_OLD = "too_old"
    WRONG_ACTION_SPACE = "wrong_action_space"
    WRONG_SHAPE = "wrong_shape"
    BAD_EXECUTE_STEPS = "bad_execute_steps"
    NOT_FINITE = "not_finite"
    SIGMA_NEGATIVE = "sigma_negative"
    SIGMA_ABOVE_CAP = "sigma_above_cap"
    Z_ABOVE_CAP = "z_above_cap"
    EPSILON_ABOVE_CAP = "epsilon_above_cap"
    STEP_TOO_LONG = "step_too_long"
    ROTATION_TOO_LARGE = "rotation_too_large"
    JOINT_TOO_FAST = "joint_too_fast"
    GRIPPER_OUT_OF_RANGE = "gripper_out_of_range"
    NOT_IN_POLICY_MODE = "not_in_policy_mode"
    CANNOT_START = "cannot_start"
    CANNOT_SPLICE = "cannot_splice"
    SEAM_TOO_LARGE = "seam_too_large"


@dataclass(frozen=True)
class ChunkId:
    """Which chunk: of which arm, of which agent's life, and where in the session.

    Attributes:
        robot: Name of the arm that it is meant for.
        session: Identifier of the fine-tuning run.
        episode: Counts from 1 within a session.
        chunk: Counts from 0 within an episode.
        sequence: Counts up by one within the life of the agent process.
        agent_epoch: Identifies that life.
    """

    robot: str
    session: str
    episode: int
    chunk: int
    sequence: int
    agent_epoch: str


@dataclass(frozen=True)
class ActionChunk(ChunkId):
    """One proposed chunk, unchecked (tmrl_msgs/ActionChunk).

    Attributes:
        arm_state_sequence: Arm state that the policy saw.
        action_space: Name of the meaning of a row, for example "bridge_delta_ee_7".
        horizon: Claimed number of rows.
        action_dim: Claimed number of columns.
        execute_steps: How many rows are to be executed.
        actions: Flat, row-major, claimed to hold horizon * action_dim float32 values.
        z: Initial flow noise, any shape, float32.
        sigma: Context timestep, claimed to lie in [0, 1].
        epsilon: Context noise, any shape, float32; empty where the server drew it.
        stamp_ns: ROS time of the observation.
        frame_id: Name of the base frame that the observation was made in.
        steering: Who picked z, sigma and epsilon, as `tmrl_common.types.SteeringSource` names it.
        actor_version: Version of the steering actor.
        policy_version: Content hash of the base policy's checkpoint.
        seed: Of every random draw behind the chunk.
        follows: Sequence number of the chunk that this one continues; 0 for one that begins where
            the arm stands.
        committed_steps: How many of its first rows are the last ones of that chunk, which were
            still to be executed when the policy looked; its own ones come after them.
    """

    arm_state_sequence: int
    action_space: str
    horizon: int
    action_dim: int
    execute_steps: int
    actions: FloatArray
    z: FloatArray
    sigma: float
    epsilon: FloatArray
    stamp_ns: int
    frame_id: str
    steering: str
    actor_version: int
    policy_version: str
    seed: int
    follows: int = 0
    committed_steps: int = 0


@dataclass(frozen=True)
class ChunkOutcome:
    """What became of one chunk, or of one segment of a person's driving (tmrl_msgs/ChunkOutcome).

    Every chunk gets exactly one. A segment lasts as many steps as a chunk executes, or until the
    person lets go.

    Attributes:
        chunk: Which chunk; of a segment only the robot is given, and the sequence number, which
            counts up by one within the life of the controller.
        result: Completed, refused, preempted or superseded.
        code: A `RefusalCode` or a `Preemption`; empty when completed.
        reason: One sentence with the value, the limit and the remedy; empty when completed.
        started_ns: ROS time of the first step; of the end where no step was executed.
        ended_ns: ROS time of the end.
        executed_actions: Commanded after all limits, shape (steps, action_dim), float32.
        driver: Who commanded each step, shape (steps,), uint8 of `Driver`.
        clamped: Whether a limit changed the step, shape (steps,), bool.
        step_ends_ns: ROS time at which each step's period ended, shape (steps,), int64.
        arm_state_sequence: First arm state measured after the last step.
        origin: HUMAN for a segment of a person's driving.
        first_arm_state_sequence: Arm state that a segment began with: the `arm_state_sequence` of
            the outcome before it, where the arm was driven without a break; 0 for a chunk.
    """

    chunk: ChunkId
    result: ChunkResult
    code: str
    reason: str
    started_ns: int
    ended_ns: int
    executed_actions: FloatArray
    driver: NDArray[np.uint8]
    clamped: NDArray[np.bool_]
    step_ends_ns: NDArray[np.int64]
    arm_state_sequence: int
    origin: Origin = Origin.POLICY
    first_arm_state_sequence: int = 0

    @property
    def steps(self) -> int:
        """Executed steps; 0 where nothing moved."""
        return int(self.executed_actions.shape[0])
