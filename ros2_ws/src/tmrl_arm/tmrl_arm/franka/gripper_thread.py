"""A thread that works a gripper whose movements block: the newest wish wins, nobody waits."""

import logging
import threading

from tmrl_arm.driver import ArmConnectionError
from tmrl_arm.franka.franka_robot import Hand, HandError

_STEP_S = 0.03
_SAME = 0.02
_PATIENCE_S = 3.0

_log = logging.getLogger(__name__)


class GripperThread:
    """Moves a hand to the opening last wished for, one movement after the other.

    A movement in progress ends first: the hand's own software knows no other way. A wish that
    was overtaken meanwhile is never carried out.
    """

    def __init__(self, hand: Hand) -> None:
        """Reads the hand once and starts the thread.

        Raises:
            ArmConnectionError: The hand does not answer.
        """
        self._hand = hand
        self._wake = threading.Condition()
        self._opening = self._wished = self._done = hand.opening()
        self._problem = ""
        self._lost = ""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
        self._thread.start()

    @property
    def opening(self) -> float:
        """Measured, 0 closed to 1 open."""
        return self._opening

    @property
    def wished(self) -> float:
        """What was asked for last."""
        return self._wished

    @property
    def problem(self) -> str:
        """Why the last movement failed; empty where it did not."""
        return self._problem

    @property
    def lost(self) -> str:
        """Why there is no connection any more; empty while there is one."""
        if self._lost or self._stopping or self._thread.is_alive():
            return self._lost
        return "the thread that works the gripper has ended, the log says why; connect again"

    def wish(self, opening: float) -> None:
        """Asks for an opening, 0 to 1."""
        with self._wake:
            self._wished = opening
            self._wake.notify()

    def recover(self) -> None:
        """Forgets a failed movement; the fingers stay where they are."""
        with self._wake:
            self._problem = ""
            self._wished = self._done = self._opening

    def close(self) -> None:
        """Ends the thread after the present movement; where that takes long, without waiting."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._opening = self._hand.opening()
                wished = self._next_wish()
                if wished is not None:
                    self._carry_out(wished)
        except ArmConnectionError as error:
            self._lost = str(error)
        except Exception as error:  # noqa: BLE001 - `lost` tells it
            _log.exception("the gripper's thread failed")
            self._lost = (
                f"the thread that works the gripper failed ({type(error).__name__}: {error}); the "
                "next attempt to connect comes by itself"
            )

    def _next_wish(self) -> float | None:
        """The wish that differs from the last movement, if there is one within a step."""
        with self._wake:
            if abs(self._wished - self._done) < _SAME and not self._stopping:
                self._wake.wait(_STEP_S)
            if self._stopping or self._problem or abs(self._wished - self._done) < _SAME:
                return None
            self._done = self._wished
            return self._done

    def _carry_out(self, wished: float) -> None:
        try:
            self._hand.start(wished)
            # Also when the thread is to end: franky's hand must not go away in mid-movement.
            while not self._hand.wait(_STEP_S):
                self._opening = self._hand.opening()
        except HandError as error:
            self._problem = (
                f"the gripper did not reach opening {wished:.2f}: {error}; see what blocks it, "
                "then call arm/recover"
            )
