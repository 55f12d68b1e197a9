"""Is every motor of the arm alive? Judged from the joint states and from the error registers.

The vendor's driver publishes joint states whatever happens: a motor that drops off the bus makes
all joints read the raw value 0, which is -pi rad; a motor that shut itself down still reports where
it is, while it no longer follows. Its error register cannot be read in that state, so that the
answer to a group read ends at that motor.
"""

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.interbotix.bus import ALL, Bus, JointSample, Motors, Register, single
from tmrl_arm.interbotix.config import GRIPPER, JOINTS, SHADOWS, InterbotixConfig

Array = NDArray[np.float64]

READ_TOGETHER: tuple[tuple[Motors, tuple[str, ...]], ...] = (
    (ALL, (*JOINTS, GRIPPER)),
    *((single(name), (name,)) for name in SHADOWS),
)
"""The register reads that together see all nine motors, with the motors each one answers for."""

_RAW_ZERO_RAD = -np.pi
_RAW_ZERO_WIDTH_RAD = 1e-3
_FALLING_RAD_S = 10.0
_JUMP_RAD = 0.1
_JUMP_TIME_S = 0.1
_STILL_RAD = 1e-6
_LED_RAD = 0.1

_ERROR_BITS = {
    0: ("input voltage", "check the 12 V supply and its plug"),
    2: ("overheating", "let it cool down with the arm resting"),
    3: ("encoder", "the motor must be repaired"),
    4: ("electrical shock", "check the supply and the cables"),
    5: ("overload", "take away what it pressed on or carried"),
}

REBOOT = (
    "hold the arm, run `python -m tmrl_arm.interbotix.tool reboot {name} --arm-is-held`, "
    "then call arm/recover"
)


def error_sentence(names: tuple[str, ...], values: tuple[int, ...]) -> str:
    """What a read of Hardware_Error_Status says.

    Args:
        names: The motors that were asked, in order.
        values: One per motor, or fewer: the read ended at the first motor that failed.

    Returns:
        A sentence that names motor and remedy; empty while all is well.
    """
    for name, value in zip(names, values, strict=False):
        if value:
            bits = [text for bit, text in _ERROR_BITS.items() if value >> bit & 1]
            what = " and ".join(text for text, _ in bits) or f"error {value:#04x}"
            advice = "; ".join(text for _, text in bits) or "see the motor's manual"
            return f"motor {name} shut itself down ({what}): {advice}; {REBOOT.format(name=name)}"
    return mute_sentence(names[len(values)]) if len(values) < len(names) else ""


