"""Parameters as any ROS tool sees them: over the parameter services of a running node."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.node import Node

from tmrl_common.constraints import Live, NotEmpty, Range, check_fields
from tmrl_ros.live import LiveParameters
from tmrl_ros.node import TmrlNode
from tmrl_ros.parameters import ParameterError
from tmrl_ros.testing import NodeBench

pytestmark = pytest.mark.ros


@dataclass(frozen=True)
class CappedConfig:
    """A node with a cap.

    Attributes:
        robot: Name of the arm.
        sigma_cap: Largest sigma, 0 to 1.
        horizon: Rows of a chunk.
        timeout_s: Longest wait, s.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    sigma_cap: Annotated[float, Range(0.0, 1.0), Live(lower_only=True)] = 0.5
    horizon: Annotated[int, Range(1, 64)] = 16
    timeout_s: Annotated[float, Range(0.0, above=True)] = 1.0

    def __post_init__(self) -> None:
        check_fields(self)


class CappedNode(TmrlNode[CappedConfig]):
    def __init__(self) -> None:
        super().__init__("capped", CappedConfig)
        self.in_use = self.config
        self._live = LiveParameters(self, self.config, self._apply)

    def _apply(self, config: CappedConfig) -> None:
        self.in_use = config


class Tool(Node):
    """Any ROS tool: it knows the node by its parameter services alone."""

    def __init__(self) -> None:
        super().__init__("tool")
        self.describe = self.create_client(DescribeParameters, "/capped/describe_parameters")
        self.get = self.create_client(GetParameters, "/capped/get_parameters")
        self.set = self.create_client(SetParameters, "/capped/set_parameters")


@pytest.fixture
def bench(ros_domain_id):
    with NodeBench(ros_domain_id, "capped", {"robot": "widowx"}) as bench:
        yield bench


def set_cap(bench: NodeBench, tool: Tool, value: float) -> Any:
    wanted = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    answer = bench.call(tool.set, parameters=[ParameterMsg(name="sigma_cap", value=wanted)])
    return answer.results[0]


def read_cap(bench: NodeBench, tool: Tool) -> float:
    return bench.call(tool.get, names=["sigma_cap"]).values[0].double_value


def test_descriptors_carry_meaning_ranges_and_what_may_change(bench):
    bench.add(CappedNode)
    tool = bench.add(Tool)
    names = ["sigma_cap", "horizon", "timeout_s"]
    cap, horizon, timeout = bench.call(tool.describe, names=names).descriptors

    assert cap.description == "Largest sigma, 0 to 1."
    assert [(r.from_value, r.to_value) for r in cap.floating_point_range] == [(0.0, 1.0)]
    assert [(r.from_value, r.to_value) for r in horizon.integer_range] == [(1, 64)]
    # ROS knows no open ends; the words do.
    assert not timeout.floating_point_range
    assert timeout.additional_constraints == "above 0"
    assert "only be lowered" in cap.additional_constraints
    assert (cap.read_only, horizon.read_only) == (False, True)


def test_a_cap_is_lowered_while_the_node_runs_and_never_raised_again(bench):
    node, tool = bench.add(CappedNode), bench.add(Tool)

    assert set_cap(bench, tool, 0.2).successful
    bench.until(lambda: node.in_use.sigma_cap == 0.2, "the lower cap in use")

    refused = set_cap(bench, tool, 0.4)
    assert not refused.successful
    assert "can only be lowered, and it is 0.2" in refused.reason
    assert (node.in_use.sigma_cap, read_cap(bench, tool)) == (0.2, 0.2)


def test_a_live_value_out_of_range_is_refused_and_nothing_changes(bench):
    node, tool = bench.add(CappedNode), bench.add(Tool)
    assert not set_cap(bench, tool, -0.1).successful
    assert (node.in_use.sigma_cap, read_cap(bench, tool)) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"robot": "widowx", "sigma_cap": 1.5}, "sigma_cap is 1.5; it must be 0 to 1"),
        ({"robot": "widowx", "sigma_cup": 0.5}, "did you mean sigma_cap"),
        ({"robot": "widowx", "horizon": 1.5}, "it must be a whole number"),
        ({}, "parameter robot is missing (Name of the arm.)"),
    ],
)
def test_a_node_refuses_what_it_cannot_run_with(ros_domain_id, parameters, said):
    with (
        NodeBench(ros_domain_id, "capped", parameters) as bench,
        pytest.raises(ParameterError) as refused,
    ):
        bench.add(CappedNode)
    assert said in str(refused.value)
