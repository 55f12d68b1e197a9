"""What the host of a driver decides: who may move the arm, when to try again, what is published.

It calls the driver, so all of it runs on the driver's thread (tmrl_arm.host); no threads in here.
The arm never moves on what was sent before it was found, or found again: a command must answer a
state that was published since then, and after a lost connection a person must call arm/recover.
"""

from collections.abc import Callable
from dataclasses import replace

from tmrl_arm.budget import Budget
from tmrl_arm.commands import check_command
from tmrl_arm.driver import (
    LONGEST_SILENCE_S,
    ArmConnectionError,
    ArmDriver,
    ArmFaultError,
    ArmReading,
    CommandRefusedError,
    Fault,
)
from tmrl_arm.params import ArmConfig
from tmrl_arm.reports import Health, Report
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_common.backoff import Backoff
from tmrl_common.clock import Clock
from tmrl_common.service_reply import ServiceReply

_REPEAT_S = 0.5
_STALE_PERIODS = 20.0
"""Margin over what drivers themselves wait (LONGEST_SILENCE_S), in periods of the arm's states."""
_HELD_ON_THE_WAY = (
    "a hold ended the way home; where the controller latches an e-stop or a fault, "
    "clear that first (controller/clear_estop, controller/resume)"
)


class ArmCore:
    """One driver under supervision."""

    def __init__(self, config: ArmConfig, driver: ArmDriver, clock: Clock) -> None:
        """Takes a driver that is not connected yet.

        Args:
            config: Patience and rates.
            driver: Belongs to this core from now on.
            clock: For ages and pauses; the same that the driver was given.
        """
        self._config, self._driver, self._clock = config, driver, clock
        self._backoff = Backoff(config.first_retry_s, config.longest_retry_s)
        self._budget = Budget(config.max_recoveries, config.recovery_window_s)
        self._connected = False
        self._problem = "no attempt to connect has been made yet"
        self._loss = ""
        self._news = False
        """Whether what is known about the connection has not been published yet."""
        self._stale_s = LONGEST_SILENCE_S + _STALE_PERIODS / driver.capabilities.state_rate_hz
        self._asked = ""
        self._fault: Fault | None = None
        self._fault_acted_s = 0.0
        self._shown = ""
        self._shown_until_s = float("-inf")
        self._newest: ArmReading | None = None
        self._published_s = float("-inf")
        self._sequence = 0
        self._taken = 0
        self._ready_from = 1
        self._homing: Callable[[ServiceReply], None] | None = None
        self._homing_until_s = 0.0
        self._commands = self._refusals = self._recoveries = self._losses = 0

    def tick(self) -> Report | None:
        """Reads the arm, or tries to reach it.

        Returns:
            What is to be published; None where there is nothing to tell.
        """
        # A loss is published before the next attempt, which may block as long as it may.
        if not self._connected and not self._news and self._backoff.is_due(self._clock.now_s()):
            self._connect()
        now_s = self._clock.now_s()
        if not self._connected:
            return self._repetition(now_s)
        try:
            self._newest = self._read()
            self._watch(self._newest, now_s)
            self._watch_homing(self._newest, now_s)
        except ArmConnectionError as error:
            self._lose(str(error))
            return self._repetition(now_s)
        return self._report(self._newest, now_s)

    def command(self, command: ArmCommand) -> None:
        """Passes a command on, or refuses it; a refused one stops the arm."""
        self._carry_out(command)
        # Only now: whoever reads the number may rely on the command's effect.
        if self._connected and command.robot == self._config.robot:
            self._taken = command.sequence

    def _carry_out(self, command: ArmCommand) -> None:
        try:
            if command.mode == CommandMode.HOLD:
                self._end_homing(ServiceReply.refused(_HELD_ON_THE_WAY))
                self._stop()
                return
            self._end_homing(ServiceReply.refused("a movement was commanded on the way home"))
            self._check(command)
            self._driver.command(command)
            self._commands += 1
        except CommandRefusedError as error:
            self._refusals += 1
            self._show(f"command {command.sequence} was refused: {error}. The arm holds")
            self._stop()
        except ArmConnectionError as error:
            self._lose(str(error))

    def home(self, reply: Callable[[ServiceReply], None]) -> None:
        """Sets off to the rest pose; the reply comes when the arm is there, or when it cannot."""
        self._end_homing(ServiceReply.refused("another request to go home took its place"))
        obstacle = self._obstacle()
        if obstacle:
            reply(ServiceReply.refused(f"cannot go home: {obstacle}"))
            return
        try:
            self._driver.home()
        except CommandRefusedError as error:
            reply(ServiceReply.refused(f"cannot go home: {error}"))
        except ArmConnectionError as error:
            self._lose(str(error))
            reply(ServiceReply.refused(f"cannot go home: {self._problem}"))
        else:
            self._homing = reply
            self._homing_until_s = self._clock.now_s() + self._config.home_timeout_s

    def recover(self, reply: Callable[[ServiceReply], None]) -> None:
        """A person asks for it: connects if need be, clears the fault, allows movement again."""
        if not self._connected:
            self._connect()
        if not self._connected:
            reply(ServiceReply.refused(self._problem))
            return
        try:
            if self._driver.read().fault is not None:
                self._driver.recover()
            fault = self._read().fault
        except ArmFaultError as error:
            reply(ServiceReply.refused(str(error)))
            return
        except ArmConnectionError as error:
            self._lose(str(error))
            reply(ServiceReply.refused(self._problem))
            return
        if fault is not None:
            reply(ServiceReply.refused(f"the fault stays: {fault.sentence}"))
            return
        self._budget.renew()
        self._asked = ""
        self._shown_until_s = float("-inf")
        self._fault = None
        self._ready_from = self._sequence + 1
        reply(ServiceReply.done("the arm holds and takes commands; now controller/resume"))

    def health(self) -> Health:
        """For diagnostics."""
        return Health(
            problem=self._fault_text(self._clock.now_s()),
            connected=self._connected,
            failed_attempts=self._backoff.attempts,
            states=self._sequence,
            commands=self._commands,
            refusals=self._refusals,
            recoveries=self._recoveries,
            losses=self._losses,
        )

    def close(self) -> None:
        """Stops the arm and lets go of it."""
        self._end_homing(ServiceReply.refused("the driver's node was asked to stop"))
        self._driver.close()
        self._connected = False

    def _connect(self) -> None:
        try:
            self._driver.connect()
        except ArmConnectionError as error:
            # The pause begins when the attempt is over: it may have taken longer than the pause.
            pause_s = self._backoff.failed(self._clock.now_s())
            before = f"the arm was lost ({self._loss}); now: " if self._loss else ""
            self._problem = (
                f"{before}{error} (attempt {self._backoff.attempts}; the next one in {pause_s:g} s)"
            )
            self._news = True
            return
        self._backoff.succeeded()
        self._connected = True
        self._ready_from = self._sequence + 1
        if self._losses:
            self._asked = (
                f"the arm is back after it was lost ({self._loss}): make sure that nobody is in "
                "its reach, then call arm/recover"
            )

    def _lose(self, reason: str) -> None:
        self._connected = False
        self._losses += 1
        self._problem = self._loss = reason
        self._news = True
        self._fault = None
        self._end_homing(ServiceReply.refused(reason))

    def _read(self) -> ArmReading:
        """The newest state; a fault where it is an old one although the driver calls it new."""
        reading = self._driver.read()
        age_s = self._clock.now_s() - reading.measured_s
        if reading.fault is not None or age_s <= self._stale_s:
            return reading
        # Drivers stop for the faults that they know of; of this one it does not know.
        self._driver.stop()
        sentence = (
            f"the newest measurement of the arm is {age_s:.1f} s old, allowed are "
            f"{self._stale_s:.1f} s: its driver hangs, and nobody knows whether the arm moves; "
            "stop it by hand, and restart this node if it stays so"
        )
        fault = Fault(sentence, may_recover_alone=False)
        return replace(reading, holding=False, fault=fault)

    def _watch(self, reading: ArmReading, now_s: float) -> None:
        """Follows the fault of the arm; clears one that is harmless, as often as is allowed."""
        before, self._fault = self._fault, reading.fault
        if reading.fault is None:
            if before is not None:
                self._ready_from = self._sequence + 1
            return
        if before is None:
            self._fault_acted_s = now_s
            self._show(reading.fault.sentence)
            self._end_homing(ServiceReply.refused(reading.fault.sentence))
        due = now_s - self._fault_acted_s >= self._config.fault_shown_s
        if due and reading.fault.may_recover_alone and self._budget.is_left(now_s):
            self._budget.spend(now_s)
            self._recoveries += 1
            self._fault_acted_s = now_s
            try:
                self._driver.recover()
            except ArmFaultError as error:
                self._show(str(error))

    def _watch_homing(self, reading: ArmReading, now_s: float) -> None:
        if self._homing is None:
            return
        if not reading.homing:
            self._end_homing(ServiceReply.done("the arm is at its rest pose"))
        elif now_s > self._homing_until_s:
            self._stop()
            limit_s = self._config.home_timeout_s
            self._end_homing(
                ServiceReply.refused(
                    f"not home within {limit_s:g} s: see what is in the way of the arm"
                )
            )

    def _end_homing(self, reply: ServiceReply) -> None:
        if self._homing is not None:
            answer, self._homing = self._homing, None
            answer(reply)

    def _check(self, command: ArmCommand) -> None:
        obstacle = self._obstacle()
        if obstacle:
            raise CommandRefusedError(obstacle)
        if not self._ready_from <= command.arm_state_sequence <= self._sequence:
            raise CommandRefusedError(
                f"it answers arm state {command.arm_state_sequence}; since the arm is ready, "
                f"states {self._ready_from} to {self._sequence} count: resume the controller"
            )
        check_command(command, self._config.robot, self._driver.capabilities, self._newest)

    def _obstacle(self) -> str:
        """Why the arm may not be moved; empty where it may."""
        if not self._connected:
            return self._problem
        return self._fault.sentence if self._fault is not None else self._asked

    def _stop(self) -> None:
        if not self._connected:
            return
        try:
            self._driver.stop()
        except ArmConnectionError as error:
            self._lose(str(error))

    def _show(self, sentence: str) -> None:
        self._shown = sentence
        self._shown_until_s = self._clock.now_s() + self._config.fault_shown_s

    def _fault_text(self, now_s: float) -> str:
        """What is wrong, the gravest first; a refusal or a short fault is shown for a while."""
        if not self._connected:
            return self._problem
        if self._fault is not None:
            return self._fault.sentence + self._outlook(self._fault, now_s)
        if self._asked:
            return self._asked
        return self._shown if now_s < self._shown_until_s else ""

    def _outlook(self, fault: Fault, now_s: float) -> str:
        if not fault.may_recover_alone or self._budget.is_left(now_s):
            return ""
        return (
            f"; cleared {self._config.max_recoveries} times within "
            f"{self._config.recovery_window_s:g} s already: look at the arm, then call arm/recover"
        )

    def _report(self, reading: ArmReading, now_s: float) -> Report:
        self._sequence += 1
        self._published_s = now_s
        # Of an arm that is ill or out of reach nobody can say that it stays where it is.
        holding = reading.holding and reading.fault is None and self._connected
        return Report(self._sequence, reading, self._taken, holding, self._fault_text(now_s))

    def _repetition(self, now_s: float) -> Report | None:
        """The last state, with its old stamp and what is wrong: at once, then now and then."""
        news, self._news = self._news, False
        if self._newest is None or not (news or now_s - self._published_s >= _REPEAT_S):
            return None
        return self._report(self._newest, now_s)
