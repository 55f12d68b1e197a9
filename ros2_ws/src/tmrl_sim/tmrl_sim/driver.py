"""The simulated WidowX as a driver of `tmrl_arm`: the cell in real time, no lock-step, no tricks.

It lets the software of a real arm run against physics. The simulation's own node (tmrl_sim.node)
stays the one for training: it knows objects, cameras, resets and lock-step.
"""

from collections import deque
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import ArmCapabilities, ArmConnectionError, ArmReading, CommandRefusedError
from tmrl_cell.cell import WidowXCell
from tmrl_cell.kinematics import ARM_JOINTS, TOOL_DOWN_WXYZ
from tmrl_cell.layouts import HOME_TOOL_POSITION_M, downstream_layout
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_common.clock import Clock

Array = NDArray[np.float64]

_TICK_S = 0.02
_LONGEST_GAP_S = 0.5
_LIFT_S = 1.0
_HOMING_S = 2.0
_SETTLED_S = 0.5
_MAX_VELOCITY_RAD_S = np.pi


@cache
def widowx_capabilities() -> ArmCapabilities:
    """What the simulated WidowX can do, by its model."""
    low_rad, high_rad = WidowXCell().joint_limits_rad
    return ArmCapabilities(
        model="simulated WidowX 250",
        joint_names=ARM_JOINTS,
        joint_low_rad=low_rad,
        joint_high_rad=high_rad,
        joint_max_velocity_rad_s=np.full(len(ARM_JOINTS), _MAX_VELOCITY_RAD_S),
        modes=frozenset({CommandMode.HOLD, CommandMode.CARTESIAN_POSE}),
        state_rate_hz=1.0 / _TICK_S,
        max_command_rate_hz=1.0 / _TICK_S,
    )


class SimulatedArm:
    """Implements `ArmDriver` on a `WidowXCell` whose time is that of the clock."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        """Lays out a scene; the arm is not connected.

        Args:
            clock: Whose time passes in the cell; after a gap of more than half a second the rest
                of the gap is left out.
            seed: Of the layout.
        """
        self._clock = clock
        self._cell = WidowXCell()
        self._cell.reset(downstream_layout(np.random.default_rng(seed)))
        self._connected = False
        self._now_s = clock.now_s()
        self._expires_s: float | None = None
        self._way_home: deque[tuple[Array, float]] = deque()
        self._leg_ends_s = 0.0
        self._homing = False

    @property
    def capabilities(self) -> ArmCapabilities:
        """Those of the model."""
        return widowx_capabilities()

    def connect(self) -> None:
        """See `ArmDriver.connect`."""
        self._now_s = self._clock.now_s()
        self._halt()
        self._connected = True

    def read(self) -> ArmReading:
        """See `ArmDriver.read`."""
        self._catch_up()
        arm = self._cell.readings()
        return ArmReading(
            measured_s=self._now_s,
            joint_position_rad=arm.joint_position_rad,
            joint_velocity_rad_s=arm.joint_velocity_rad_s,
            joint_effort_nm=np.zeros(0),
            tool_position_m=arm.tool_position_m,
            tool_quaternion_xyzw=np.roll(arm.tool_quaternion_wxyz, -1),
            gripper_opening=arm.gripper_opening,
            gripper_commanded=arm.gripper_commanded,
            homing=self._homing,
            holding=self._expires_s is None and not self._homing,
            fault=None,
        )

    def command(self, command: ArmCommand) -> None:
        """See `ArmDriver.command`."""
        self._catch_up()
        self._homing = False
        try:
            self._cell.command(
                command.position_m,
                np.roll(command.quaternion_xyzw, 1),
                command.gripper_opening,
                command.duration_s,
            )
        except ValueError as error:
            self._halt()
            raise CommandRefusedError(str(error)) from error
        self._expires_s = self._now_s + command.valid_for_s

    def stop(self) -> None:
        """See `ArmDriver.stop`."""
        self._catch_up()
        self._halt()

    def home(self) -> None:
        """See `ArmDriver.home`: up first, so that nothing on the table is swept away."""
        self._catch_up()
        self._halt()
        x_m, y_m, z_m = self._cell.readings().tool_position_m
        lifted_m = np.array((x_m, y_m, max(z_m, HOME_TOOL_POSITION_M[2])))
        self._way_home = deque(((lifted_m, _LIFT_S), (np.array(HOME_TOOL_POSITION_M), _HOMING_S)))
        self._homing = True
        self._next_leg()

    def recover(self) -> None:
        """See `ArmDriver.recover`; this arm has no faults."""
        self._catch_up()

    def close(self) -> None:
        """See `ArmDriver.close`."""
        if self._connected:
            self._catch_up()
            self._halt()
        self._connected = False

    def _halt(self) -> None:
        self._cell.hold()
        self._expires_s = None
        self._homing = False

    def _next_leg(self) -> None:
        """Sets off on the next part of the way home; after the last one, lets the arm settle."""
        if not self._way_home:
            self._homing = self._now_s < self._leg_ends_s + _SETTLED_S
            return
        target_m, duration_s = self._way_home.popleft()
        gripper = self._cell.readings().gripper_commanded
        try:
            self._cell.command(target_m, TOOL_DOWN_WXYZ, gripper, duration_s)
        except ValueError as error:
            self._halt()
            raise CommandRefusedError(str(error)) from error
        self._leg_ends_s = self._now_s + duration_s

    def _catch_up(self) -> None:
        """Lets the physics run up to now, tick by tick; what is due on the way is done then."""
        if not self._connected:
            raise ArmConnectionError("the simulated arm is not connected; connect it first")
        self._now_s = max(self._now_s, self._clock.now_s() - _LONGEST_GAP_S)
        while self._clock.now_s() - self._now_s >= _TICK_S:
            self._cell.advance(_TICK_S)
            self._now_s += _TICK_S
            if self._expires_s is not None and self._now_s >= self._expires_s:
                self._halt()
            if self._homing and self._now_s >= self._leg_ends_s:
                self._next_leg()
