"""Classifier-free guidance: what the weight does, and who may be guided."""

import pytest
import torch
from torch import Tensor

from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.testing import scrambled, teach

_CONFIG = FlowPolicyConfig(
    proprio_dim=2,
    context_dim=1,
    action_dim=2,
    horizon=4,
    hidden=32,
    blocks=2,
    context_smoothing=False,
    context_dropout=0.1,
)


def _inputs(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Proprio, context and noise."""
    generator = torch.Generator().manual_seed(1)
    shapes = ((size, 2), (size, 1), (size, 4, 2))
    proprio, context, noise = (torch.randn(shape, generator=generator) for shape in shapes)
    return proprio, context, noise


def test_weight_one_is_plain_conditioning_exactly() -> None:
    policy = scrambled(_CONFIG)
    proprio, context, noise = _inputs(8)
    plain = policy.sample(proprio, context, torch.zeros(8), torch.randn(8, 1), noise)
    assert torch.equal(policy.sample_guided(proprio, context, torch.ones(8), noise), plain)


def test_weight_zero_is_the_null_policy_exactly() -> None:
    """Nothing of the context is left, and the weight of a row concerns this row only."""
    policy = scrambled(_CONFIG)
    proprio, context, noise = _inputs(8)
    weight = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0])
    one = policy.sample_guided(proprio, context, weight, noise)
    other = policy.sample_guided(proprio, context + 100.0, weight, noise)
    assert torch.equal(one[:4], other[:4])
    assert not torch.isclose(one[4:], other[4:]).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("weight", [-0.5, 0.3, 0.7, 2.5])
def test_a_step_follows_the_guided_velocity(weight: float) -> None:
    """With a single Euler step the actions are linear in the weight."""
    policy = scrambled(FlowPolicyConfig(**(vars(_CONFIG) | {"flow_steps": 1})))
    proprio, context, noise = _inputs(4)
    null, plain, guided = (
        policy.sample_guided(proprio, context, torch.full((4,), w), noise)
        for w in (0.0, 1.0, weight)
    )
    torch.testing.assert_close(guided, null + weight * (plain - null), rtol=1e-4, atol=1e-4)


def test_a_trained_policy_knows_both_the_conditional_and_the_marginal() -> None:
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    policy = FlowPolicy(_CONFIG)
    context = torch.randint(0, 2, (2048, 1), generator=generator).float() * 2.0 - 1.0
    proprio = torch.randn(2048, 2, generator=generator)
    data = PolicyBatch(proprio, context, context[:, :, None].expand(2048, 4, 2))
    teach(policy, data, 500, generator)
    noise = torch.randn(400, 4, 2, generator=generator)
    for sign in (-1.0, 1.0):
        contexts = torch.full((400, 1), sign)
        exact = policy.sample_guided(proprio[:400], contexts, torch.ones(400), noise)
        assert float((exact.mean(dim=(1, 2)) * sign > 0.5).float().mean()) > 0.95
        marginal = policy.sample_guided(proprio[:400], contexts, torch.zeros(400), noise)
        assert 0.3 < float((marginal.mean(dim=(1, 2)) > 0.0).float().mean()) < 0.7


def test_only_policies_with_dropout_are_guided_and_they_take_no_sigma() -> None:
    proprio, context, noise = _inputs(2)
    plain = scrambled(FlowPolicyConfig(**(vars(_CONFIG) | {"context_dropout": 0.0})))
    with pytest.raises(ValueError, match="without context dropout"):
        plain.sample_guided(proprio, context, torch.ones(2), noise)
    with pytest.raises(ValueError, match="without context smoothing"):
        scrambled(_CONFIG).sample(proprio, context, torch.ones(2), torch.zeros(2, 1), noise)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"context_dropout": 1.0}, "context_dropout is 1.0"),
        ({"context_smoothing": True}, "set one of the two"),
    ],
)
def test_bad_dropout_is_named(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowPolicyConfig(**(vars(_CONFIG) | setting))
