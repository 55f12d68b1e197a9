"""The last limiter before the driver: policy and teleop pass it, nothing goes around it."""

from tmrl_controller.limiter.cartesian import (
    MotionLimits,
    Move,
    beyond_lead,
    limit_move,
    rotation_between,
)
from tmrl_controller.limiter.joints import JointLimits, limit_joints
from tmrl_controller.limiter.motion import (
    NO_JOINTS,
    InputRefusedError,
    Limit,
    Limited,
    Motion,
    Setpoint,
    ToolLimits,
    check_numbers,
)

__all__ = [
    "NO_JOINTS",
    "InputRefusedError",
    "JointLimits",
    "Limit",
    "Limited",
    "Motion",
    "MotionLimits",
    "Move",
    "Setpoint",
    "ToolLimits",
    "beyond_lead",
    "check_numbers",
    "limit_joints",
    "limit_move",
    "rotation_between",
]
