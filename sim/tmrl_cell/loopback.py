"""A kinematic arm without physics: it is wherever it was commanded to be, at once.

For tests of everything around the arm. Objects never move; whether the task counts as solved is
decided by a script.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.kinematics import TOOL_DOWN_WXYZ
from tmrl_cell.layouts import OBJECTS, Layout
from tmrl_cell.readings import ArmReadings, Cell, ObjectPose

Array = NDArray[np.float64]
Outcome = Callable[["LoopbackCell"], frozenset[str]]


def never(_cell: "LoopbackCell") -> frozenset[str]:
    """Nothing ever reaches the pot."""
    return frozenset()


def in_pot_after(steps: int, name: str) -> Outcome:
    """Object `name` is in the pot from the given number of commands after the reset on."""

    def outcome(cell: "LoopbackCell") -> frozenset[str]:
        return frozenset({name}) if cell.steps >= steps else frozenset()

    return outcome


class LoopbackCell(Cell):
    """Answers like `WidowXCell`; joint positions are reported as zero."""

    def __init__(self, outcome: Outcome = never) -> None:
        """Chooses what is in the pot, as a function of this cell."""
        self._outcome = outcome
        self.steps = 0
        """Commands since the reset."""
        self.commands: list[tuple[Array, Array, float, float]] = []
        """Every command since the reset: position, quaternion, opening, duration."""
        self._time_s = 0.0
        self._position_m: Array = np.zeros(3)
        self._quaternion: Array = TOOL_DOWN_WXYZ.copy()
        self._opening = 1.0
        self._objects: dict[str, ObjectPose] = {}

    def reset(self, layout: Layout) -> ArmReadings:
        """Puts the tool and the objects where `layout` says and forgets all commands."""
        self.steps = 0
        self.commands = []
        self._time_s = 0.0
        self._position_m = np.array(layout.tool_position_m, dtype=np.float64)
        self._quaternion = TOOL_DOWN_WXYZ.copy()
        self._opening = 1.0
        places: Mapping[str, tuple[tuple[float, float], float]] = {
            "carrot": (layout.carrot_xy_m, layout.carrot_yaw_rad),
            "sausage": (layout.sausage_xy_m, layout.sausage_yaw_rad),
        }
        self._objects = {
            name: ObjectPose(
                np.array((*xy_m, 0.014)),
                np.array((np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2))),
            )
            for name, (xy_m, yaw_rad) in places.items()
        }
        return self.readings()

    def command(
        self,
        position_m: Array,
        quaternion_wxyz: Array,
        gripper_opening: float,
        duration_s: float = 0.2,
    ) -> None:
        """Be at the target pose; see `WidowXCell.command`.

        Raises:
            ValueError: A value is not finite, or the opening lies outside of 0 to 1.
        """
        if not (np.isfinite(position_m).all() and np.isfinite(quaternion_wxyz).all()):
            raise ValueError(f"target pose {position_m}, {quaternion_wxyz} is not finite")
        if not 0.0 <= gripper_opening <= 1.0:
            raise ValueError(f"gripper opening {gripper_opening} is outside of 0 to 1; clip it")
        self._position_m = np.array(position_m, dtype=np.float64)
        self._quaternion = np.array(quaternion_wxyz, dtype=np.float64)
        self._opening = float(gripper_opening)
        self.steps += 1
        self.commands.append((self._position_m, self._quaternion, self._opening, float(duration_s)))

    def hold(self) -> None:
        """Nothing to do: the arm is where it was commanded to be."""

    def advance(self, duration_s: float) -> ArmReadings:
        """Lets `duration_s` [s] pass."""
        self._time_s += duration_s
        return self.readings()

    def readings(self) -> ArmReadings:
        """The arm's state now."""
        return ArmReadings(
            time_s=self._time_s,
            joint_position_rad=np.zeros(6),
            joint_velocity_rad_s=np.zeros(6),
            tool_position_m=self._position_m.copy(),
            tool_quaternion_wxyz=self._quaternion.copy(),
            gripper_opening=self._opening,
            gripper_commanded=self._opening,
        )

    def snapshot(self) -> Array:
        """Tool position [m] and gripper opening, shape (4,): there are no joints to draw."""
        return np.array((*self._position_m, self._opening))

    def object_poses(self) -> dict[str, ObjectPose]:
        """Pose of every object by name, where the layout put it."""
        return dict(self._objects)

    def objects_in_pot(self) -> frozenset[str]:
        """What the script says."""
        return self._outcome(self)

    def success(self, target: str) -> bool:
        """Whether the script has `target` in the pot and the gripper is open.

        Raises:
            ValueError: `target` is not an object of the cell.
        """
        if target not in OBJECTS:
            raise ValueError(f"unknown target {target!r}; the objects are {', '.join(OBJECTS)}")
        return target in self.objects_in_pot() and self._opening > 0.7
