"""What can reach a node over the network, read from the kernel's own tables."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tmrl_ros.network import RANGE, confine

PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
PROGRAM = textwrap.dedent(
    """
    from rclpy.node import Node
    from std_msgs.msg import String
    from tmrl_ros.run import run_node

    class Talker(Node):
        def __init__(self):
            super().__init__("talker")
            self.heard = self.create_publisher(String, "heard", 1)
            self.create_subscription(String, "said", lambda message: print(message.data), 1)
            print("there", flush=True)

    run_node(Talker)
    """
)


@contextmanager
def node_process(**environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def addresses_of(pid: int) -> set[IPv4Address | str]:
    """Local addresses of every UDP and TCP socket of a process, from /proc."""
    links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    found: set[IPv4Address | str] = set()
    for table in ("udp", "tcp", "udp6", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if f"socket:[{columns[9]}]" in links:
                address = columns[1].partition(":")[0]
                is_v4 = len(address) == 8
                found.add(
                    IPv4Address(bytes.fromhex(address)[::-1]) if is_v4 else f"{table} {address}"
                )
    return found


@pytest.mark.ros
@pytest.mark.parametrize("discovery_range", ["LOCALHOST", ""])
def test_no_socket_of_a_node_can_be_reached_from_another_machine(
    ros_domain_id, shell, discovery_range
):
    with node_process(**shell(discovery_range)) as process:
        found = addresses_of(process.pid)
    assert found == {IPv4Address("127.0.0.1")}


@pytest.mark.ros
def test_a_lab_that_asks_for_its_subnet_gets_it(ros_domain_id, shell):
    with node_process(**shell("SUBNET")) as process:
        found = addresses_of(process.pid)
    assert IPv4Address("0.0.0.0") in found


@pytest.fixture
def shell():
    """The variables of a shell, with the given discovery range; empty: with none."""

    def variables(discovery_range: str) -> dict[str, str]:
        bare = {k: v for k, v in os.environ.items() if k not in (RANGE, PROFILES)}
        return {**bare, RANGE: discovery_range} if discovery_range else bare

    return variables


@pytest.mark.parametrize(
    "wish",
    [
        {RANGE: "SUBNET"},
        {RANGE: "OFF"},
        {RANGE: "LOCALHOST", "ROS_STATIC_PEERS": "192.168.1.20"},
        {"ROS_DISCOVERY_SERVER": "192.168.1.20:11811"},
        {PROFILES: "/etc/lab.xml"},
        {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"},
    ],
)
def test_what_a_lab_arranged_by_itself_is_left_alone(wish):
    environment = dict(wish)
    assert not confine(environment)
    assert {name: environment[name] for name in wish} == wish
    assert PROFILES in wish or PROFILES not in environment


def test_children_of_a_confined_process_are_confined():
    environment = {RANGE: "LOCALHOST"}
    assert confine(environment)
    inherited = dict(environment)
    assert confine(inherited)
    assert inherited == environment
