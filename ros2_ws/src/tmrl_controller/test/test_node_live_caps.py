"""`ros2 param set /widowx/controller sigma_cap 0.3`, over the node's real parameter services."""

import math

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    SetParameters,
    SetParametersAtomically,
)

from tmrl_controller.testing import CONFIG
from tmrl_controller.testing.world_node import PARAMETERS, Bench
from tmrl_msgs import msg

pytestmark = pytest.mark.ros
CAPS = ("sigma_cap", "z_cap", "epsilon_cap")


class Operator(Bench):
    """A controller whose policy drives, and somebody at its parameters."""

    def __init__(self, domain_id):
        super().__init__(domain_id, PARAMETERS)
        client = self.world.create_client
        self.set_service = client(SetParameters, "/controller/set_parameters")
        self.atomic = client(SetParametersAtomically, "/controller/set_parameters_atomically")
        self.get_service = client(GetParameters, "/controller/get_parameters")
        self.describe = client(DescribeParameters, "/controller/describe_parameters")
        self.connect()
        self.world.publish_state()
        self.resume()

    def set(self, **values):
        """What came of each value."""
        return self.call(self.set_service, parameters=as_messages(values)).results

    def caps(self):
        """The caps as any ROS tool reads them."""
        return [v.double_value for v in self.call(self.get_service, names=CAPS).values]

    def reported(self):
        """The caps in the newest status."""
        status = self.world.statuses[-1]
        return [status.sigma_cap, status.z_cap, status.epsilon_cap]


def as_messages(values):
    return [
        Parameter(
            name=name,
            value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value),
        )
        for name, value in values.items()
    ]


@pytest.fixture
def operator(ros_domain_id):
    with Operator(ros_domain_id) as made:
        yield made


def test_a_lowered_cap_refuses_the_next_chunk_above_it(operator):
    world = operator.world
    assert all(result.successful for result in operator.set(sigma_cap=0.3, z_cap=1.0))
    operator.until(
        lambda: operator.reported() == [0.3, 1.0, CONFIG.epsilon_cap], "a status with the new caps"
    )

    world.offer(sigma=0.5)
    operator.until(lambda: world.outcomes, "the refusal")
    assert world.outcomes[0].result == msg.ChunkOutcome.REFUSED
    assert "sigma is 0.5, this rig's cap is 0.3" in world.outcomes[0].reason
    assert world.commands == []

    world.offer(sequence=2, sigma=0.3, execute_steps=1)
    operator.until(lambda: len(world.outcomes) == 2, "the chunk within the cap")
    assert world.outcomes[1].result == msg.ChunkOutcome.COMPLETED


def test_none_is_raised_whatever_is_asked(operator):
    operator.set(sigma_cap=0.3)
    (refused,) = operator.set(sigma_cap=0.4)
    assert not refused.successful
    assert "sigma_cap is to become 0.4" in refused.reason
    assert "it is 0.3 now: restart the node with the rig's value" in refused.reason

    for value in (CONFIG.z_cap + 0.1, math.inf, math.nan, -1.0, 0.0):
        assert not operator.set(z_cap=value)[0].successful
    both = as_messages({"z_cap": 1.0, "epsilon_cap": CONFIG.epsilon_cap + 1.0})
    assert not operator.call(operator.atomic, parameters=both).result.successful
    without = [Parameter(name="sigma_cap", value=ParameterValue())]
    assert not operator.call(operator.set_service, parameters=without).results[0].successful

    assert operator.caps() == [0.3, CONFIG.z_cap, CONFIG.epsilon_cap]
    operator.until(lambda: operator.reported() == operator.caps(), "the same in the status")


def test_the_other_limits_stay_fixed_and_the_descriptors_say_so(operator):
    assert not operator.set(max_translation_m=0.001)[0].successful
    names = [*CAPS, "max_translation_m"]
    *caps, other = operator.call(operator.describe, names=names).descriptors
    assert other.read_only
    for cap in caps:
        assert not cap.read_only
        assert "only be lowered" in cap.additional_constraints
