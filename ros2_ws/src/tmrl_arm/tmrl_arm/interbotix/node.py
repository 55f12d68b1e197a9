"""The ROS node through which the driver speaks to the vendor's driver of the motors."""

# The vendor's messages have no types.
# pyright: basic

import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState

from tmrl_arm.driver import ArmConnectionError
from tmrl_arm.interbotix.bus import JointSample
from tmrl_arm.interbotix.calls import VendorCalls
from tmrl_arm.interbotix.endpoints import connect_endpoints, import_messages
from tmrl_arm.interbotix.joint_states import JointStates
from tmrl_common.clock import Clock
from tmrl_ros.network import enter_ros

_LOOK_PERIOD_S = 0.05
_LEAVING = Duration(seconds=1)
"""A vendor's driver that is alive acknowledges within milliseconds."""
_NEWEST = QoSProfile(depth=1)


class InterbotixNode(VendorCalls):
    """`bus.Bus` over ROS 2, with a node and a thread of its own."""

    def __init__(self, vendor_name: str, clock: Clock) -> None:
        """Touches nothing yet.

        Args:
            vendor_name: Namespace of the vendor's driver, without a slash.
            clock: For the arrival of joint states.
        """
        self._vendor_name = vendor_name
        self._joint_states = f"/{vendor_name}/joint_states"
        self._clock = clock
        self._states = JointStates(self._joint_states)
        self._publishers: tuple[Any, ...] = ()
        self._nodes: list[Node] = []
        self._executor: SingleThreadedExecutor | None = None
        self._thread: threading.Thread | None = None
        self._owns_context = False

    def open(self, timeout_s: float) -> None:
        """See `Bus.open`."""
        self._messages, self._services = import_messages()
        if not rclpy.ok():
            # rclpy's handlers would end the context before the arm has braked.
            enter_ros(signal_handler_options=SignalHandlerOptions.NO)
            self._owns_context = True
        self._states = JointStates(self._joint_states)
        try:
            self._find_vendor(timeout_s)
        except ArmConnectionError:
            self.close()
            raise

    def _find_vendor(self, timeout_s: float) -> None:
        topic = self._joint_states
        self._executor = SingleThreadedExecutor()
        listener = self._new_node("interbotix_listener")
        listener.create_subscription(JointState, topic, self._on_joint_states, _NEWEST)
        self._executor.add_node(listener)
        self._thread = threading.Thread(
            target=_spin, args=(self._executor,), name="interbotix_bus", daemon=True
        )
        self._thread.start()
        _wait_until(
            lambda: self._states.newest is not None,
            timeout_s,
            lambda: self._states.absence(self._vendor_name),
        )
        # A second node: the vendor's class spins the one it is given until it is complete.
        caller = self._new_node("interbotix_caller")
        self._endpoints = connect_endpoints(caller, self._vendor_name)
        self._publishers = (self._endpoints.pub_group, self._endpoints.pub_single)
        self._executor.add_node(caller)
        _wait_until(
            lambda: all(client.service_is_ready() for client in self._endpoints.clients),
            timeout_s,
            lambda: (
                f"the vendor's driver publishes joint states, but does not serve all of "
                f"{', '.join(client.srv_name for client in self._endpoints.clients)}: restart it"
            ),
        )

    def _new_node(self, name: str) -> Node:
        # Remappings of the process (name, namespace) are meant for the arm's own node.
        node = rclpy.create_node(name, use_global_arguments=False)
        self._nodes.append(node)
        return node

    def newest(self) -> JointSample | None:
        """See `Bus.newest`."""
        return self._states.newest

    def publishers(self) -> tuple[str, ...]:
        """See `Bus.publishers`."""
        found = (
            self._nodes[0].get_publishers_info_by_topic(self._joint_states) if self._nodes else []
        )
        return tuple(sorted({publisher.node_name for publisher in found}))

    def close(self) -> None:
        """See `Bus.close`."""
        for publisher in self._publishers:
            # A publisher that is destroyed takes along what has not been delivered yet.
            publisher.wait_for_all_acked(_LEAVING)
        self._publishers = ()
        if self._executor is not None:
            self._executor.shutdown()
        if self._thread is not None:
            self._thread.join()
        self._executor = self._thread = None
        while self._nodes:
            self._nodes.pop().destroy_node()
        if self._owns_context:
            rclpy.try_shutdown()
            self._owns_context = False

    def _on_joint_states(self, message: JointState) -> None:
        self._states.take(message, self._clock.now_s())


def _spin(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return


def _wait_until(done: Callable[[], bool], timeout_s: float, otherwise: Callable[[], str]) -> None:
    ends_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > ends_s:
            raise ArmConnectionError(f"after {timeout_s:g} s: {otherwise()}")
        time.sleep(_LOOK_PERIOD_S)
