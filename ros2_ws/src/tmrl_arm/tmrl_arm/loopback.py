"""An arm that is made up: joints that go where they are commanded, and a tool that does not care.

For tests of everything around the arm: the tool goes to its targets and the joints turn at their
speeds, but neither moves the other. Faults and broken connections are made on request.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import (
    ArmCapabilities,
    ArmConnectionError,
    ArmReading,
    CommandRefusedError,
    Fault,
)
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_common.arm_drivers import DriverDescription
from tmrl_common.clock import Clock
from tmrl_common.errors import ConfigError

Array = NDArray[np.float64]

_HOME_M = np.array((0.3, 0.0, 0.15))
_REACH_M = 0.7
_HOMING_S = 1.0
_GRIPPER_STROKE_S = 0.5
_TOOL_DOWN_XYZW = np.array((0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)))


@dataclass(frozen=True)
class LoopbackConfig:
    """Whose joints the made-up arm has.

    Attributes:
        joint_names: Of the arm that it stands in for.
        rest_joint_rad: Their positions at the rest pose, rad.
    """

    joint_names: tuple[str, ...] = tuple(f"joint_{number}" for number in range(1, 7))
    rest_joint_rad: tuple[float, ...] = (0.0,) * 6

    def __post_init__(self) -> None:
        """Refuses a rest pose of other joints.

        Raises:
            ConfigError: The numbers of names and positions differ, or there are none.
        """
        names, positions = len(self.joint_names), len(self.rest_joint_rad)
        if names != positions or not names:
            raise ConfigError(
                f"rest_joint_rad has {positions} positions for {names} joint_names; give one each"
            )


def capabilities_of(config: LoopbackConfig) -> ArmCapabilities:
    """What the made-up arm can do: everything, with these joints."""
    joints = len(config.joint_names)
    return ArmCapabilities(
        model="loopback arm",
        joint_names=config.joint_names,
        joint_low_rad=np.full(joints, -np.pi),
        joint_high_rad=np.full(joints, np.pi),
        joint_max_velocity_rad_s=np.full(joints, np.pi),
        modes=frozenset(CommandMode),
        state_rate_hz=100.0,
        max_command_rate_hz=100.0,
    )


class LoopbackArm:
    """Implements `ArmDriver` without hardware; time passes only by its clock."""

    def __init__(self, config: LoopbackConfig, clock: Clock) -> None:
        """Takes joints and clock; the arm is at its rest pose, not connected."""
        self._config = config
        self._rest_rad: Array = np.array(config.rest_joint_rad)
        self._joints = self._rest_rad.size
        self._clock = clock
        self._connected = False
        self._cut = False
        self._fault: Fault | None = None
        self._now_s = clock.now_s()
        self._joint_rad: Array = self._rest_rad.copy()
        self._joint_speed: Array = np.zeros(self._joints)
        self._tool_m: Array = _HOME_M.copy()
        self._tool_xyzw: Array = _TOOL_DOWN_XYZW.copy()
        self._tool_speed: Array = np.zeros(3)
        self._arrives_s = self._expires_s = self._now_s
        self._homing = False
        self._opening = 1.0
        self._opening_wanted = 1.0
        self.commands: list[ArmCommand] = []
        """Every command that was accepted, for tests."""

    @property
    def capabilities(self) -> ArmCapabilities:
        """Those of a small arm."""
        return capabilities_of(self._config)

    def inject_fault(self, fault: Fault) -> None:
        """Makes the arm faulty, for tests."""
        self._advance()
        self._fault = fault
        self._halt()

    def cut(self) -> None:
        """Break the connection, for tests."""
        self._cut = True

    def mend(self) -> None:
        """Undo `cut`."""
        self._cut = False

    def connect(self) -> None:
        """See `ArmDriver.connect`."""
        if self._cut:
            raise ArmConnectionError("the loopback's connection is cut; mend it")
        self._advance()
        self._halt()
        self._connected = True

    def read(self) -> ArmReading:
        """See `ArmDriver.read`."""
        self._check_connection()
        self._advance()
        moving = self._now_s < self._expires_s and self._fault is None
        return ArmReading(
            measured_s=self._now_s,
            joint_position_rad=self._joint_rad.copy(),
            joint_velocity_rad_s=self._joint_speed.copy() if moving else np.zeros(self._joints),
            joint_effort_nm=np.zeros(0),
            tool_position_m=self._tool_m.copy(),
            tool_quaternion_xyzw=self._tool_xyzw.copy(),
            gripper_opening=self._opening,
            gripper_commanded=self._opening_wanted,
            homing=self._homing,
            holding=not moving,
            fault=self._fault,
        )

    def command(self, command: ArmCommand) -> None:
        """See `ArmDriver.command`."""
        self._check_connection()
        self._advance()
        self._halt()
        if self._fault is not None:
            raise CommandRefusedError(f"the arm has a fault: {self._fault.sentence}")
        if command.mode == CommandMode.CARTESIAN_POSE:
            reach_m = float(np.linalg.norm(command.position_m))
            if reach_m > _REACH_M:
                raise CommandRefusedError(
                    f"the target is {reach_m:.2f} m from the base; the reach is {_REACH_M} m: "
                    "keep it inside the workspace box"
                )
            self._set_off(command.position_m, command.duration_s)
            self._tool_xyzw = command.quaternion_xyzw.copy()
        else:
            self._joint_speed = command.joint_velocity_rad_s.copy()
        self._expires_s = self._now_s + command.valid_for_s
        self._opening_wanted = command.gripper_opening
        self.commands.append(command)

    def stop(self) -> None:
        """See `ArmDriver.stop`."""
        self._check_connection()
        self._advance()
        self._halt()

    def home(self) -> None:
        """See `ArmDriver.home`."""
        self._check_connection()
        self._advance()
        self._halt()
        if self._fault is not None:
            raise CommandRefusedError(f"the arm has a fault: {self._fault.sentence}")
        self._set_off(_HOME_M, _HOMING_S)
        self._joint_speed = (self._rest_rad - self._joint_rad) / _HOMING_S
        self._expires_s = self._arrives_s
        self._homing = True

    def recover(self) -> None:
        """See `ArmDriver.recover`; every fault can be cleared."""
        self._check_connection()
        self._fault = None

    def close(self) -> None:
        """See `ArmDriver.close`."""
        self._advance()
        self._halt()
        self._connected = False

    def _check_connection(self) -> None:
        if self._cut:
            self._connected = False
        if not self._connected:
            raise ArmConnectionError("the loopback arm is not connected; connect it first")

    def _set_off(self, target_m: Array, duration_s: float) -> None:
        self._tool_speed = (target_m - self._tool_m) / duration_s
        self._arrives_s = self._now_s + duration_s

    def _halt(self) -> None:
        self._expires_s = self._arrives_s = self._now_s
        self._joint_speed = np.zeros(self._joints)
        self._tool_speed = np.zeros(3)
        self._homing = False

    def _advance(self) -> None:
        """Lets the time pass that passed by the clock."""
        now_s = self._clock.now_s()
        moving_s = max(min(now_s, self._expires_s) - self._now_s, 0.0)
        under_way_s = max(min(now_s, self._expires_s, self._arrives_s) - self._now_s, 0.0)
        self._joint_rad = self._joint_rad + moving_s * self._joint_speed
        self._tool_m = self._tool_m + under_way_s * self._tool_speed
        step = (now_s - self._now_s) / _GRIPPER_STROKE_S
        self._opening += float(np.clip(self._opening_wanted - self._opening, -step, step))
        self._now_s = now_s
        if now_s >= self._expires_s:
            self._halt()


DESCRIPTION = DriverDescription(
    name="loopback",
    driver="tmrl_arm.loopback:LoopbackArm",
    simulated=True,
    settings=LoopbackConfig,
    capabilities=capabilities_of,
)
"""What tmrl_arm says about it."""
