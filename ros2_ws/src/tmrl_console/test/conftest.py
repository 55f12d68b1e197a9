"""The console and a session around it, spun by a thread."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

import rclpy
from rclpy.executors import SingleThreadedExecutor

from tmrl_bringup.rig import load
from tmrl_common.testing.waiting import wait_until
from tmrl_console.node import ConsoleNode
from tmrl_controller.node import ControllerNode
from tmrl_ros.network import enter_ros
from tmrl_sim.node import SimNode

from .session_stand_in import SessionStandIn

TIMEOUT_S = 60.0
RIG = load("widowx_sim").parts
SIM = {**RIG["driver"], "backend": "loopback", "real_time_factor": 1.0}
CONTROLLER = {**RIG["controller"], "pacing": "state", "simulated_arm": True}


@dataclass
class Cell:
    """Nodes of one session.

    Attributes:
        console: Under test.
        session: Plays the others.
        nodes: All of them.
    """

    console: ConsoleNode
    session: SessionStandIn
    nodes: list[Any]

    @property
    def address(self) -> str:
        return self.console.health()[1]["address"]

    def until(self, condition, what: str) -> None:
        wait_until(condition, what, TIMEOUT_S)


@pytest.fixture
def start_cell(ros_domain_id, tmp_path):
    """Starts the console beside a session that is played, with a real controller if wanted."""
    with ExitStack() as stack:

        def start(
            *, real_controller: bool = False, alone: bool = False, **parameters: object
        ) -> Cell:
            given = {"robot": "widowx", "cameras": ["overview", "wrist"], **parameters}
            nodes_of = {"console": given}
            if real_controller:
                nodes_of |= {"sim": SIM, "controller": CONTROLLER}
            nodes_of = {
                name: {"use_sim_time": real_controller, **p} for name, p in nodes_of.items()
            }
            content = {f"/widowx/{n}": {"ros__parameters": p} for n, p in nodes_of.items()}
            file = tmp_path / "parameters.yaml"
            file.write_text(yaml.safe_dump(content))
            arguments = ["--ros-args", "-r", "__ns:=/widowx", "--params-file", str(file)]
            enter_ros(arguments, domain_id=ros_domain_id)
            stack.callback(rclpy.try_shutdown)
            executor = SingleThreadedExecutor()
            makers = [ConsoleNode]
            makers += [SimNode, ControllerNode] if real_controller else []
            if not alone:
                makers += [lambda: SessionStandIn(with_controller=not real_controller)]
            nodes = []
            for make in makers:
                nodes.append(make())
                stack.callback(nodes[-1].destroy_node)
                executor.add_node(nodes[-1])
            stop = threading.Event()

            def spin() -> None:
                while not stop.is_set():
                    executor.spin_once(timeout_sec=0.05)

            thread = threading.Thread(target=spin)
            thread.start()

            def end() -> None:
                stop.set()
                thread.join()
                executor.shutdown()

            stack.callback(end)
            return Cell(nodes[0], nodes[-1], nodes)

        yield start
