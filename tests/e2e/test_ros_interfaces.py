"""docs/reference/ros_interfaces.md against the graph of a running session: it cannot drift."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import describe_nodes
from tmrl_bringup.rig import load
from tmrl_common.testing.waiting import wait_until
from tmrl_ros import qos
from tmrl_ros.network import enter_ros
from tmrl_ros.transforms import tf_message_type

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "ros_interfaces.md").read_text(encoding="utf-8")
VIEWS = ROOT / "launch" / "view"
SPACE = "/widowx/"
OF_EVERY_NODE = re.compile(
    r"/(parameter_events|rosout)$"
    r"|/(describe_parameters|get_parameter_types|get_parameters|list_parameters|set_parameters"
    r"|set_parameters_atomically|get_type_description)$"
)
PROFILES = {
    "state": (qos.STATE,),
    "image": (qos.IMAGE,),
    "event": (qos.EVENT,),
    "verdict": (qos.VERDICT,),
    "status": (qos.STATUS,),
    "labels": (qos.LABELS,),
    "tf": (qos.TRANSFORMS,),
    "any": qos.ANYONES,
}
PARTS = {"driver": "arm"}
"""What a node is called on the page, where the simulation calls it otherwise."""
TIMEOUT_S = 120.0


def table(heading: str) -> list[list[str]]:
    """The cells of a section's table, without ticks."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return [[cell.strip("` ") for cell in row] for row in rows[2:]]


def names(cell: str) -> set[str]:
    return set() if cell == "-" else set(cell.split(", "))


def absolute(name: str) -> str:
    return name if name.startswith("/") else SPACE + name


TOPICS = {absolute(row[0]): row[1:] for row in table("Topics")}
SERVICES = {absolute(row[0]): row[1:] for row in table("Services")}
QUALITIES = {row[0]: row[1:] for row in table("Quality of service")}


@pytest.fixture
def session(ros_domain_id: int, tmp_path: Path) -> Iterator[Node]:
    """A node beside a simulated session without a policy server: it waits, and its graph stands."""
    rig = load("widowx_sim").with_overrides({"policy_server.bind": "tcp://127.0.0.1:1"})
    rig = SessionOptions(run_dir=tmp_path).apply(rig)
    nodes = describe_nodes(rig, tmp_path)
    processes = [subprocess.Popen(node.argv(), stderr=subprocess.DEVNULL) for node in nodes]
    enter_ros([], domain_id=ros_domain_id)
    node = rclpy.create_node("reader")
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(30.0)
            except subprocess.TimeoutExpired:
                process.kill()


def ends(found: list) -> set[str]:
    return {PARTS.get(end.node_name, end.node_name) for end in found}


def described() -> dict[str, list[str]]:
    """The topics of the page that this machine can have."""
    without = set() if tf_message_type() else {"/tf", "/tf_static"}
    return {name: row for name, row in TOPICS.items() if name not in without}


def topics_of(node: Node) -> dict[str, list[str]]:
    """Type, both ends, of every topic that a node of the session has."""
    return {
        name: [
            *kinds,
            ends(node.get_publishers_info_by_topic(name)),
            ends(node.get_subscriptions_info_by_topic(name)),
        ]
        for name, kinds in node.get_topic_names_and_types()
        if not OF_EVERY_NODE.search(name)
    }


def services_of(node: Node) -> dict[str, list]:
    """Type and server of every service of the session."""
    found: dict[str, list] = {}
    for name, space in node.get_node_names_and_namespaces():
        for service, kinds in node.get_service_names_and_types_by_node(name, space):
            if not OF_EVERY_NODE.search(service):
                found[service] = [*kinds, PARTS.get(name, name)]
    return found


def test_the_page_is_the_graph_of_a_simulated_session(session: Node) -> None:
    expected = {
        name: [kind, names(publishers), names(subscribers)]
        for name, (kind, _, publishers, subscribers, _) in described().items()
    }
    # Nodes appear one by one; a graph that never becomes the page's shows in the comparison.
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: topics_of(session) == expected, "the page's graph", TIMEOUT_S)
    assert topics_of(session) == expected
    assert services_of(session) == {name: row[:2] for name, row in SERVICES.items()}
    check_qualities(session)


def check_qualities(session: Node) -> None:
    """Every end of every topic offers or asks for what the page says."""
    for name, (_, quality, *_) in described().items():
        reliabilities, durability, _ = QUALITIES[quality]
        found = session.get_publishers_info_by_topic(name)
        if name != "/clock":
            # There rclpy itself listens, with best effort.
            found += session.get_subscriptions_info_by_topic(name)
        for end in found:
            profile = end.qos_profile
            assert words(profile.reliability) in reliabilities, (name, end.node_name)
            assert words(profile.durability) == durability, (name, end.node_name)


def words(policy) -> str:
    return policy.name.lower().replace("_", " ")


def test_the_qualities_are_those_of_the_code() -> None:
    assert QUALITIES.keys() == PROFILES.keys() | {"health"}
    for name, profiles in PROFILES.items():
        reliabilities, durability, depth = QUALITIES[name]
        assert [words(p.reliability) in reliabilities for p in profiles] == [True] * len(profiles)
        assert {words(p.durability) for p in profiles} == {durability}
        assert {p.depth for p in profiles} == {int(depth)}


def topics_in(value: object) -> Iterator[str]:
    """Everything in a layout that names a topic: rviz and Foxglove write them with a slash."""
    if isinstance(value, dict):
        yield from topics_in([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for inner in value:
            yield from topics_in(inner)
    elif isinstance(value, str) and value.startswith("/"):
        yield re.split(r"[.\[]", value)[0]


@pytest.mark.parametrize("layout", sorted(path.name for path in VIEWS.iterdir()))
def test_every_topic_of_a_view_is_on_the_page(layout: str) -> None:
    text = (VIEWS / layout).read_text(encoding="utf-8")
    content = yaml.safe_load(text) if layout.endswith(".rviz") else json.loads(text)
    shown = set(topics_in(content))
    assert shown <= TOPICS.keys(), shown - TOPICS.keys()
    least = {"robot_description", "arm/tool_pose", "camera/overview/image"}
    if layout.endswith(".json"):
        least |= {"joint_states", "learner/status"}
    assert {absolute(name) for name in least} <= shown
