"""What differs between the simulated cells, behind one interface: commands, layouts, verdict."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from tmrl_arm.driver import ArmCapabilities
from tmrl_cell.franka.cell import MAX_VELOCITY_RAD_S, FrankaCell
from tmrl_cell.franka.kinematics import ARM_JOINTS as FRANKA_JOINTS
from tmrl_cell.franka.kinematics import REST_RAD
from tmrl_cell.kinematics import TOOL_DOWN_WXYZ
from tmrl_cell.layouts import (
    HOME_TOOL_POSITION_M,
    OBJECTS,
    LayoutName,
    downstream_layout,
    pretraining_layout,
)
from tmrl_cell.readings import Cell
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_sim.driver import widowx_capabilities
from tmrl_sim.params import SimConfig

Advance = Callable[[float], None]
"""Lets so many seconds pass, and counts them."""

_LIFT_S = 1.0
_HOMING_S = 2.0
_DRAW_LAYOUT = {
    LayoutName.DOWNSTREAM: downstream_layout,
    LayoutName.PRETRAINING: pretraining_layout,
}
_HOMING_STEP_S = 0.1
_HOMING_STEPS = 60
_HOMING_RAD_S = 0.6
_AT_HOME_RAD = 0.002
_FRANKA_STATE_RATE_HZ = 50.0


class World(Protocol):
    """What is done to a cell in its own way."""

    @property
    def can(self) -> ArmCapabilities:
        """What its arm can do."""
        ...

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of its objects."""
        ...

    def reset(self, seed: int) -> None:
        """Lays the objects out and puts the arm at its start; raises UnreachableTargetError."""
        ...

    def home(self, advance: Advance) -> None:
        """Brings the arm to its rest pose; raises UnreachableTargetError."""
        ...

    def command(self, command: ArmCommand) -> None:
        """Hands a movement to the arm; raises ValueError where it cannot be."""
        ...

    def verdict(self) -> tuple[bool, str]:
        """Whether the task is solved, and how it stands in words."""
        ...


class WidowXWorld:
    """The cell with the pot: poses of the tool, objects that are carried."""

    objects = OBJECTS

    def __init__(self, config: SimConfig, cell: Cell) -> None:
        """Takes the layout and the target of `config`."""
        self._cell, self._target = cell, config.target
        self._draw = _DRAW_LAYOUT[LayoutName(config.layout)]
        self.can = widowx_capabilities()

    def reset(self, seed: int) -> None:
        """See `World`."""
        self._cell.reset(self._draw(np.random.default_rng(seed)))

    def home(self, advance: Advance) -> None:
        """See `World`: lifts the tool first, the gripper stays as it is; this takes 3 s."""
        arm = self._cell.readings()
        x_m, y_m, z_m = arm.tool_position_m
        lifted_m = np.array((x_m, y_m, max(z_m, HOME_TOOL_POSITION_M[2])))
        for target_m, duration_s in (
            (lifted_m, _LIFT_S),
            (np.array(HOME_TOOL_POSITION_M), _HOMING_S),
        ):
            self._cell.command(target_m, TOOL_DOWN_WXYZ, arm.gripper_commanded, duration_s)
            advance(duration_s)

    def command(self, command: ArmCommand) -> None:
        """See `World`."""
        self._cell.command(
            command.position_m,
            np.roll(command.quaternion_xyzw, 1),
            command.gripper_opening,
            command.duration_s,
        )

    def verdict(self) -> tuple[bool, str]:
        """See `World`."""
        inside = " and ".join(sorted(self._cell.objects_in_pot())) or "nothing"
        return self._cell.success(self._target), f"{inside} in pot"


class FrankaWorld:
    """The cell of a task file: joint velocities, buttons."""

    def __init__(self, config: SimConfig, cell: FrankaCell) -> None:
        """Takes the layout of `config`."""
        self._cell = cell
        self._layouts = cell.task.layouts[LayoutName(config.layout)]
        low_rad, high_rad = cell.joint_limits_rad
        self.objects = cell.task.object_names
        self.can = ArmCapabilities(
            model="simulated Franka",
            joint_names=FRANKA_JOINTS,
            joint_low_rad=low_rad,
            joint_high_rad=high_rad,
            joint_max_velocity_rad_s=MAX_VELOCITY_RAD_S,
            modes=frozenset({CommandMode.HOLD, CommandMode.JOINT_VELOCITY}),
            state_rate_hz=_FRANKA_STATE_RATE_HZ,
            max_command_rate_hz=_FRANKA_STATE_RATE_HZ,
        )

    def reset(self, seed: int) -> None:
        """See `World`."""
        self._cell.reset(self._layouts.draw(np.random.default_rng(seed)))

    def home(self, advance: Advance) -> None:
        """See `World`: all joints at once, 6 s at most, the gripper stays as it is."""
        opening = self._cell.readings().gripper_commanded
        for _ in range(_HOMING_STEPS):
            left_rad = REST_RAD - self._cell.readings().joint_position_rad
            if np.abs(left_rad).max() < _AT_HOME_RAD:
                break
            velocity = np.clip(left_rad / (2 * _HOMING_STEP_S), -_HOMING_RAD_S, _HOMING_RAD_S)
            self._cell.command(velocity, opening)
            advance(_HOMING_STEP_S)
        self._cell.hold()

    def command(self, command: ArmCommand) -> None:
        """See `World`."""
        self._cell.command(command.joint_velocity_rad_s, command.gripper_opening)

    def verdict(self) -> tuple[bool, str]:
        """See `World`."""
        goal = self._cell.task.success
        pressed = self._cell.pressed_names(goal.by_m)
        return goal.name in pressed, f"{' and '.join(sorted(pressed)) or 'nothing'} pressed"


def world_of(config: SimConfig, cell: Cell | FrankaCell) -> WidowXWorld | FrankaWorld:
    """What is done to `cell`, in its own way."""
    if isinstance(cell, FrankaCell):
        return FrankaWorld(config, cell)
    return WidowXWorld(config, cell)
