"""The steering actor: its densities, its ranges, its independent heads."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tmrl_policies.steering import (
    SteeringActor,
    SteeringActorConfig,
    SteeringBounds,
    scale_steering,
)


def _actor(mean: float, raw_log_std: float, **config: int | bool) -> SteeringActor:
    """An actor whose every component has the same mean and spread, whatever it sees."""
    actor = SteeringActor(SteeringActorConfig(features_dim=3, hidden=8, **config))
    with torch.no_grad():
        for weight in actor.parameters():
            weight.zero_()
        last = actor.net[-1]
        assert isinstance(last, torch.nn.Linear)
        half = last.out_features // 2
        last.bias[:half], last.bias[half:] = mean, raw_log_std
    return actor


@given(mean=st.floats(-1.5, 1.5), raw=st.floats(-0.5, 0.6))
def test_density_of_tau_agrees_with_numerical_integration(mean: float, raw: float) -> None:
    """Integrating exp(log_prob) over tau gives the Gaussian probability of the same interval."""
    actor = _actor(mean, raw, z_dim=1)
    with torch.no_grad():
        sample = actor.sample(torch.zeros(20_000, 3), torch.Generator().manual_seed(0))
        log_std = float(actor(torch.zeros(1, 3))[1][0, 0])
    middle = sample.tau[:, 0].argsort()[1_000:-1_000]
    tau, density = sample.tau[middle, 0].double(), sample.log_prob_tau[middle].double().exp()
    integral = torch.trapezoid(density, tau)
    low, high = torch.distributions.Normal(mean, math.exp(log_std)).cdf(tau[[0, -1]].atanh())
    assert float(integral) == pytest.approx(float(high - low), abs=5e-3)


def test_log_probability_stays_finite_where_the_tanh_saturates() -> None:
    """A mean of 40 makes tanh exactly 1 in float32."""
    sample = _actor(40.0, 0.0, z_dim=2, epsilon_dim=2).sample(
        torch.zeros(16, 3), torch.Generator().manual_seed(0)
    )
    for log_prob in (sample.log_prob_z, sample.log_prob_tau, sample.log_prob_epsilon):
        assert bool(log_prob.isfinite().all())


def test_a_head_sums_its_components() -> None:
    """log pi of a 4-d z is the sum over four equal components, apart from tau and epsilon."""
    sample = _actor(0.0, -50.0, z_dim=4, epsilon_dim=2).sample(
        torch.zeros(4000, 3), torch.Generator().manual_seed(0)
    )
    per_component = float(sample.log_prob_tau.detach().mean())
    assert float(sample.log_prob_z.detach().mean()) == pytest.approx(4 * per_component, rel=0.02)
    assert float(sample.log_prob_epsilon.detach().mean()) == pytest.approx(
        2 * per_component, rel=0.02
    )


@pytest.mark.parametrize(("sigma_head", "epsilon_dim"), [(True, 0), (False, 0), (True, 3)])
def test_heads_left_out_have_width_zero(*, sigma_head: bool, epsilon_dim: int) -> None:
    """Every caller may treat all variants alike."""
    torch.manual_seed(0)
    actor = SteeringActor(
        SteeringActorConfig(features_dim=3, z_dim=4, epsilon_dim=epsilon_dim, sigma_head=sigma_head)
    )
    features = torch.randn(7, 3)
    sample = actor.sample(features, torch.Generator().manual_seed(0))
    assert sample.z.shape == (7, 4)
    assert sample.tau.shape == (7, int(sigma_head))
    assert sample.epsilon.shape == (7, epsilon_dim)
    if not sigma_head:
        assert torch.equal(sample.log_prob_tau, torch.zeros(7))
    scaled = scale_steering(sample.z, sample.tau, sample.epsilon, SteeringBounds(2.0, 0.8))
    assert scaled.sigma.shape == (7,)
    if not sigma_head:
        assert torch.equal(scaled.sigma, torch.full((7,), 0.8))


@given(st.floats(-1.0, 1.0), st.floats(0.1, 5.0), st.floats(0.0, 1.0))
def test_scaled_values_respect_the_bounds(value: float, z_bound: float, sigma_max: float) -> None:
    """|z| <= z_bound and 0 <= sigma <= sigma_max, with both ends reached."""
    bounds = SteeringBounds(z_bound, sigma_max)
    tau = torch.tensor([[value], [-1.0], [1.0]], dtype=torch.float64)
    scaled = scale_steering(tau, tau, tau[:, :0], bounds)
    assert bool((scaled.z.abs() <= z_bound).all())
    assert bool(((scaled.sigma >= 0.0) & (scaled.sigma <= sigma_max)).all())
    assert float(scaled.sigma[1]) == 0.0
    assert float(scaled.sigma[2]) == pytest.approx(sigma_max)


def test_mode_is_what_samples_scatter_around() -> None:
    """With the smallest spread samples and mode agree."""
    actor = _actor(0.7, -50.0, z_dim=2, epsilon_dim=1)
    features = torch.zeros(64, 3)
    mode = actor.mode(features)
    sample = actor.sample(features, torch.Generator().manual_seed(0))
    for middle, drawn in zip(mode, sample[:3], strict=True):
        torch.testing.assert_close(drawn, middle, rtol=0.0, atol=0.03)


def test_gradients_reach_the_actor_through_samples() -> None:
    """The sample is reparametrised: a critic's gradient moves mean and spread of each head."""
    torch.manual_seed(0)
    actor = SteeringActor(SteeringActorConfig(features_dim=3, z_dim=2, epsilon_dim=2))
    sample = actor.sample(torch.randn(8, 3), torch.Generator().manual_seed(0))
    (sample.z.sum() + sample.tau.sum() + sample.epsilon.sum()).backward()
    last = actor.net[-1]
    assert isinstance(last, torch.nn.Linear)
    assert last.bias.grad is not None
    assert bool((last.bias.grad != 0.0).all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SteeringActorConfig(features_dim=0, z_dim=1), "features_dim is 0"),
        (lambda: SteeringActorConfig(3, 1, log_std_min=3.0), "log_std_min is 3.0"),
        (lambda: SteeringActorConfig(3, 1, sigma_levels=1), "sigma_levels is 1"),
        (lambda: SteeringActorConfig(3, 1, sigma_head=False, sigma_levels=2), "sigma_head False"),
        (lambda: SteeringBounds(0.0, 1.0), "z_bound is 0.0"),
        (lambda: SteeringBounds(2.0, 1.2), "sigma_max is 1.2"),
    ],
)
def test_bad_settings_are_named(make: object, message: str) -> None:
    """The message names the field and the value."""
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def _levelled(levels: int) -> SteeringActor:
    torch.manual_seed(0)
    return SteeringActor(SteeringActorConfig(3, z_dim=2, epsilon_dim=2, sigma_levels=levels))


