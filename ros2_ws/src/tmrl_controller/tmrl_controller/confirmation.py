"""Waits until every listener has what was published, while the node goes on with its work.

Whoever blocks for it stops the node's callbacks and, with the interpreter's lock, its tick.
"""

import types
from collections.abc import Callable, Generator
from typing import Protocol

from tmrl_common.clock import Clock, SteadyClock
from tmrl_common.service_reply import ServiceReply

LONGEST_S = 3.0
"""A listener that has not confirmed by then is dead, stopped or out of reach."""
_LOOK_S = 0.005
"""About as long as a confirmation takes on one machine."""
_UNCONFIRMED = (
    "but a listener of arm/command has not confirmed it: see whether the driver is alive, and end "
    "whatever else listens there and is stopped or out of reach (ros2 topic info --verbose)"
)


class Timer(Protocol):
    """A timer of the node: while it runs, its executor wakes up, though nothing else happens."""

    def reset(self) -> None:
        """Starts, or starts anew."""
        ...

    def cancel(self) -> None:
        """Stops until it is reset."""
        ...


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Lets the executor look after everything else once."""
    yield


class Confirmation:
    """What the listeners of a topic have confirmed."""

    def __init__(
        self,
        given: Callable[[], bool],
        timer: Callable[[float, Callable[[], None]], Timer],
        clock: Clock | None = None,
    ) -> None:
        """Takes what to ask, and what to wait with.

        Args:
            given: Whether everybody has confirmed everything by now; returns at once.
            timer: Makes a timer of a period, s, and what to do.
            clock: Measures the wait; the machine's steady one unless told otherwise.
        """
        self._given = given
        self._clock = clock or SteadyClock()
        self._timer = timer(_LOOK_S, lambda: self._timer.cancel())

    async def answer(self, reply: ServiceReply) -> ServiceReply:
        """The reply as soon as everybody has confirmed, or a refusal after `LONGEST_S`.

        For executors that resume an unfinished callback whenever they wake up, as rclpy's do.

        Args:
            reply: What was done; a refusal waits for nobody.
        """
        ends_s = self._clock.now_s() + LONGEST_S
        while reply.success and not self._given():
            if self._clock.now_s() >= ends_s:
                return ServiceReply.refused(f"{reply.message}, {_UNCONFIRMED}")
            self._timer.reset()
            await _turn()
        return reply
