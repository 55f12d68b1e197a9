"""The executor of a node that is a process of its own, and what must be known to spin it.

rclpy's `SingleThreadedExecutor` builds its wait set again for every message, in Python. The
`EventsExecutor` is called by the middleware instead: a message there and back takes a third of the
time (docs/decisions/0034-events-executor.md).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

try:
    from rclpy.experimental.events_executor import EventsExecutor
except ImportError:  # ROS 2 before Kilted has none.
    EventsExecutor = None

P = ParamSpec("P")

_LONG_S = 3600.0
"""Without an end to wait for, the EventsExecutor of the wheels never runs a callback: it waits for
the last instant that its clock has, which overflows on the way to the system's."""


def make_executor(*, takes_raw: bool = False) -> Executor:
    """An executor for one thread, of the default context.

    Nodes that it spins can have no guard conditions (`wake` takes their place) and no coroutines as
    services (`serve_deferred` does).

    Args:
        takes_raw: Whether they subscribe to messages as bytes, which the `EventsExecutor` of the
            wheels cannot take (SystemError).
    """
    if takes_raw or EventsExecutor is None:
        return SingleThreadedExecutor()
    return EventsExecutor()


def wake(node: Node, do: Callable[[], None]) -> None:
    """Asks, from any thread, the one that spins a node to do something soon.

    Args:
        node: Nothing happens while nobody spins it.
        do: What to do; an error in it is one of the node's callbacks.
    """
    if (executor := node.executor) is not None:
        executor.create_task(guarded(node, do))


def guarded(node: Node, do: Callable[P, None]) -> Callable[P, None]:
    """The same for a task, or for a future to call when it is done.

    An error in it is one of a callback of the node, and ends the process with its traceback. From a
    task it would end it, too, but the EventsExecutor of the wheels crashes then.
    """

    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            do(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised again in a callback
            node.create_timer(
                0.0, partial(_raise, error), clock=Clock(clock_type=ClockType.STEADY_TIME)
            )

    return run


def _raise(error: Exception) -> None:
    raise error


def spin_until_done(executor: Executor, future: "Future[Any]") -> None:
    """Spins until `future` is done, however long that takes."""
    while not future.done():
        executor.spin_until_future_complete(future, _LONG_S)