def mute_sentence(name: str) -> str:
    """What to say of a motor that does not answer."""
    return (
        f"motor {name} does not answer: where its LED blinks it shut itself down, most often "
        f"from overload: {REBOOT.format(name=name)}. Where it is dark, its cable or its power "
        "is off: switch the arm off, mend it, and start the vendor's driver again"
    )


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a joint.

    Attributes:
        sentence: What was seen, and the remedy.
        pressing: Whether the joint may be pressing against something.
    """

    sentence: str
    pressing: bool = False


class JointWatch:
    """Judges the joint states against what the joints were commanded.

    Attributes:
        good: The last sample that made sense.
    """

    def __init__(self, config: InterbotixConfig, sample: JointSample) -> None:
        """Starts from a first sample, which must make sense (see `nonsense_in`)."""
        self._config = config
        self.good = sample
        self._newest = sample
        self._nonsense = ""
        self._nonsense_since_s = 0.0
        self._still_rad = sample.position_rad
        self._still_setpoint_rad = sample.position_rad
        self._led_since_s: Array = np.full(len(JOINTS), np.inf)
        self._behind_since_s: Array = np.full(len(JOINTS), np.inf)

    def look(self, sample: JointSample, setpoint_rad: Array) -> Trouble | None:
        """Takes a sample in; the same one again changes nothing.

        Args:
            sample: The newest.
            setpoint_rad: What the joints were commanded last, shape (6,), rad.

        Returns:
            What is wrong with the arm; None while all is well.
        """
        if sample is self._newest:
            return None
        self._newest = sample
        nonsense = nonsense_in(sample) or self._jump_to(sample)
        if not nonsense:
            self._nonsense = ""
            self.good = sample
            return self._frozen(setpoint_rad) or self._behind(setpoint_rad)
        if not self._nonsense:
            self._nonsense_since_s = sample.received_s
        self._nonsense = nonsense
        lasts_s = sample.received_s - self._nonsense_since_s
        return Trouble(nonsense) if lasts_s >= self._config.state_timeout_s else None

    def _jump_to(self, sample: JointSample) -> str:
        """A single garbled message is nothing; a jump that stays is a fault."""
        passed_s = min(sample.received_s - self.good.received_s, _JUMP_TIME_S)
        change = np.abs(sample.position_rad - self.good.position_rad)
        for joint in np.flatnonzero(change > _JUMP_RAD + _FALLING_RAD_S * passed_s).tolist():
            return (
                f"{JOINTS[joint]} jumped from {self.good.position_rad[joint]:.3f} to "
                f"{sample.position_rad[joint]:.3f} rad at once: a motor restarted or its cable is "
                "loose; look at the arm, then call arm/recover"
            )
        return ""

    def _frozen(self, setpoint_rad: Array) -> Trouble | None:
        """A joint whose reading never changes while it is led elsewhere."""
        now_s = self.good.received_s
        moved = np.abs(self.good.position_rad - self._still_rad) > _STILL_RAD
        self._still_rad = np.where(moved, self.good.position_rad, self._still_rad)
        self._still_setpoint_rad = np.where(moved, setpoint_rad, self._still_setpoint_rad)
        led = np.abs(setpoint_rad - self._still_setpoint_rad) > _LED_RAD
        self._led_since_s = np.where(led, np.minimum(self._led_since_s, now_s), np.inf)
        frozen = now_s - self._led_since_s >= self._config.following_time_s
        for joint in np.flatnonzero(frozen).tolist():
            return Trouble(
                f"{JOINTS[joint]} stays at exactly {self.good.position_rad[joint]:.4f} rad "
                f"although it was led to {setpoint_rad[joint]:.3f} rad: its motor has no torque "
                "or its reading is frozen; look at its LED, then call arm/recover"
            )
        return None

    def _behind(self, setpoint_rad: Array) -> Trouble | None:
        """A joint that moves, but not as commanded."""
        now_s = self.good.received_s
        error = np.abs(setpoint_rad - self.good.position_rad)
        behind = error > self._config.following_error_rad
        self._behind_since_s = np.where(behind, np.minimum(self._behind_since_s, now_s), np.inf)
        too_long = now_s - self._behind_since_s >= self._config.following_time_s
        for joint in np.flatnonzero(too_long).tolist():
            return Trouble(
                f"{JOINTS[joint]} is {error[joint]:.2f} rad away from where it was led (at most "
                f"{self._config.following_error_rad:.2f}): it is blocked, overloaded or without "
                "torque; free the arm, look at the motor's LED, then call arm/recover",
                pressing=True,
            )
        return None


def nonsense_in(sample: JointSample) -> str:
    """Why a sample cannot be true; empty where it can."""
    bad = ~(np.isfinite(sample.position_rad) & np.isfinite(sample.velocity_rad_s))
    for joint in np.flatnonzero(bad).tolist():
        return (
            f"the joint states give {sample.position_rad[joint]} rad for {JOINTS[joint]}, at "
            f"{sample.velocity_rad_s[joint]} rad/s: restart the vendor's driver, then call "
            "arm/recover"
        )
    if not np.isfinite(sample.finger_m):
        return (
            f"the joint states give {sample.finger_m} m for the gripper: restart the vendor's "
            "driver, then call arm/recover"
        )
    if (np.abs(sample.position_rad - _RAW_ZERO_RAD) < _RAW_ZERO_WIDTH_RAD).all():
        return (
            "all joints read -3.142 rad, the raw value 0: the vendor's driver cannot read the "
            "motors, one of them is off the bus; check cables and LEDs, then call arm/recover"
        )
    return ""


class MotorPoll:
    """Reads the error registers in turn, one request in flight at a time."""

    def __init__(self, config: InterbotixConfig, bus: Bus) -> None:
        """Asks nothing yet."""
        self._period_s = config.health_period_s / len(READ_TOGETHER)
        self._timeout_s = config.service_timeout_s
        self._bus = bus
        self._turn = 0
        self._answer: Future[tuple[int, ...]] | None = None
        self._asked_s = -np.inf

    def look(self, now_s: float) -> str:
        """Takes an answer in, asks the next question.

        Returns:
            What is wrong with a motor, with the remedy; empty while all is well.
        """
        if self._answer is None:
            if now_s - self._asked_s >= self._period_s:
                motors, _ = READ_TOGETHER[self._turn]
                self._answer = self._bus.get_registers(motors, Register.HARDWARE_ERROR_STATUS)
                self._asked_s = now_s
            return ""
        if self._answer.done():
            _, names = READ_TOGETHER[self._turn]
            values = self._answer.result()
            self._answer = None
            self._turn = (self._turn + 1) % len(READ_TOGETHER)
            return error_sentence(names, values)
        if now_s - self._asked_s < self._timeout_s:
            return ""
        self._answer = None
        return (
            f"the vendor's driver did not answer for {self._timeout_s:g} s: it hangs; restart it, "
            "then call arm/recover"
        )
