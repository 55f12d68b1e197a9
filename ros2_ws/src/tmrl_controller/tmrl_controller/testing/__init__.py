"""What tests of the controller, and of parts that talk to it, build their scenes from."""

from tmrl_controller.testing.builders import (
    CONFIG,
    FRANKA_CONFIG,
    FRANKA_REST_RAD,
    MORE_EXAMPLES,
    TOOL_ON_FLANGE_M,
    ManualClock,
    action_chunk,
    arm_state,
    franka_chunk,
    franka_state,
    teleop_command,
)
from tmrl_controller.testing.scenes import HardwareScene, LockStepScene, at_s, holds, moves, of

__all__ = [
    "CONFIG",
    "FRANKA_CONFIG",
    "FRANKA_REST_RAD",
    "MORE_EXAMPLES",
    "TOOL_ON_FLANGE_M",
    "HardwareScene",
    "LockStepScene",
    "ManualClock",
    "action_chunk",
    "arm_state",
    "at_s",
    "franka_chunk",
    "franka_state",
    "holds",
    "moves",
    "of",
    "teleop_command",
]
