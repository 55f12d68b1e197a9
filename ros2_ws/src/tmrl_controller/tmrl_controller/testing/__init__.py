"""What tests of the controller, and of parts that talk to it, build their scenes from."""

from tmrl_controller.testing.builders import (
    CONFIG,
    ManualClock,
    action_chunk,
    arm_state,
    teleop_command,
)
from tmrl_controller.testing.scenes import HardwareScene, LockStepScene, holds, moves, of

__all__ = [
    "CONFIG",
    "HardwareScene",
    "LockStepScene",
    "ManualClock",
    "action_chunk",
    "arm_state",
    "holds",
    "moves",
    "of",
    "teleop_command",
]