def test_levels_are_drawn_as_often_as_their_log_probabilities_say() -> None:
    actor = _levelled(3)
    features = torch.randn(1, 3).expand(20_000, -1)
    sample = actor.sample(features, torch.Generator().manual_seed(1))
    assert sample.tau.unique().tolist() == [-1.0, 0.0, 1.0]
    for level, tau in enumerate((-1.0, 0.0, 1.0)):
        drawn = sample.tau.squeeze(-1) == tau
        share = sample.level_log_prob[0, level].exp().item()
        assert drawn.float().mean().item() == pytest.approx(share, abs=0.02)
        expected = sample.level_log_prob[drawn, level]
        torch.testing.assert_close(sample.log_prob_tau[drawn], expected)
    assert sample.z.shape == sample.epsilon.shape == (20_000, 2)
    likeliest = actor.levels(sample.z)[sample.level_log_prob[0].argmax()]
    assert actor.mode(features[:1]).tau.item() == likeliest.item()


def test_the_outer_levels_are_the_ends_of_the_range() -> None:
    actor = _levelled(2)
    tau = actor.levels(torch.zeros(1)).unsqueeze(-1)
    nothing = torch.zeros(2, 0)
    scaled = scale_steering(nothing, tau, nothing, SteeringBounds(1.0, 0.8))
    assert scaled.sigma.tolist() == pytest.approx([0.0, 0.8])
