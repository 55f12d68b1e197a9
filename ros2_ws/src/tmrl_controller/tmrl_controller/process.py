"""The controller as a process of its own, which asks for real-time scheduling on hardware."""

import sys

from tmrl_controller.config import Pacing
from tmrl_controller.node import ControllerNode
from tmrl_controller.realtime import claim_real_time
from tmrl_ros.run import run_node


def punctual_controller() -> ControllerNode:
    """The node, after the process has asked for what its pacing needs."""
    node = ControllerNode()
    if node.config.pacing == Pacing.STEADY:
        node.get_logger().info(claim_real_time(node.config.fifo_priority))
    return node


def main() -> None:
    """Runs the node until it is asked to stop."""
    sys.exit(run_node(punctual_controller))
