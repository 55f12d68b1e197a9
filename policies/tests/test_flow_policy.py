"""The flow policy: what sigma does, and that it learns."""

import pytest
import torch
from torch import Tensor

from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.testing import scrambled, teach

_CONFIG = FlowPolicyConfig(
    proprio_dim=2, context_dim=1, action_dim=2, horizon=4, hidden=32, blocks=2
)


def _fitted(config: FlowPolicyConfig) -> FlowPolicy:
    """A policy whose every weight matters, and whose normalisers are not the identity."""
    policy = scrambled(config)
    policy.fit_normalisers(
        PolicyBatch(
            3.0 + torch.randn(64, config.proprio_dim),
            5.0 + 2.0 * torch.randn(64, config.context_dim),
            torch.randn(64, config.horizon, config.action_dim),
        )
    )
    return policy


def _inputs(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Proprio, context, epsilon and noise."""
    generator = torch.Generator().manual_seed(1)
    shapes = ((size, 2), (size, 1), (size, 1), (size, 4, 2))
    proprio, context, epsilon, noise = (torch.randn(s, generator=generator) for s in shapes)
    return proprio, context, epsilon, noise


def test_at_sigma_one_the_context_does_not_matter() -> None:
    """Two contexts give the very same actions for the same noises."""
    policy = _fitted(_CONFIG)
    proprio, context, epsilon, noise = _inputs(8)
    one = policy.sample(proprio, context, torch.ones(8), epsilon, noise)
    other = policy.sample(proprio, context + 100.0, torch.ones(8), epsilon, noise)
    assert torch.equal(one, other)


def test_at_sigma_zero_the_context_noise_does_not_matter() -> None:
    """Exact conditioning: epsilon is ignored, the context is not."""
    policy = _fitted(_CONFIG)
    proprio, context, epsilon, noise = _inputs(8)
    one = policy.sample(proprio, context, torch.zeros(8), epsilon, noise)
    other = policy.sample(proprio, context, torch.zeros(8), -3.0 * epsilon, noise)
    elsewhere = policy.sample(proprio, context + 1.0, torch.zeros(8), epsilon, noise)
    assert torch.equal(one, other)
    assert not torch.allclose(one, elsewhere)


def test_rows_of_a_batch_are_independent() -> None:
    """A batched request equals the requests one by one."""
    policy = _fitted(_CONFIG)
    proprio, context, epsilon, noise = _inputs(6)
    sigma = torch.linspace(0.0, 1.0, 6)
    together = policy.sample(proprio, context, sigma, epsilon, noise)
    for row in range(6):
        only = slice(row, row + 1)
        alone = policy.sample(proprio[only], context[only], sigma[only], epsilon[only], noise[only])
        torch.testing.assert_close(alone, together[only], rtol=1e-4, atol=1e-5)


def test_raw_units_do_not_matter() -> None:
    """Rescaling the world and refitting the statistics rescales the actions, nothing else."""
    generator = torch.Generator().manual_seed(2)
    data = PolicyBatch(
        torch.randn(64, 2, generator=generator),
        torch.randn(64, 1, generator=generator),
        torch.randn(64, 4, 2, generator=generator),
    )
    metres, millimetres = _fitted(_CONFIG), _fitted(_CONFIG)
    metres.fit_normalisers(data)
    millimetres.fit_normalisers(PolicyBatch(*(1000.0 * values for values in data)))
    proprio, context, epsilon, noise = _inputs(4)
    sigma = torch.full((4,), 0.4)
    in_metres = metres.sample(proprio, context, sigma, epsilon, noise)
    in_millimetres = millimetres.sample(1e3 * proprio, 1e3 * context, sigma, epsilon, noise)
    torch.testing.assert_close(in_millimetres, 1e3 * in_metres, rtol=1e-3, atol=1e-2)


def test_a_constant_input_is_ignored_when_it_changes_downstream() -> None:
    """A feature without variance maps to its own scale, never to a division by zero."""
    policy = _fitted(_CONFIG)
    policy.fit_normalisers(
        PolicyBatch(torch.ones(16, 2), torch.randn(16, 1), torch.randn(16, 4, 2))
    )
    proprio, context, epsilon, noise = _inputs(4)
    actions = policy.sample(proprio, context, torch.zeros(4), epsilon, noise)
    assert bool(actions.isfinite().all())


def _context_is_action(size: int, generator: torch.Generator) -> PolicyBatch:
    """Context -1 or +1 says which action was taken; proprioception says nothing."""
    context = torch.randint(0, 2, (size, 1), generator=generator).float() * 2.0 - 1.0
    actions = context[:, :, None].expand(size, 4, 2)
    return PolicyBatch(torch.randn(size, 2, generator=generator), context, actions)


def test_trained_policy_follows_its_context_and_forgets_it_with_sigma() -> None:
    """sigma = 0 imitates p(a | c); sigma = 1 draws from p(a), both modes for either context."""
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    policy = FlowPolicy(_CONFIG)
    teach(policy, _context_is_action(2048, generator), 400, generator)
    proprio = torch.randn(400, 2, generator=generator)
    epsilon = torch.randn(400, 1, generator=generator)
    noise = torch.randn(400, 4, 2, generator=generator)
    for context in (-1.0, 1.0):
        contexts = torch.full((400, 1), context)
        exact = policy.sample(proprio, contexts, torch.zeros(400), epsilon, noise)
        assert float((exact.mean(dim=(1, 2)) * context > 0.5).float().mean()) > 0.95
        marginal = policy.sample(proprio, contexts, torch.ones(400), epsilon, noise)
        assert 0.35 < float((marginal.mean(dim=(1, 2)) > 0.0).float().mean()) < 0.65


def test_without_smoothing_sigma_has_to_be_zero() -> None:
    """A plain policy was never trained above 0 and says so."""
    config = FlowPolicyConfig(2, 1, 2, 4, 32, 2, context_smoothing=False)
    policy = _fitted(config)
    proprio, context, epsilon, noise = _inputs(2)
    policy.sample(proprio, context, torch.zeros(2), epsilon, noise)
    with pytest.raises(ValueError, match="without context smoothing"):
        policy.sample(proprio, context, torch.tensor([0.0, 0.1]), epsilon, noise)


def test_everything_may_be_context() -> None:
    """A policy without proprioception trains and samples; its statistics have a hash."""
    policy = _fitted(FlowPolicyConfig(0, 1, 2, 4, 32, 2))
    _, context, epsilon, noise = _inputs(4)
    nothing = torch.zeros(4, 0)
    actions = policy.sample(nothing, context, torch.full((4,), 0.5), epsilon, noise)
    loss = policy.loss(PolicyBatch(nothing, context, noise), torch.Generator())
    assert bool(actions.isfinite().all())
    assert bool(loss.isfinite())
    assert len(policy.statistics_hash()) == 64


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"proprio_dim": -1}, "proprio_dim is -1"),
        ({"horizon": 0}, "horizon is 0"),
        ({"clean_fraction": 1.5}, "clean_fraction is 1.5"),
        ({"schedule": "marginal"}, "did you mean 'marginal_100'"),
        ({"network": "transfomer"}, "did you mean 'transformer'"),
        ({"network": "transformer", "hidden": 30}, "hidden is 30 with 4 heads"),
        ({"heads": 0}, "heads is 0"),
    ],
)
def test_bad_configurations_are_named(setting: dict[str, int], message: str) -> None:
    """The message names the field and the value."""
    with pytest.raises(ValueError, match=message):
        FlowPolicyConfig(**setting)
