"""Whether the arm holds, by the word of its driver alone.

Whoever else listens to arm/command, a recorder or a frozen terminal, has no say: only the driver
knows whether it took a hold and whether the arm has come to rest, and puts both into its state.
"""

from collections.abc import Callable

from tmrl_common.arm import ArmState
from tmrl_common.clock import Clock, SteadyClock
from tmrl_common.service_reply import ServiceReply

LONGEST_S = 3.0
"""A driver that has not confirmed by then is dead, stopped, out of reach or does not brake."""
_SEE_DRIVER = "see whether the driver is alive, and keep the hardware e-stop at hand"


def unconfirmed(hold: int, newest_sent: int, state: ArmState | None) -> str:
    """Why nobody can say yet that the arm holds.

    Args:
        hold: Sequence number of the hold.
        newest_sent: That of the newest command sent; a driver that took a later one obeys others.
        state: The newest of the arm; None before the first.

    Returns:
        A sentence that names the remedy; empty where the driver says that the arm holds.
    """
    if state is None:
        return "no state of the arm has come yet: start the driver"
    taken = state.last_command_sequence
    if taken > newest_sent:
        return (
            f"the arm's driver took command {taken} last, and the newest of this controller is "
            f"{newest_sent}: see who else publishes arm/command, and whether the driver is alive"
        )
    if taken < hold:
        return (
            f"the arm's driver has not taken the hold (command {hold}, the last that it took is "
            f"{taken}): {_SEE_DRIVER}"
        )
    if not state.holding:
        return f"the arm's driver took the hold and says that the arm still moves: {_SEE_DRIVER}"
    return ""


class PendingHolds:
    """Requests to hold that wait for the driver's word, each for `LONGEST_S` at most."""

    def __init__(self, why_not: Callable[[], str | None], clock: Clock | None = None) -> None:
        """Starts with none.

        Args:
            why_not: Why the newest hold is not confirmed; empty where it is, None after an error.
            clock: Measures the waits; the machine's steady one by default.
        """
        self._why_not = why_not
        self._clock = clock or SteadyClock()
        self._waiting: list[tuple[float, Callable[[ServiceReply], None]]] = []

    def add(self, answer: Callable[[ServiceReply], None]) -> None:
        """Takes a request in whose hold was sent, or is about to be.

        Args:
            answer: Called once, in here or in `look`.
        """
        self._waiting.append((self._clock.now_s() + LONGEST_S, answer))
        self.look()

    def look(self) -> None:
        """Answers what can be answered; to be called with every arm state and now and then."""
        if not self._waiting:
            return
        reason, now_s = self._why_not(), self._clock.now_s()
        if reason is None:
            reason = "the controller failed: see its log"
        over = [entry for entry in self._waiting if not reason or now_s >= entry[0]]
        self._waiting = [entry for entry in self._waiting if entry not in over]
        for _, answer in over:
            refused = ServiceReply.refused(f"a hold was commanded, but {reason}")
            answer(refused if reason else ServiceReply.done("holding"))
