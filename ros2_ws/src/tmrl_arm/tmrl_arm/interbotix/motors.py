"""What is done to the motors on purpose: looking at all, torque, reboot, registers.

Torque off and reboot let the arm sink under its own weight. They happen only where the caller says
that the arm is held.
"""

from concurrent.futures import Future
from typing import TypeVar

from tmrl_arm.driver import ArmConnectionError, ArmFaultError
from tmrl_arm.interbotix.bus import ALL, ARM, Array, Bus, MotorInfo, Register, single
from tmrl_arm.interbotix.bus import Motors as Target
from tmrl_arm.interbotix.config import GRIPPER, JOINTS, SHADOWS, InterbotixConfig
from tmrl_arm.interbotix.health import READ_TOGETHER, error_sentence, mute_sentence

T = TypeVar("T")

_GRIPPER_MODE = "linear_position"
_LIMIT_TOLERANCE = 0.1
_SIMULATED_NODE = "xs_sdk_sim"
"""Name of the vendor's simulated driver; the one that speaks to motors is another."""
_ATTEMPTS = 3
"""One answer that ends early is a hiccup of the motors' bus; this many say that a motor is mute."""
MOTOR_NAMES = (*JOINTS, *SHADOWS, GRIPPER)
"""All nine motors."""


class Motors:
    """Requests to the motors that wait for the answer, and check what the services do not tell."""

    def __init__(self, bus: Bus, config: InterbotixConfig) -> None:
        """Uses an open bus."""
        self._bus = bus
        self._config = config
        self._simulated = False

    def check_model(self) -> None:
        """Makes sure that this is the arm it should be, in the mode it should be in.

        Raises:
            ArmConnectionError: It is another one, or it or none of its motors answers.
        """
        info = self._wait(self._bus.info(ARM))
        if info.joint_names != JOINTS:
            raise ArmConnectionError(
                f"the vendor's driver has the joints {', '.join(info.joint_names)}, expected "
                f"{', '.join(JOINTS)}: start it with robot_model:=wx250s"
            )
        self._check_limits(info)
        if (info.mode, info.profile_type) != ("position", "time"):
            raise ArmConnectionError(
                f"the arm is in mode {info.mode!r} with profile {info.profile_type!r}; changing "
                "that would drop it. Start the vendor's driver with its own modes.yaml: position, "
                "time"
            )
        self._simulated = self._is_simulated()

    def set_profile(self) -> None:
        """Writes the registers that a motor forgets when it restarts, and reads them back.

        Raises:
            ArmConnectionError: A motor did not take its value.
        """
        if self._wait(self._bus.info(single(GRIPPER))).mode != _GRIPPER_MODE:
            self._wait(self._bus.set_mode(single(GRIPPER), _GRIPPER_MODE))
        joints = len(JOINTS)
        self._write(ARM, joints, Register.PROFILE_VELOCITY, self._config.profile_time_ms)
        self._write(ARM, joints, Register.PROFILE_ACCELERATION, self._config.profile_time_ms // 2)
        if not self._simulated:
            self._write(single(GRIPPER), 1, Register.GOAL_PWM, self._config.gripper_pwm)

    @property
    def simulated(self) -> bool:
        """Whether this is the vendor's simulated driver, which has no error registers."""
        return self._simulated

    def problem(self) -> str:
        """What is wrong with a motor, with the remedy; empty while all nine are well."""
        if self._simulated:
            return ""
        for motors, names in READ_TOGETHER:
            values = self._read(motors, len(names), Register.HARDWARE_ERROR_STATUS)
            sentence = error_sentence(names, values)
            if sentence:
                return sentence
        return ""

    def complaint(self) -> str:
        """What is wrong with a motor or its torque; empty while all nine are well and hold."""
        problem = self.problem()
        if problem:
            return problem
        try:
            limp = self.limp()
        except ArmFaultError as error:
            return str(error)
        return f"without torque: {', '.join(limp)}" if limp else ""

    def firmware(self) -> tuple[int, ...]:
        """Versions that the motors run, each once; empty where they do not tell."""
        reads = [self._bus.get_registers(m, Register.FIRMWARE_VERSION) for m, _ in READ_TOGETHER]
        return tuple(sorted({version for read in reads for version in self._wait(read)}))

    def limp(self) -> tuple[str, ...]:
        """The motors without torque.

        Raises:
            ArmFaultError: A motor does not tell.
        """
        if self._simulated:
            return ()
        found: list[str] = []
        for motors, names in READ_TOGETHER:
            values = self._read(motors, len(names), Register.TORQUE_ENABLE)
            found += [name for name, on in zip(names, values, strict=False) if not on]
            if len(values) < len(names):
                raise ArmFaultError(mute_sentence(names[len(values)]))
        return tuple(found)

    def stiffen(self, position_rad: Array) -> None:
        """Switch the torque of all motors on where the arm is; it does not move.

        Args:
            position_rad: Where it is, shape (6,), rad.

        Raises:
            ArmFaultError: A motor stays without torque.
        """
        # The target first: a motor that still has an old one would jump to it.
        self._bus.write_arm(position_rad)
        self.limp()
        self._wait(self._bus.set_torque(ALL, on=True))
        limp = self.limp()
        if limp:
            raise ArmFaultError(
                f"{', '.join(limp)} stayed without torque: restart the vendor's driver"
            )

    def torque_off(self, *, arm_is_held: bool) -> None:
        """Lets the arm go limp.

        Raises:
            ArmFaultError: Nobody holds the arm; it would fall.
        """
        _demand(arm_is_held, "without torque the arm falls")
        self._wait(self._bus.set_torque(ALL, on=False))

    def reboot(self, name: str, *, arm_is_held: bool) -> None:
        """Restart a motor and switch its torque on; it is limp for about a second.

        Raises:
            ArmFaultError: Nobody holds the arm, or there is no such motor.
        """
        if name not in MOTOR_NAMES:
            raise ArmFaultError(
                f"there is no motor {name!r}; the motors are {', '.join(MOTOR_NAMES)}"
            )
        _demand(arm_is_held, f"while {name} restarts the arm sinks")
        self._wait(self._bus.reboot(single(name)))

    def _check_limits(self, info: MotorInfo) -> None:
        low, high = self._config.joint_low_rad, self._config.joint_high_rad
        for i, name in enumerate(JOINTS if info.low.size else ()):
            if low[i] < info.low[i] - _LIMIT_TOLERANCE or high[i] > info.high[i] + _LIMIT_TOLERANCE:
                raise ArmConnectionError(
                    f"the vendor's driver limits {name} to {info.low[i]:.3f} and {info.high[i]:.3f}"
                    f" rad, this one counts on {low[i]:.3f} and {high[i]:.3f}: it is not a wx250s"
                )

    def _is_simulated(self) -> bool:
        """The vendor's simulated driver bears its name, and has no error registers.

        Raises:
            ArmConnectionError: No motor tells of its health, and the name does not explain it.
        """
        for _ in range(_ATTEMPTS):
            reads = [
                self._bus.get_registers(motors, Register.HARDWARE_ERROR_STATUS)
                for motors, _ in READ_TOGETHER
            ]
            answers = [self._wait(read) for read in reads]
            if any(answers):
                return False
        publishers = self._bus.publishers()
        if publishers == (_SIMULATED_NODE,):
            return True
        raise ArmConnectionError(
            f"none of the {len(MOTOR_NAMES)} motors tells its {Register.HARDWARE_ERROR_STATUS} in "
            f"{_ATTEMPTS} attempts, and the joint states come from "
            f"{', '.join(publishers) or 'an unknown node'}, not from the vendor's simulated driver "
            f"({_SIMULATED_NODE}): look at the motors' power, LEDs and cables, then start the "
            "vendor's driver again"
        )

    def _read(self, motors: Target, count: int, register: Register) -> tuple[int, ...]:
        """The longest of a few answers; `count` values where every motor answers."""
        longest: tuple[int, ...] = ()
        for _ in range(_ATTEMPTS):
            values = self._wait(self._bus.get_registers(motors, register))
            longest = max(longest, values, key=len)
            if len(longest) >= count:
                break
        return longest

    def _write(self, motors: Target, count: int, register: Register, value: int) -> None:
        self._wait(self._bus.set_registers(motors, register, value))
        values = self._read(motors, count, register)
        if values != (value,) * count:
            raise ArmConnectionError(
                f"{register} of {motors.name} was to become {value} and reads {list(values)}: a "
                "motor does not answer; look at the LEDs and cables"
            )

    def _wait(self, answer: Future[T]) -> T:
        try:
            return answer.result(self._config.service_timeout_s)
        except TimeoutError as error:
            raise ArmConnectionError(
                f"the vendor's driver did not answer for {self._config.service_timeout_s:g} s: it "
                "died or hangs; restart it"
            ) from error


def _demand(held: bool, why: str) -> None:  # noqa: FBT001 - the one thing that is asked
    if not held:
        raise ArmFaultError(f"{why}: hold it by hand or rest it, then say so (--arm-is-held)")
