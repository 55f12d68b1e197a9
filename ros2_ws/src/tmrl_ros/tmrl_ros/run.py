"""Runs one node as one process: an orderly end on a signal, one sentence where it cannot start."""

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from tmrl_common.errors import TmrlError
from tmrl_common.storage import sentence_of
from tmrl_ros.executor import make_executor, spin_until_done
from tmrl_ros.network import enter_ros
from tmrl_ros.stopping import StopSignals

EXIT_OK = 0
EXIT_CANNOT_START = 2


def run_node(
    factory: Callable[[], Node], args: list[str] | None = None, *, takes_raw: bool = False
) -> int:
    """Creates a node, spins it until a signal asks it to stop, and destroys it.

    The node is destroyed while its context is alive: its `destroy_node` may still publish, call
    and wait, as an arm does that brakes. Only then does the context end. A signal that comes while
    the node is being made or destroyed waits for that to be over.

    An exception in a callback ends the process: a node that continues after an unexpected error
    would look alive without being so. The supervisor names the dead node and the arm holds.

    Args:
        factory: Creates the node; a TmrlError, or a disk that refuses, says why it cannot work.
        args: Command line; None takes the process's own.
        takes_raw: Whether it subscribes to messages as bytes (see `make_executor`).

    Returns:
        Exit code: 0 after a normal stop, 2 where the node cannot start. Other errors propagate.
    """
    with StopSignals() as stop:
        enter_ros(args, signal_handler_options=SignalHandlerOptions.NO)
        try:
            return _run(factory, stop, takes_raw=takes_raw)
        finally:
            rclpy.try_shutdown()


def _run(factory: Callable[[], Node], stop: StopSignals, *, takes_raw: bool) -> int:
    try:
        node = factory()
    except (TmrlError, OSError) as error:
        sentence = str(error) if isinstance(error, TmrlError) else sentence_of(error)
        if sentence is None:
            raise
        print(f"cannot start: {sentence}", file=sys.stderr)  # noqa: T201 - no logger without a node
        return EXIT_CANNOT_START
    executor = make_executor(takes_raw=takes_raw)
    executor.add_node(node)
    try:
        spin_until_done(executor, stop.received)
        number = stop.received.result()
        if number is not None:
            node.get_logger().debug(f"{signal.Signals(number).name} received; stopping")
    finally:
        node.destroy_node()
    return EXIT_OK
