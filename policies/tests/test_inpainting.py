"""Chunks whose first rows are known: they come out as they are, and the rest goes with them."""

import pytest
import torch
from torch import Tensor

from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.inpainting import Committed, inpaint, overlap_dim, overlap_features
from tmrl_policies.testing import scrambled, teach

_CONFIG = FlowPolicyConfig(
    proprio_dim=2, context_dim=1, action_dim=2, horizon=4, hidden=32, blocks=2
)


def _known(actions: Tensor, there: list[bool] | None = None) -> Committed:
    return Committed(actions, torch.tensor(there or [True] * len(actions)))


def _sample(policy: FlowPolicy, noise: Tensor, known: Committed | None) -> Tensor:
    size = len(noise)
    seen = torch.zeros(size, 2), torch.zeros(size, 1)
    return policy.sample(*seen, torch.full((size,), 0.5), torch.ones(size, 1), noise, known)


@pytest.mark.parametrize("network", ["mlp", "transformer"])
def test_known_rows_come_out_as_they_are_and_the_others_follow_from_them(network: str) -> None:
    policy = scrambled(FlowPolicyConfig(**{**vars(_CONFIG), "network": network}))
    noise = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(1))
    plain = policy.action_normaliser.normalise(_sample(policy, noise, None))
    actions = torch.tensor([[[1.5, -0.5], [0.25, 2.0]]]).expand(3, -1, -1)
    made = policy.action_normaliser.normalise(_sample(policy, noise, _known(actions)))
    assert torch.equal(made[:, :2], actions)
    assert not torch.allclose(made[:, 2:], plain[:, 2:], atol=1e-3)


def test_a_chunk_without_known_rows_is_the_same_bit_by_bit() -> None:
    """Alone, and in one pass with others that have some."""
    policy = scrambled(_CONFIG)
    noise = torch.randn(1, 4, 2, generator=torch.Generator().manual_seed(1))
    known = _known(torch.full((1, 2, 2), 9.0), [False])
    assert torch.equal(_sample(policy, noise, known), _sample(policy, noise, None))
    both = _sample(policy, noise.expand(2, -1, -1), _known(torch.ones(2, 2, 2), [True, False]))
    torch.testing.assert_close(both[1:], _sample(policy, noise, None), rtol=1e-5, atol=1e-6)


def test_known_rows_that_the_policy_makes_anyway_change_next_to_nothing() -> None:
    """The path of a chunk of the policy's own leads to that chunk."""
    generator = torch.Generator().manual_seed(3)
    place = torch.rand(512, 1, generator=generator)
    actions = (2.0 * place - 1.0)[:, None].expand(-1, 4, 2)
    policy = FlowPolicy(_CONFIG)
    teach(policy, PolicyBatch(torch.zeros(512, 2), place, actions), 400, generator)
    noise = torch.randn(16, 4, 2, generator=generator)
    plain = policy.action_normaliser.normalise(_sample(policy, noise, None))
    made = policy.action_normaliser.normalise(_sample(policy, noise, _known(plain[:, :2])))
    spread = float(plain.std())
    assert float((made - plain)[:, 2:].abs().mean()) < 0.25 * spread


def test_the_rest_of_a_chunk_continues_what_is_known() -> None:
    """Taught chunks hold one number each; of two the policy does not know which, it is shown."""
    generator = torch.Generator().manual_seed(5)
    side = torch.where(torch.rand(512, 1, 1, generator=generator) < 0.5, -1.0, 1.0)
    policy = FlowPolicy(_CONFIG)
    seen = torch.zeros(512, 2), torch.zeros(512, 1)
    teach(policy, PolicyBatch(*seen, side.expand(-1, 4, 2).clone()), 600, generator)
    noise = torch.randn(64, 4, 2, generator=generator)
    sides = torch.where(torch.arange(64) % 2 == 0, -1.0, 1.0)[:, None, None]
    known = policy.action_normaliser.normalise(sides.expand(-1, 2, 2))
    made = _sample(policy, noise, _known(known))
    agrees = (made[:, 2:].mean(dim=(1, 2)) * sides[:, 0, 0] > 0.0).float().mean()
    plain = _sample(policy, noise, None)[:, 2:].mean(dim=(1, 2))
    by_chance = (plain * sides[:, 0, 0] > 0.0).float().mean()
    assert agrees > 0.9 > by_chance


def test_known_rows_lie_on_the_straight_path_from_their_noise() -> None:
    noise, x = torch.full((1, 3, 1), 4.0), torch.full((1, 3, 1), 7.0)
    known = _known(torch.full((1, 2, 1), 2.0))
    assert inpaint(x, noise, 0.5, known).flatten().tolist() == [3.0, 3.0, 7.0]
    assert inpaint(x, noise, 0.0, known).flatten().tolist() == [2.0, 2.0, 7.0]
    assert inpaint(x, noise, 0.5, None) is x


def test_features_say_what_is_executed_anyway_and_whether_anything_is() -> None:
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert overlap_features(rows, 2, 2).tolist() == [1.0, 2.0, 3.0, 4.0, 1.0]
    assert overlap_features(None, 2, 2).tolist() == [0.0] * 5
    assert overlap_features(None, 0, 2).numel() == overlap_dim(0, 2) == 0
