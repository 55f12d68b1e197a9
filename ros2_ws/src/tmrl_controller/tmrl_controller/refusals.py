"""Why something was refused: a code for programs, a sentence for people."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalCode(StrEnum):
    """Why a chunk was refused."""

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


@dataclass(frozen=True)
class Refusal:
    """Why something was refused.

    Attributes:
        code: Short name.
        reason: One sentence with the value, the limit and the remedy.
    """

    code: RefusalCode
    reason: str
