"""The simulated world as its clients see it: simulated time, numbered states, commands, resets.

There is no wall clock in here: whoever calls decides when a tick is due. Not safe to share between
threads.
"""

from dataclasses import dataclass, replace

from tmrl_arm.commands import check_command
from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.readings import ArmReadings, Cell, ObjectPose
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_sim.params import SimConfig
from tmrl_sim.worlds import world_of

_FAULT_SHOWN_NS = 1_000_000_000


@dataclass(frozen=True)
class Measurement:
    """Everything that is published about one instant.

    Attributes:
        sequence: Counts up by one with each measurement.
        stamp_ns: Simulated time since the start of the process, ns; resets do not turn it back.
        arm: State of the arm; its own time counts from the reset.
        objects: Pose of every object by name.
        success: Whether the task is solved.
        detail: How it stands, in words.
        last_command: Sequence number of the newest command that was taken; 0 before the first.
        holding: Whether nothing moves the arm.
        fault: Why the last command was refused; empty while healthy.
    """

    sequence: int
    stamp_ns: int
    arm: ArmReadings
    objects: dict[str, ObjectPose]
    success: bool
    detail: str
    last_command: int
    holding: bool
    fault: str


class SimCore:
    """Advances a cell on commands (lock-step) or on ticks (paced) and numbers what it measures."""

    def __init__(self, config: SimConfig, cell: Cell | FrankaCell) -> None:
        """Puts the cell into its first layout.

        Args:
            config: Pace, layout and target.
            cell: Belongs to this core from now on.
        """
        self._config = config
        self._cell = cell
        self.world = world_of(config, cell)
        """What is done to the cell in its own way."""
        self._period_ns = _nanoseconds(config.control_period_s)
        self._tick_ns = _nanoseconds(1.0 / config.tick_rate_hz)
        self._time_ns = 0
        self._expires_ns: int | None = None
        self._fault = ""
        self._fault_ends_ns = 0
        self._sequence = 0
        self._taken = 0
        self.newest = self.reset(config.seed)
        """The last measurement."""

    def reset(self, seed: int) -> Measurement:
        """Lays the objects out again and puts the arm at its start.

        It takes one control period of simulated time, so that no two scenes share a stamp.

        Args:
            seed: Of the layout.

        Raises:
            UnreachableTargetError: The arm cannot reach the start; nothing has changed.
        """
        self.world.reset(seed)
        self._time_ns += self._period_ns
        self._clear()
        return self._measure()

    def home(self) -> Measurement:
        """Brings the arm to its rest pose, gripper as it is; this takes some seconds.

        Raises:
            UnreachableTargetError: The tool cannot be lifted where it is; it has not moved.
        """
        self.world.home(lambda duration_s: self._advance(_nanoseconds(duration_s)))
        self._clear()
        return self._measure()

    def command(self, command: ArmCommand) -> Measurement | None:
        """Takes a command in.

        In lock-step the world then advances by one control period, except after a hold, which is
        answered by the newest measurement again, with its number and its stamp. A refused command
        leaves the arm holding and a fault in every measurement until a valid movement, `home` or
        `reset`.

        Returns:
            What was measured; None where nothing is due before the next tick.
        """
        if command.robot == self._config.robot:
            self._taken = command.sequence
        try:
            check_command(command, self._config.robot, self.world.can)
            if command.mode == CommandMode.HOLD:
                self._stop()
                return self._repeat() if self._config.lock_step else None
            self.world.command(command)
        except ValueError as error:
            self._refuse(command, error)
        else:
            self._fault = ""
            self._expires_ns = self._time_ns + _nanoseconds(command.valid_for_s)
        if self._config.lock_step:
            self._advance(self._period_ns)
        elif not self._fault:
            return None
        return self._measure()

    def tick(self) -> Measurement:
        """Paced: let one tick of simulated time pass; an expired command ends in a hold."""
        if self._expires_ns is not None and self._time_ns + self._tick_ns > self._expires_ns:
            self._stop()
        if self._time_ns >= self._fault_ends_ns:
            self._fault = ""
        self._advance(self._tick_ns)
        return self._measure()

    def recover(self) -> Measurement:
        """Ends the fault of a refused command, one control period later."""
        self._clear()
        self._advance(self._period_ns)
        return self._measure()

    def _refuse(self, command: ArmCommand, error: ValueError) -> None:
        self._stop()
        self._fault = f"command {command.sequence} was refused: {error}. The arm holds"
        self._fault_ends_ns = self._time_ns + _FAULT_SHOWN_NS

    def _stop(self) -> None:
        self._cell.hold()
        self._expires_ns = None

    def _clear(self) -> None:
        self._fault = ""
        self._expires_ns = None

    def _advance(self, duration_ns: int) -> None:
        self._cell.advance(duration_ns * 1e-9)
        self._time_ns += duration_ns

    def _repeat(self) -> Measurement:
        """The newest measurement, with what is known of commands by now: no time has passed."""
        holding = self._expires_ns is None
        self.newest = replace(self.newest, last_command=self._taken, holding=holding)
        return self.newest

    def _measure(self) -> Measurement:
        self._sequence += 1
        success, detail = self.world.verdict()
        self.newest = Measurement(
            sequence=self._sequence,
            stamp_ns=self._time_ns,
            arm=self._cell.readings(),
            objects=self._cell.object_poses(),
            success=success,
            detail=detail,
            last_command=self._taken,
            holding=self._expires_ns is None,
            fault=self._fault,
        )
        return self.newest


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
