"""The lines about the rig itself: what stands in its file, and who is on the network."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.node import Node

from tmrl_bringup.up import propose
from tmrl_common.testing.waiting import wait_until
from tmrl_doctor.finding import Finding, Level
from tmrl_doctor.rig import RigChecks
from tmrl_doctor.topic_listener import TopicListener
from tmrl_ros.testing import NodeBench

pytestmark = [pytest.mark.ros]


class Twin(Node):
    """A controller of this name; another session on the domain would have one as well."""

    def __init__(self, namespace: str) -> None:
        super().__init__("controller", namespace=namespace)


@pytest.fixture
def listener(ros_domain_id: int) -> Iterator[TopicListener]:
    with TopicListener("/widowx") as listener:
        yield listener


def line(name: str, listener: TopicListener, rig: str, **overrides: Any) -> Finding:
    """What one line of the table says."""
    checks = RigChecks(propose(rig, overrides), listener).all()
    (check,) = [each for each in checks if each.name == name]
    return check.look()


def wait_until_counted(listener: TopicListener, count: int) -> Finding:
    """The line about the network once so many controllers are known to the doctor."""
    name = "/widowx/controller"
    wait_until(lambda: listener.nodes().count(name) == count, f"{count} controllers", 60.0)
    return line("ROS network", listener, "widowx_sim")


def test_a_file_with_values_that_only_the_lab_knows_is_incomplete(listener: TopicListener) -> None:
    finding = line("rig file", listener, "widowx")
    assert finding.level is Level.FAILED
    assert "arm.interbotix.vendor_name" in finding.detail
    assert "complete the rig's file" in finding.remedy
    assert line("rig file", listener, "widowx_sim").level is Level.GOOD


def test_a_file_that_contradicts_itself_is_named_by_what_contradicts(
    listener: TopicListener,
) -> None:
    finding = line("rig file", listener, "widowx_sim", **{"agent.execute_steps": 500})
    assert finding.level is Level.FAILED
    assert "execute_steps" in finding.detail


def test_two_controllers_of_one_name_are_found_on_the_network(
    listener: TopicListener, ros_domain_id: int
) -> None:
    with NodeBench(ros_domain_id, "controller", {}) as bench:
        bench.add(lambda: Twin("/widowx"))
        one = wait_until_counted(listener, 1)
        assert one.level is Level.GOOD, one
        bench.add(lambda: Twin("/widowx"))
        two = wait_until_counted(listener, 2)
    assert two.level is Level.FAILED
    assert "twice on this domain: /widowx/controller" in two.detail
    assert "ROS_DOMAIN_ID" in two.remedy
