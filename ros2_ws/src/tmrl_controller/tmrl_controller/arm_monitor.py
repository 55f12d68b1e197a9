"""Keeps watch over the arm's states: when each one arrived, and whether the arm may be moved."""

from dataclasses import replace

import numpy as np

from tmrl_common.arm import ArmState
from tmrl_common.geometry import normalise_quaternion
from tmrl_controller.limiter import NO_JOINTS, Setpoint, ToolLimits

_REMEMBERED_STATES = 4096
_QUATERNION_TOLERANCE = 1e-2
_LAST_SEQUENCE = 2**62
_FARTHEST_M = 100.0


class ArmMonitor:
    """Newest arm state, arrival times of the recent ones, and what is wrong with the arm."""

    def __init__(self, robot: str, max_age_s: float, joints: int = 0) -> None:
        """Takes what a good state looks like.

        Args:
            robot: Name of the arm.
            max_age_s: Age from which the newest state is stale, s.
            joints: How many joint positions a state must hold; 0 where nobody looks at them.
        """
        self._robot = robot
        self._joints = joints
        self._max_age_s = max_age_s
        self._arrivals_s: dict[int, float] = {}
        self._newest: ArmState | None = None
        self._newest_s = 0.0
        self._broken = ""
        self.repeated = 0
        """How often the newest state came again, as in lock-step while time stands still."""

    @property
    def newest(self) -> ArmState | None:
        """The newest good arm state."""
        return self._newest

    @property
    def newest_sequence(self) -> int:
        """Sequence number of the newest good arm state; 0 before the first."""
        return self._newest.sequence if self._newest is not None else 0

    @property
    def measured(self) -> Setpoint | None:
        """Where the tool and the gripper's command are by the newest good state."""
        state = self._newest
        if state is None:
            return None
        gripper = float(np.clip(state.gripper_command, 0.0, 1.0))
        quaternion = normalise_quaternion(state.quaternion_xyzw)
        joints = state.joint_position_rad if self._joints else NO_JOINTS
        return Setpoint(state.position_m, quaternion, gripper, joints)

    def receive(self, state: ArmState, now_s: float) -> None:
        """Takes an arm state in; a bad one replaces nothing but is remembered as a problem.

        Args:
            state: The state as it arrived.
            now_s: Time of its arrival, s.
        """
        self._broken = self._problem_of(state)
        if self._broken:
            return
        last = self._newest
        if last is not None and (state.sequence, now_s) == (last.sequence, self._newest_s):
            # In lock-step the simulation repeats its state while its time stands still.
            self._newest = state
            self.repeated += 1
            return
        if last is not None and (state.sequence <= last.sequence or now_s < self._newest_s):
            # Chunks that answer the states of the driver's earlier life are unknown from now on.
            self._arrivals_s.clear()
            self._broken = (
                f"the arm's states went back (number {last.sequence} to {state.sequence}, "
                f"{now_s - self._newest_s:+.3f} s): the driver restarted, or two drivers run; "
                "leave one running, then hold and resume"
            )
        self._newest, self._newest_s = state, now_s
        self.repeated = 0
        self._arrivals_s[state.sequence] = now_s
        if len(self._arrivals_s) > _REMEMBERED_STATES:
            del self._arrivals_s[next(iter(self._arrivals_s))]

    def age_s(self, sequence: int, now_s: float) -> float | None:
        """Time since an arm state arrived, s; None for a future or a forgotten one.

        Where that state was skipped here, as a slow reader may, the one before it counts: the age
        is then overestimated, never underestimated.
        """
        known = sequence if sequence in self._arrivals_s else self._before(sequence)
        arrival_s = None if known is None else self._arrivals_s[known]
        return None if arrival_s is None else now_s - arrival_s

    def _before(self, sequence: int) -> int | None:
        """The newest state known from before a skipped one; None where it was not skipped."""
        if sequence > self.newest_sequence:
            return None
        return max((known for known in self._arrivals_s if known < sequence), default=None)

    def problem(self) -> str:
        """What is wrong with the arm by its own states; empty while healthy."""
        if self._broken:
            return self._broken
        return self._newest.fault if self._newest is not None else ""

    def newest_age_s(self, now_s: float) -> float | None:
        """Time since the newest good arm state arrived, s; None before the first."""
        return None if self._newest is None else now_s - self._newest_s

    def staleness(self, now_s: float) -> str:
        """Why nobody knows where the arm is; empty while somebody does."""
        age_s = self.newest_age_s(now_s)
        if age_s is None:
            return "no arm state has arrived yet: start the driver"
        if age_s <= self._max_age_s:
            return ""
        return (
            f"arm state stale: the newest is {age_s:.3f} s old, allowed are "
            f"{self._max_age_s:.3f} s; check the driver"
        )

    def next_sequence(self, time_s: float) -> int:
        """Sequence number of the first arm state that arrives at or after a time."""
        if self._newest is None:
            return 0
        return self._newest.sequence + (0 if self._newest_s >= time_s else 1)

    def anchor(self, limits: ToolLimits) -> Setpoint | str:
        """Where the first target after a rest starts.

        Args:
            limits: The workspace box and the longest step.

        Returns:
            The measured pose, moved into the box where it lies at most one step outside; or why it
            cannot be a start.
        """
        measured = self.measured
        if measured is None:
            return "no arm state has arrived yet: start the driver"
        inside_m = np.clip(measured.position_m, limits.low_m, limits.high_m)
        outside_m = float(np.linalg.norm(inside_m - measured.position_m))
        if outside_m > limits.max_translation_m:
            return (
                f"the tool is {outside_m:.3f} m outside the workspace box, at "
                f"{measured.position_m} m: bring it back with arm/home or by hand"
            )
        return replace(measured, position_m=inside_m)

    def _problem_of(self, state: ArmState) -> str:
        if state.robot != self._robot:
            return (
                f"the arm state is of {state.robot!r}, this is {self._robot!r}: "
                "check the namespaces"
            )
        numbers = (*state.position_m, *state.quaternion_xyzw, state.gripper_command)
        if not np.isfinite(numbers).all():
            return "the arm's pose or gripper is not finite: check its encoders and its driver"
        joints = state.joint_position_rad
        if self._joints and (joints.size != self._joints or not np.isfinite(joints).all()):
            return (
                f"the arm's joint positions are {joints}; they must be {self._joints} finite "
                "numbers: check its encoders, its driver, and that the rig's action space fits the "
                "arm"
            )
        if not 0 <= state.sequence <= _LAST_SEQUENCE:
            return (
                f"the arm state has number {state.sequence}, at most {_LAST_SEQUENCE} is possible: "
                "its sender is not the driver; see what else publishes arm/state"
            )
        farthest_m = float(np.abs(state.position_m).max())
        if farthest_m > _FARTHEST_M:
            return (
                f"the tool is {farthest_m:.4g} m from the arm's base, at most {_FARTHEST_M:g} m "
                "are possible: check its encoders and its driver"
            )
        length = float(np.linalg.norm(state.quaternion_xyzw))
        if abs(length - 1.0) > _QUATERNION_TOLERANCE:
            return f"the arm's orientation has length {length:.3g} instead of 1: check its driver"
        return ""
