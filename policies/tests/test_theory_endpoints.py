"""Both ends of the dial: sigma = 0 is plain conditioning, sigma = 1 the marginal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tmrl_policies.corruption import noise_schedule
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.testing import scrambled

_CONFIG = FlowPolicyConfig(
    proprio_dim=2, context_dim=3, action_dim=2, horizon=4, hidden=32, blocks=2
)
_finite = st.floats(-1e3, 1e3, width=32)
_vectors = st.lists(_finite, min_size=3, max_size=3).map(torch.tensor)


@pytest.fixture(scope="module")
def policy() -> FlowPolicy:
    """Random weights everywhere: the ends hold by construction, not by training."""
    policy = scrambled(_CONFIG)
    policy.fit_normalisers(
        PolicyBatch(torch.randn(64, 2), 5.0 + 2.0 * torch.randn(64, 3), torch.randn(64, 4, 2))
    )
    return policy


def act(policy: FlowPolicy, context, sigma: float, epsilon, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    proprio = torch.randn((1, 2), generator=generator)
    noise = torch.randn((1, 4, 2), generator=generator)
    return policy.sample(proprio, context[None], torch.tensor([sigma]), epsilon[None], noise)


@given(context=_vectors, epsilon=_vectors)
def test_the_kernel_keeps_all_at_zero_and_nothing_at_one(context, epsilon) -> None:
    corrupt = noise_schedule("marginal_100").corrupt
    assert torch.equal(corrupt(context[None], torch.zeros(1), epsilon[None])[0], context)
    assert torch.equal(corrupt(context[None], torch.ones(1), epsilon[None])[0], epsilon)


@given(context=_vectors, epsilon=_vectors, other=_vectors, seed=st.integers(0, 2**31))
def test_at_zero_the_context_noise_has_no_influence(policy, context, epsilon, other, seed) -> None:
    one, another = (act(policy, context, 0.0, noise, seed) for noise in (epsilon, other))
    assert torch.equal(one, another)


@given(context=_vectors, other=_vectors, epsilon=_vectors, seed=st.integers(0, 2**31))
def test_at_one_all_contexts_act_alike(policy, context, other, epsilon, seed) -> None:
    one, another = (act(policy, place, 1.0, epsilon, seed) for place in (context, other))
    assert torch.equal(one, another)


@given(epsilon=_vectors, sigma=st.floats(0.02, 0.9), seed=st.integers(0, 2**31))
def test_in_between_both_matter(policy, epsilon, sigma, seed) -> None:
    here, there = torch.zeros(3), torch.full((3,), 10.0)
    assert not torch.equal(
        act(policy, here, sigma, epsilon, seed), act(policy, there, sigma, epsilon, seed)
    )
    assert not torch.equal(
        act(policy, here, sigma, epsilon, seed), act(policy, here, sigma, epsilon + 1.0, seed)
    )
