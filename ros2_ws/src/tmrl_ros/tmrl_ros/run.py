"""Runs one node as one process: a clean end on Ctrl-C, one sentence where it cannot start."""

import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

from tmrl_common.errors import TmrlError
from tmrl_ros.network import enter_ros

EXIT_OK = 0
EXIT_CANNOT_START = 2

RCLError: type[Exception] = rclpy_implementation.RCLError


def run_node(factory: Callable[[], Node], args: list[str] | None = None) -> int:
    """Creates a node, spins it until it is told to stop, and destroys it.

    An exception in a callback ends the process: a node that goes on after an unexpected error would
    look alive without being so. The supervisor names the dead node and the arm holds.

    Args:
        factory: Creates the node; a TmrlError tells why it cannot work with what it was given.
        args: Command line; None takes the process's own.

    Returns:
        Exit code: 0 after a normal stop, 2 where the node cannot start. Other errors propagate.
    """
    enter_ros(args)
    try:
        node = factory()
    except TmrlError as error:
        print(f"cannot start: {error}", file=sys.stderr)  # noqa: T201 - no logger without a node
        rclpy.try_shutdown()
        return EXIT_CANNOT_START
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        node.get_logger().debug("told to stop")
    except RCLError:
        # A signal ends the context at any moment, also between two calls of the executor.
        if rclpy.ok():
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return EXIT_OK
