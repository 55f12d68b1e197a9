"""The networks of the flow policy: whatever holds for one holds for the other."""

from pathlib import Path

import pytest
import torch

from tmrl_policies.flow_checkpoint import load_flow_policy, save_flow_policy
from tmrl_policies.flow_config import NETWORK_NAMES
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.testing import scrambled, teach

pytestmark = pytest.mark.parametrize("network", NETWORK_NAMES)

_ALTERNATING = torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None]


def _config(network: str) -> FlowPolicyConfig:
    return FlowPolicyConfig(2, 1, 2, 4, hidden=32, blocks=2, network=network)


def _sample(policy: FlowPolicy, rows: slice = slice(None)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    shapes = ((6, 2), (6, 1), (6,), (6, 1), (6, 4, 2))
    inputs = [torch.randn(shape, generator=generator)[rows] for shape in shapes]
    inputs[2] = torch.linspace(0.0, 1.0, 6)[rows]
    return policy.sample(*inputs)


def test_an_untrained_network_leaves_the_noise_alone(network: str) -> None:
    policy = FlowPolicy(_config(network))
    noise, zero = torch.randn(1, 4, 2), torch.zeros(1, 1)
    actions = policy.sample(torch.zeros(1, 2), zero, torch.zeros(1), zero, noise)
    assert torch.equal(actions, noise)


def test_every_weight_learns_once_the_gates_are_open(network: str) -> None:
    policy = scrambled(_config(network)).train()
    batch = PolicyBatch(torch.randn(8, 2), torch.randn(8, 1), torch.randn(8, 4, 2))
    policy.loss(batch, torch.Generator()).backward()
    idle = [name for name, weight in policy.named_parameters() if not weight.grad.any()]
    assert idle == []


def test_rows_of_a_batch_are_independent(network: str) -> None:
    policy = scrambled(_config(network))
    together = _sample(policy)
    for row in range(6):
        only = slice(row, row + 1)
        torch.testing.assert_close(_sample(policy, only), together[only], rtol=1e-4, atol=1e-4)


def test_a_policy_survives_a_round_trip(network: str, tmp_path: Path) -> None:
    policy = scrambled(_config(network))
    save_flow_policy(tmp_path, policy, {})
    assert torch.equal(_sample(load_flow_policy(tmp_path).policy), _sample(policy))


def test_a_policy_learns_what_the_context_says_and_where_in_the_chunk(network: str) -> None:
    """Actions are the context, with a sign that alternates over the chunk."""
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    policy = FlowPolicy(_config(network))
    context = torch.randint(0, 2, (1024, 1), generator=generator).float() * 2.0 - 1.0
    actions = (context[:, :, None] * _ALTERNATING).expand(1024, 4, 2)
    data = PolicyBatch(torch.randn(1024, 2, generator=generator), context, actions)
    teach(policy, data, 300, generator)
    noise = torch.randn(200, 4, 2, generator=generator)
    sampled = policy.sample(
        data.proprio[:200], context[:200], torch.zeros(200), torch.zeros(200, 1), noise
    )
    assert float((sampled * actions[:200] > 0.5).float().mean()) > 0.9
