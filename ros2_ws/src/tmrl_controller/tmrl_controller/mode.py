"""Who may move the arm, as a table of transitions; whatever the table does not list is refused."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

from tmrl_common.errors import LocalError


class Mode(IntEnum):
    """Who may move the arm; the numbers are those of tmrl_msgs/ControllerStatus."""

    HOLD = 0
    POLICY = 1
    TELEOP = 2
    ESTOP = 3
    FAULT = 4


class Event(StrEnum):
    """What happens to the mode."""

    HOLD = "hold"
    RESUME = "resume"
    TAKEOVER = "takeover"
    HANDBACK = "handback"
    ESTOP = "estop"
    CLEAR_ESTOP = "clear_estop"
    FAULT = "fault"


TRANSITIONS: Mapping[tuple[Mode, Event], Mode] = MappingProxyType(
    {
        (Mode.HOLD, Event.HOLD): Mode.HOLD,
        (Mode.HOLD, Event.RESUME): Mode.POLICY,
        (Mode.HOLD, Event.TAKEOVER): Mode.TELEOP,
        (Mode.HOLD, Event.ESTOP): Mode.ESTOP,
        (Mode.HOLD, Event.FAULT): Mode.FAULT,
        (Mode.POLICY, Event.HOLD): Mode.HOLD,
        (Mode.POLICY, Event.RESUME): Mode.POLICY,
        (Mode.POLICY, Event.TAKEOVER): Mode.TELEOP,
        (Mode.POLICY, Event.ESTOP): Mode.ESTOP,
        (Mode.POLICY, Event.FAULT): Mode.FAULT,
        (Mode.TELEOP, Event.HOLD): Mode.HOLD,
        (Mode.TELEOP, Event.HANDBACK): Mode.POLICY,
        (Mode.TELEOP, Event.ESTOP): Mode.ESTOP,
        (Mode.TELEOP, Event.FAULT): Mode.FAULT,
        (Mode.ESTOP, Event.ESTOP): Mode.ESTOP,
        (Mode.ESTOP, Event.CLEAR_ESTOP): Mode.HOLD,
        (Mode.FAULT, Event.HOLD): Mode.HOLD,
        (Mode.FAULT, Event.ESTOP): Mode.ESTOP,
    }
)

_REMEDY: Mapping[Mode, str] = MappingProxyType(
    {
        Mode.HOLD: "call controller/resume to let the policy drive",
        Mode.POLICY: "call controller/hold to stop it",
        Mode.TELEOP: "let go of the dead-man switch first",
        Mode.ESTOP: "a person has to call controller/clear_estop with their name",
        Mode.FAULT: "remove the cause, then call controller/hold and controller/resume",
    }
)


class ModeRefusedError(LocalError):
    """The mode does not allow what was asked for; the text says what does."""


class ModeMachine:
    """The mode, why it is so, and the only ways to change it."""

    def __init__(self) -> None:
        """Starts held: nothing moves before somebody asks for it."""
        self._mode = Mode.HOLD
        self._reason = "started; call controller/resume to let the policy drive"

    @property
    def mode(self) -> Mode:
        """Who may move the arm."""
        return self._mode

    @property
    def reason(self) -> str:
        """Why it is in this mode, one sentence."""
        return self._reason

    @property
    def remedy(self) -> str:
        """What a person can do to get out of this mode."""
        return _REMEDY[self._mode]

    def allows(self, event: Event) -> bool:
        """Whether the table lists the event for the present mode."""
        return (self._mode, event) in TRANSITIONS

    def hold(self, reason: str, arm_problem: str) -> None:
        """Stops whoever drives, or leaves a fault once the arm is healthy.

        Args:
            reason: Why, for people.
            arm_problem: What is wrong with the arm now; empty while healthy.

        Raises:
            ModeRefusedError: The e-stop is latched, or the fault is still there.
        """
        if self._mode is Mode.FAULT and arm_problem:
            raise ModeRefusedError(f"the fault is still there: {arm_problem}")
        self._apply(Event.HOLD, reason)

    def resume(self) -> None:
        """Lets the policy drive.

        Raises:
            ModeRefusedError: The mode is neither hold nor policy.
        """
        self._apply(Event.RESUME, "resumed")

    def take_over(self, device: str) -> None:
        """Lets a person drive.

        Args:
            device: What the person holds in their hand.

        Raises:
            ModeRefusedError: E-stop or fault is latched, or a person drives already.
        """
        self._apply(Event.TAKEOVER, f"{device} took over")

    def hand_back(self) -> None:
        """Lets the policy go on after a person drove.

        Raises:
            ModeRefusedError: No person drives.
        """
        self._apply(Event.HANDBACK, "the person let go; the policy goes on")

    def estop(self, reason: str) -> None:
        """Stops and latches, in every mode."""
        self._apply(Event.ESTOP, reason)

    def clear_estop(self, operator: str) -> None:
        """Unlatches the e-stop; the arm then holds.

        Args:
            operator: Name of the person who looked at the cell.

        Raises:
            ModeRefusedError: The name is empty, or no e-stop is latched.
        """
        if not operator.strip():
            raise ModeRefusedError("operator is empty; a person with a name clears the e-stop")
        self._apply(Event.CLEAR_ESTOP, f"e-stop cleared by {operator.strip()}")

    def fault(self, reason: str) -> None:
        """Stops and latches because something is wrong; keeps an earlier, graver latch.

        Args:
            reason: What is wrong and what to do.
        """
        if self.allows(Event.FAULT):
            self._apply(Event.FAULT, reason)

    def _apply(self, event: Event, reason: str) -> None:
        if not self.allows(event):
            raise ModeRefusedError(
                f"{event.value} is refused in mode {self._mode.name.lower()} ({self._reason}); "
                f"{self.remedy}"
            )
        changes = TRANSITIONS[self._mode, event] is not self._mode
        self._mode = TRANSITIONS[self._mode, event]
        if changes:
            self._reason = reason
