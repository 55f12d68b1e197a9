"""What tests of nodes share: nodes that are spun until something has happened."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

from tmrl_common.closeable import Closeable
from tmrl_common.testing.waiting import wait_until
from tmrl_msgs.msg import ActionChunk, ChunkOutcome
from tmrl_ros.conversion import nanoseconds, stamp_of_nanoseconds, to_float32_field
from tmrl_ros.network import enter_ros

TIMEOUT_S = 60.0
N = TypeVar("N", bound=Node)


def parameter_arguments(parameters: Mapping[str, object], node: str = "") -> list[str]:
    """Arguments of a process, or of `rclpy.init`, that set parameters.

    Args:
        parameters: Values by name, as one would type them.
        node: Whose; empty: every node of the process has them.
    """
    whose = f"{node}:" if node else ""
    arguments = ["--ros-args"]
    for name, value in parameters.items():
        arguments += ["-p", f"{whose}{name}:={value}"]
    return arguments


def parameters_in_a_node(file: Path) -> dict[str, Any]:
    """All parameters of a node that was started with a parameter file, by name."""
    context = Context()
    enter_ros(["--ros-args", "--params-file", str(file)], context=context)
    try:
        node = Node(
            "reader",
            context=context,
            automatically_declare_parameters_from_overrides=True,
            start_parameter_services=False,
            enable_rosout=False,
        )
        values = {name: each.value for name, each in node.get_parameters_by_prefix("").items()}
        node.destroy_node()
    finally:
        context.try_shutdown()
    return values


def spin_until(
    executor: Executor,
    condition: Callable[[], object],
    what: str,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Spins until a condition holds.

    Raises:
        TimeoutError: It did not hold in time.
    """
    wait_until(condition, what, timeout_s, lambda: executor.spin_once(timeout_sec=0.05))


def outcome_of(
    chunk: ActionChunk, started: Time, ended: Time, arm_state_sequence: int
) -> ChunkOutcome:
    """What a controller tells of a chunk whose actions were all executed as they were sent."""
    steps = chunk.execute_steps
    actions = np.array(chunk.actions).reshape(-1, chunk.action_dim)[:steps]
    ends_ns = np.linspace(nanoseconds(started), nanoseconds(ended), steps + 1)[1:]
    outcome = ChunkOutcome(
        robot=chunk.robot,
        session=chunk.session,
        episode=chunk.episode,
        chunk=chunk.chunk,
        sequence=chunk.sequence,
        agent_epoch=chunk.agent_epoch,
        result=ChunkOutcome.COMPLETED,
        started=started,
        steps=steps,
        action_dim=chunk.action_dim,
        executed_actions=to_float32_field(actions),
        driver=[ChunkOutcome.DRIVER_POLICY] * steps,
        clamped=[False] * steps,
        step_ends=[stamp_of_nanoseconds(round(ns)) for ns in ends_ns.tolist()],
        arm_state_sequence=arm_state_sequence,
    )
    outcome.header.stamp = ended
    return outcome


class NodeBench(Closeable):
    """The node under test, the nodes around it, and one executor that spins them all."""

    def __init__(
        self,
        domain_id: int,
        node: str,
        parameters: Mapping[str, object],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Starts ROS in this process.

        Args:
            domain_id: Where the nodes meet.
            node: Name of the node under test.
            parameters: Its parameters.
            timeout_s: Longest wait for anything.
        """
        self._timeout_s = timeout_s
        enter_ros(parameter_arguments(parameters, node), domain_id=domain_id)
        self._executor = SingleThreadedExecutor()
        self._nodes: list[Node] = []

    def add(self, make: Callable[[], N]) -> N:
        """Makes a node; where it cannot be made, the bench is closed."""
        try:
            node = make()
        except BaseException:
            self.close()
            raise
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Spins until a condition holds (see `spin_until`)."""
        spin_until(self._executor, condition, what, self._timeout_s)

    def call(self, client: Client[Any, Any], **fields: object) -> Any:
        """Calls a service with a request of these fields, and waits for the answer."""
        self.until(client.service_is_ready, client.service_name)
        future = client.call_async(client.srv_type.Request(**fields))
        self.until(future.done, f"an answer of {client.service_name}")
        return future.result()

    def close(self) -> None:
        """Ends the nodes, and ROS in this process. May be called twice."""
        while self._nodes:
            self._nodes.pop().destroy_node()
        self._executor.shutdown()
        rclpy.try_shutdown()
