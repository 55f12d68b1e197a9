"""Who may move the arm, as a table of transitions; whatever the table does not list is refused."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from tmrl_common.chunks import ControllerMode
from tmrl_common.errors import LocalError


class Event(StrEnum):
    """What happens to the mode."""

    HOLD = "hold"
    RESUME = "resume"
    TAKEOVER = "takeover"
    HANDBACK = "handback"
    ESTOP = "estop"
    CLEAR_ESTOP = "clear_estop"
    FAULT = "fault"


TRANSITIONS: Mapping[tuple[ControllerMode, Event], ControllerMode] = MappingProxyType(
    {
        (ControllerMode.HOLD, Event.HOLD): ControllerMode.HOLD,
        (ControllerMode.HOLD, Event.RESUME): ControllerMode.POLICY,
        (ControllerMode.HOLD, Event.TAKEOVER): ControllerMode.TELEOP,
        (ControllerMode.HOLD, Event.ESTOP): ControllerMode.ESTOP,
        (ControllerMode.HOLD, Event.FAULT): ControllerMode.FAULT,
        (ControllerMode.POLICY, Event.HOLD): ControllerMode.HOLD,
        (ControllerMode.POLICY, Event.RESUME): ControllerMode.POLICY,
        (ControllerMode.POLICY, Event.TAKEOVER): ControllerMode.TELEOP,
        (ControllerMode.POLICY, Event.ESTOP): ControllerMode.ESTOP,
        (ControllerMode.POLICY, Event.FAULT): ControllerMode.FAULT,
        (ControllerMode.TELEOP, Event.HOLD): ControllerMode.HOLD,
        (ControllerMode.TELEOP, Event.HANDBACK): ControllerMode.POLICY,
        (ControllerMode.TELEOP, Event.ESTOP): ControllerMode.ESTOP,
        (ControllerMode.TELEOP, Event.FAULT): ControllerMode.FAULT,
        (ControllerMode.ESTOP, Event.ESTOP): ControllerMode.ESTOP,
        (ControllerMode.ESTOP, Event.CLEAR_ESTOP): ControllerMode.HOLD,
        (ControllerMode.FAULT, Event.HOLD): ControllerMode.HOLD,
        (ControllerMode.FAULT, Event.ESTOP): ControllerMode.ESTOP,
    }
)

_REMEDY: Mapping[ControllerMode, str] = MappingProxyType(
    {
        ControllerMode.HOLD: "call controller/resume to let the policy drive",
        ControllerMode.POLICY: "call controller/hold to stop it",
        ControllerMode.TELEOP: "let go of the dead-man switch first",
        ControllerMode.ESTOP: "a person must call controller/clear_estop with their name",
        ControllerMode.FAULT: "remove the cause, then call controller/hold and controller/resume",
    }
)


class ModeRefusedError(LocalError):
    """The mode does not allow what was asked for; the text says what does."""


class ModeMachine:
    """The mode, why it is so, and the only ways to change it."""

    def __init__(self) -> None:
        """Starts held: nothing moves before somebody asks for it."""
        self._mode = ControllerMode.HOLD
        self._reason = "started; call controller/resume to let the policy drive"

    @property
    def mode(self) -> ControllerMode:
        """Who may move the arm."""
        return self._mode

    @property
    def latched(self) -> bool:
        """Whether the arm holds until a person has looked: e-stop or fault."""
        return self._mode in (ControllerMode.ESTOP, ControllerMode.FAULT)

    @property
    def reason(self) -> str:
        """Why it is in this mode, one sentence."""
        return self._reason

    @property
    def remedy(self) -> str:
        """What a person can do to get out of this mode."""
        return _REMEDY[self._mode]

    @property
    def sentence(self) -> str:
        """Mode, reason and remedy, for people."""
        return (
            f"the controller is in mode {self._mode.name.lower()} ({self._reason}): {self.remedy}"
        )

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
        if self._mode is ControllerMode.FAULT and arm_problem:
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
        """Lets the policy continue after a person drove.

        Raises:
            ModeRefusedError: No person drives.
        """
        self._apply(Event.HANDBACK, "the person let go; the policy continues")

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
