"""A controller together with an arm that answers it, for tests that look at whole scenes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from tmrl_common.arm import CommandMode
from tmrl_common.chunks import ControllerMode
from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.clock import StateClock
from tmrl_controller.config import Pacing
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import Decision, LimitedCommand
from tmrl_controller.testing.builders import (
    CONFIG,
    ManualClock,
    action_chunk,
    arm_state,
    teleop_command,
)

D = TypeVar("D")

CENTRE_M = (0.275, 0.0, 0.15)


def of(decisions: Sequence[Decision], kind: type[D]) -> list[D]:
    """The decisions of one kind, in their order."""
    return [decision for decision in decisions if isinstance(decision, kind)]


def moves(decisions: Sequence[Decision]) -> list[LimitedCommand]:
    """The commands that move the arm."""
    return [c for c in of(decisions, LimitedCommand) if c.mode is CommandMode.CARTESIAN_POSE]


def holds(decisions: Sequence[Decision]) -> list[LimitedCommand]:
    """The commands that stop the arm."""
    return [c for c in of(decisions, LimitedCommand) if c.mode is CommandMode.HOLD]


def words(taken: LimitedCommand | None) -> dict[str, Any]:
    """What a driver says in its state about the newest command that it took."""
    if taken is None:
        return {"last_command_sequence": 0, "holding": True}
    held = taken.mode is CommandMode.HOLD
    return {"last_command_sequence": taken.sequence, "holding": held}


def at_s(command: LimitedCommand) -> float:
    """ROS time of a command, s."""
    return command.stamp_ns * 1e-9


class HardwareScene:
    """A controller on hardware, with an arm that reports after every tick and a device at rest.

    Attributes:
        core: The controller.
        clock: Its clock.
        follows: Whether the arm is at once where it was commanded to be; otherwise it stands still.
        obeys: Whether its driver takes commands, and says so in the arm's states.
        position_m: Where the arm is.
        quaternion: How its tool is turned.
        sequence: Of its newest state.
        log: Every decision so far.
    """

    def __init__(self, **changes: Any) -> None:
        """Starts in hold with one arm state.

        Args:
            **changes: Fields of the configuration to replace.
        """
        self.clock = ManualClock()
        self.core = ControllerCore(replace(CONFIG, **changes), self.clock)
        self.follows = self.obeys = True
        self.taken: LimitedCommand | None = None
        self.position_m = np.array(CENTRE_M)
        self.quaternion = IDENTITY_QUATERNION
        self.sequence = 0
        self.log: list[Decision] = []
        self.see()
        self.teleop(active=False)

    def teleop(self, **changes: Any) -> None:
        """A person's device sends a reading of now; fields may be replaced."""
        self.core.on_teleop(teleop_command(**({"stamp_ns": self.clock.stamp_ns()} | changes)))

    @property
    def mode(self) -> ControllerMode:
        """The controller's mode."""
        return self.core.status().mode

    def see(self, **changes: Any) -> None:
        """The arm reports its state; fields may be replaced."""
        self.sequence += 1
        pose = {"position_m": self.position_m, "quaternion_xyzw": self.quaternion}
        known = {"sequence": self.sequence} | pose | words(self.taken)
        self.core.on_arm_state(arm_state(**(known | changes)))

    def tick(self, *, arm_answers: bool = True) -> list[Decision]:
        """One tick, and the time until the next."""
        decisions = self.core.tick()
        self.log += decisions
        for command in moves(decisions):
            if self.follows:
                self.position_m = command.target.position_m
                self.quaternion = command.target.quaternion
        if self.obeys and (commands := of(decisions, LimitedCommand)):
            self.taken = commands[-1]
        self.clock.time_s += CONFIG.tick_period_s
        if arm_answers:
            self.see()
        return decisions

    def run(self, duration_s: float, *, arm_answers: bool = True) -> list[Decision]:
        """As many ticks as fit into a time."""
        decisions: list[Decision] = []
        for _ in range(round(duration_s / CONFIG.tick_period_s)):
            decisions += self.tick(arm_answers=arm_answers)
        return decisions

    def offer(self, **changes: Any) -> None:
        """The agent proposes a chunk that answers the newest arm state; fields may be replaced."""
        self.core.on_chunk(action_chunk(arm_state_sequence=self.sequence, **changes))

    def drive(self, ticks: int, **changes: Any) -> list[Decision]:
        """A person's device sends a reading before every tick; fields may be replaced."""
        decisions: list[Decision] = []
        for _ in range(ticks):
            self.teleop(**changes)
            decisions += self.tick()
        return decisions


class LockStepScene:
    """A controller, a device at rest, and a simulation that advances one period per command only.

    Attributes:
        core: The controller.
        clock: Its clock: the stamp of the newest state.
        period_s: By how much the simulation advances.
        position_m: Where the arm is.
        sequence: Of its newest state.
    """

    def __init__(self, **changes: Any) -> None:
        """Starts in hold with one arm state.

        Args:
            **changes: Fields of the configuration to replace.
        """
        self.clock = StateClock()
        config = replace(CONFIG, pacing=Pacing.LOCK_STEP.value, **changes)
        self.core = ControllerCore(config, self.clock)
        self.period_s = CONFIG.control_period_s
        self.position_m = np.array(CENTRE_M)
        self.sequence = 0
        self.taken: LimitedCommand | None = None
        self.advance(0.0)
        stamp_ns = self.clock.stamp_ns()
        self.core.on_teleop(teleop_command(active=False, stamp_ns=stamp_ns))

    def advance(self, by_s: float) -> None:
        """The simulation reports a new state, later by a time."""
        self.sequence += 1
        self.clock.set(self.clock.stamp_ns() + round(by_s * 1e9))
        self.repeat()

    def repeat(self) -> None:
        """The simulation reports its newest state again, with what it knows of commands by now."""
        pose = {"sequence": self.sequence, "position_m": self.position_m}
        self.core.on_arm_state(arm_state(**(pose | words(self.taken))))

    def settle(self) -> list[Decision]:
        """Lets controller and simulation answer each other until both have nothing to do."""
        log: list[Decision] = []
        while True:
            decisions = self.core.tick()
            log += decisions
            commands = of(decisions, LimitedCommand)
            if not commands:
                return log
            (command,) = commands
            self.taken = command
            if command.mode is CommandMode.HOLD:
                self.repeat()
                continue
            assert self.core.tick() == [], "one command per state"
            self.position_m = command.target.position_m
            self.advance(self.period_s)

    def offer(self, **changes: Any) -> None:
        """The agent proposes a chunk that answers the newest arm state; fields may be replaced."""
        self.core.on_chunk(action_chunk(arm_state_sequence=self.sequence, **changes))
