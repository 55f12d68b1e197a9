"""Which readings of a person's device may move the arm: its own, of now, in its base frame."""

from tmrl_common.chunks import RefusalCode
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig
from tmrl_controller.inputs import TeleopCommand
from tmrl_controller.refusals import Refusal
from tmrl_controller.teleop import DeadManSwitch

_NS_PER_S = 1e9


class TeleopGate:
    """Judges readings and hands the good ones to the dead-man switch."""

    def __init__(
        self, config: ControllerConfig, clock: StampingClock, switch: DeadManSwitch
    ) -> None:
        """Takes what a good reading looks like.

        Args:
            config: Names the arm, and says how old a reading may be.
            clock: Its stamps are those of the readings.
            switch: Gets the good ones.
        """
        self._robot, self._max_age_s = config.robot, config.max_teleop_age_s
        self._clock, self._switch = clock, switch

    def take(self, command: TeleopCommand, base_frame: str) -> Refusal | None:
        """Takes a reading in.

        A reading that is refused moves nothing; a release among them ends the motion all the same.

        Args:
            command: The reading.
            base_frame: Frame of the arm's states; empty where they name none.

        Returns:
            Why it does not move the arm; None where it may, or where that was said before.
        """
        now_s = self._clock.now_s()
        if refusal := self._judge(command, base_frame):
            if command.robot == self._robot and not command.active:
                self._switch.let_go(now_s)
            return refusal
        self._switch.receive(command, now_s)
        sentence = self._switch.first_word_of_another(command, now_s)
        if sentence := sentence or self._switch.first_word_of_lock(now_s):
            return Refusal(RefusalCode.CANNOT_START, sentence)
        return None

    def _judge(self, command: TeleopCommand, base_frame: str) -> Refusal | None:
        if command.robot != self._robot:
            return Refusal(
                RefusalCode.WRONG_ROBOT,
                f"a teleop command is for {command.robot!r}, this is {self._robot!r}: "
                "check the namespaces",
            )
        if not command.device.strip():
            return Refusal(
                RefusalCode.MISSING_IDENTITY,
                "a teleop command names no device: fill 'device', for example 'gamepad', so that "
                "people read who drives",
            )
        if base_frame and command.frame_id not in ("", base_frame):
            return Refusal(
                RefusalCode.CANNOT_START,
                f"a teleop command of {command.device!r} is in frame {command.frame_id!r}, the "
                f"arm's base is {base_frame!r}: turn its velocities into that frame",
            )
        return self._judge_age(command)

    def _judge_age(self, command: TeleopCommand) -> Refusal | None:
        age_s = (self._clock.stamp_ns() - command.stamp_ns) / _NS_PER_S
        if abs(age_s) <= self._max_age_s:
            return None
        if command.stamp_ns == 0:
            found, remedy = "has no stamp", "fill header.stamp with the time of the reading"
        elif age_s > 0.0:
            found = f"is {age_s:.3f} s old"
            remedy = "find what delays it, or set the clock of its machine (./tmrl doctor)"
        else:
            found = f"is stamped {-age_s:.3f} s ahead"
            remedy = "set the clock of its machine, and its use_sim_time as the controller's"
        return Refusal(
            RefusalCode.TOO_OLD,
            f"a teleop command of {command.device!r} {found}, allowed are {self._max_age_s:g} s "
            f"(max_teleop_age_s): {remedy}",
        )
