"""A WidowX on a made-up bus: motors that do at once what they are asked, or fail on request."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.interbotix.bus import JointSample, MotorInfo, Motors, Register
from tmrl_arm.interbotix.config import (
    GRIPPER,
    JOINT_HIGH_RAD,
    JOINT_LOW_RAD,
    JOINTS,
    InterbotixConfig,
)
from tmrl_arm.interbotix.core import InterbotixCore
from tmrl_arm.interbotix.kinematics import TOOL_DOWN_XYZW, forward, tool_down
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_common.testing import FakeClock

T = TypeVar("T")
Array = NDArray[np.float64]

CONFIG = InterbotixConfig()
HOME_RAD = tool_down(np.array(CONFIG.home_position_m), (JOINT_LOW_RAD, JOINT_HIGH_RAD))
_MOTORS = {
    "all": range(7),
    "arm": range(6),
    GRIPPER: range(6, 7),
    "shoulder_shadow": range(7, 8),
    "elbow_shadow": range(8, 9),
}


class FakeBus:
    """Implements `interbotix.bus.Bus`; answers come at once, or never.

    Attributes:
        ends_at: Group reads end before this motor, as where it is in an error state.
        mute_from: By register: from this motor on nothing is answered.
        empty_answers: So many reads are answered with nothing from now on.
        names_of_publishers: Nodes that publish the joint states.
        deeds: What was written or switched.
        written: Joint setpoints, rad.
        fingers: Setpoints of the gripper, m.
    """

    def __init__(self, clock: FakeClock) -> None:
        """The arm is at its rest pose, and all is well."""
        self.clock = clock
        self.position_rad: Array = HOME_RAD.copy()
        self.finger_m = 0.037
        self.registers = {register: [1] * 9 for register in Register}
        self.registers[Register.HARDWARE_ERROR_STATUS] = [0] * 9
        self.mode = ("position", "time")
        self.names = JOINTS
        self.limits = (JOINT_LOW_RAD, JOINT_HIGH_RAD)
        self.answers = self.moves = self.talks = True
        self.ends_at = 9
        self.mute_from = dict.fromkeys(Register, 9)
        self.empty_answers = 0
        self.names_of_publishers: tuple[str, ...] = ("xs_sdk",)
        self.deeds: list[tuple[object, ...]] = []
        self.written: list[Array] = []
        self.fingers: list[float] = []
        self.sample: JointSample | None = None
        self.publish()

    def publish(self, position_rad: Array | None = None) -> None:
        """New joint states: of where the arm is, or what they say instead, shape (6,), rad."""
        shown = self.position_rad if position_rad is None else position_rad
        self.sample = JointSample(self.clock.now_s(), shown.copy(), np.zeros(6), self.finger_m)

    def open(self, timeout_s: float) -> None:
        """See `Bus.open`."""

    def close(self) -> None:
        """See `Bus.close`."""

    def newest(self) -> JointSample | None:
        """See `Bus.newest`."""
        return self.sample

    def publishers(self) -> tuple[str, ...]:
        """See `Bus.publishers`."""
        return self.names_of_publishers

    def info(self, motors: Motors) -> Future[MotorInfo]:
        """See `Bus.info`."""
        mode, profile = ("linear_position", "velocity") if motors.name == GRIPPER else self.mode
        return self._answer(MotorInfo(self.names, mode, profile, *self.limits))

    def get_registers(self, motors: Motors, register: Register) -> Future[tuple[int, ...]]:
        """See `Bus.get_registers`."""
        nothing: tuple[int, ...] = ()
        if self.empty_answers:
            self.empty_answers -= 1
            return self._answer(nothing)
        heard = [i for i in _MOTORS[motors.name] if i < self.ends_at or i > 6]
        values = self.registers[register]
        return self._answer(tuple(values[i] for i in heard if i < self.mute_from[register]))

    def set_registers(self, motors: Motors, register: Register, value: int) -> Future[None]:
        """See `Bus.set_registers`."""
        self.deeds.append((motors.name, register.value, value))
        self.registers[register] = [value] * 9
        return self._answer(None)

    def set_mode(self, motors: Motors, mode: str) -> Future[None]:
        """See `Bus.set_mode`."""
        self.deeds.append((motors.name, mode))
        return self._answer(None)

    def set_torque(self, motors: Motors, *, on: bool) -> Future[None]:
        """See `Bus.set_torque`."""
        self.deeds.append((motors.name, "torque", on))
        self.registers[Register.TORQUE_ENABLE] = [int(on)] * 9
        return self._answer(None)

    def reboot(self, motors: Motors) -> Future[None]:
        """See `Bus.reboot`."""
        self.deeds.append((motors.name, "reboot"))
        return self._answer(None)

    def write_arm(self, position_rad: Array) -> None:
        """See `Bus.write_arm`."""
        self.written.append(position_rad.copy())
        if self.moves:
            self.position_rad = position_rad.copy()

    def write_gripper(self, finger_m: float) -> None:
        """See `Bus.write_gripper`."""
        self.fingers.append(finger_m)

    def _answer(self, value: T) -> Future[T]:
        answer: Future[T] = Future()
        if self.answers:
            answer.set_result(value)
        return answer


class Arm:
    """A core on a fake bus, with a clock of its own."""

    core: InterbotixCore

    def __init__(self, fault: str = "", config: InterbotixConfig = CONFIG) -> None:
        """Takes what the core takes; nothing is connected."""
        self.clock = FakeClock(start_s=10.0)
        self.bus = FakeBus(self.clock)
        self.config, self.fault = config, fault

    def connect(self) -> "Arm":
        """Makes the core."""
        self.core = InterbotixCore(self.config, self.bus, self.clock, self.fault)
        return self

    def run(self, seconds: float, show: Callable[[], Array] | None = None) -> "Arm":
        """Lets time pass, tick by tick; `show` gives what the joint states say instead."""
        for _ in range(round(seconds * self.config.stream_rate_hz)):
            self.clock.advance(1.0 / self.config.stream_rate_hz)
            if self.bus.talks:
                self.bus.publish(show() if show else None)
            self.core.tick()
        return self

    def sentence(self) -> str:
        """The arm's fault; empty while it is well."""
        fault = self.core.read().fault
        return fault.sentence if fault else ""

    def tool_m(self) -> Array:
        """Where the tool really is, shape (3,), m."""
        return forward(self.bus.position_rad)[0]


def to(
    position_m: tuple[float, ...],
    duration_s: float = 0.2,
    valid_for_s: float = 1.0,
    gripper: float = 1.0,
    mode: CommandMode = CommandMode.CARTESIAN_POSE,
) -> ArmCommand:
    """A command to a tool position, gripper pointing down."""
    return ArmCommand(
        robot="widowx",
        sequence=1,
        arm_state_sequence=1,
        mode=mode,
        position_m=np.asarray(position_m, dtype=np.float64),
        quaternion_xyzw=TOOL_DOWN_XYZW,
        joint_velocity_rad_s=np.zeros(0),
        gripper_opening=gripper,
        duration_s=duration_s,
        valid_for_s=valid_for_s,
    )
