"""Theorem 1 (paper, section III) on policies whose smoothing can be computed exactly."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tmrl_experiments.theory.gaussian import (
    LinearGaussian,
    dimension_free_bound,
    equivalent_sigma,
    expected_norm,
    theorem_bound,
)
from tmrl_policies.corruption import noise_schedule
from tmrl_policies.schedule_names import SCHEDULE_NAMES

_SLACK = 1e-9
_sigmas = st.floats(0.05, 20.0)


@st.composite
def policies(draw) -> tuple[LinearGaussian, np.ndarray, np.ndarray]:
    """A policy and two different contexts, 1 to 4 numbers each."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    context_dim, action_dim = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    root = rng.normal(size=(action_dim, action_dim))
    sharpness = draw(st.floats(1e-3, 3.0))
    covariance = sharpness**2 * (root @ root.T + 0.1 * np.eye(action_dim))
    gain = draw(st.floats(0.1, 5.0)) * rng.normal(size=(action_dim, context_dim))
    context, other = rng.normal(size=(2, context_dim))
    return LinearGaussian(gain, covariance), context, other


@given(policies(), _sigmas)
def test_total_variation_stays_below_the_bound(drawn, sigma: float) -> None:
    policy, context, other = drawn
    distance, dim = float(np.linalg.norm(context - other)), len(context)
    difference = policy.smoothed(sigma).total_variation(context, other)
    sharper = dimension_free_bound(sigma, distance)
    assert difference <= sharper + _SLACK
    assert sharper <= theorem_bound(sigma, distance, dim) + _SLACK


@given(policies(), _sigmas, st.floats(1.01, 10.0))
def test_overlap_grows_with_sigma_and_with_nearness(drawn, sigma: float, factor: float) -> None:
    policy, context, other = drawn
    smoothed = policy.smoothed(sigma)
    difference = smoothed.total_variation(context, other)
    assert policy.smoothed(factor * sigma).total_variation(context, other) <= difference + _SLACK
    nearer = context + (other - context) / factor
    assert smoothed.total_variation(context, nearer) <= difference + _SLACK


@given(policies(), st.floats(1.0, 5.0))
def test_corollary_above_its_sigma_smoothing_only_adds_overlap(drawn, factor: float) -> None:
    """Eq. 12 to 14: identifiability m gives the sigma from which on overlap cannot be smaller."""
    policy, context, other = drawn
    distance = float(np.linalg.norm(context - other))
    before = policy.total_variation(context, other)
    assume(before > 1e-6)
    sigma = factor * expected_norm(len(context)) / (before / distance)
    assert policy.smoothed(sigma).total_variation(context, other) <= before + _SLACK


@given(policies(), st.sampled_from(SCHEDULE_NAMES), st.floats(0.02, 1.0))
def test_the_bound_holds_for_the_corruption_kernel(drawn, name: str, sigma: float) -> None:
    """The kernel is additive noise on a scaled context, so Theorem 1 applies to it as it is."""
    policy, context, other = drawn
    schedule = noise_schedule(name)
    alpha_bar = float(schedule.alpha_bar[math.floor(sigma * (schedule.num_steps - 1))])
    difference = policy.context_smoothed(alpha_bar).total_variation(context, other)
    distance = float(np.linalg.norm(context - other))
    noise = equivalent_sigma(alpha_bar)
    assert difference <= theorem_bound(noise, distance, len(context)) + _SLACK


@given(policies(), st.floats(0.0, 1.0))
def test_averaged_over_contexts_every_sigma_acts_like_the_data(drawn, alpha_bar: float) -> None:
    """With contexts N(0, I) the actions of the data are N(0, covariance + gain gain^T)."""
    policy, context, other = drawn
    smoothed = policy.context_smoothed(alpha_bar)
    averaged = smoothed.covariance + smoothed.gain @ smoothed.gain.T
    np.testing.assert_allclose(averaged, policy.covariance + policy.gain @ policy.gain.T)
    assert policy.context_smoothed(1.0).total_variation(context, other) == pytest.approx(
        policy.total_variation(context, other)
    )
    assert policy.context_smoothed(0.0).total_variation(context, other) == 0.0


def test_the_authors_short_schedule_does_not_reach_the_marginal() -> None:
    """At its sigma = 1 contexts two standard deviations apart still act differently."""
    policy = LinearGaussian(np.eye(1), np.array([[1e-4]]))
    context, other = np.array([-1.0]), np.array([1.0])

    def last(name: str) -> float:
        alpha_bar = float(noise_schedule(name).alpha_bar[-1])
        return policy.context_smoothed(alpha_bar).total_variation(context, other)

    assert last("authors_100") > 0.25
    assert last("authors_1000") < 1e-3
    assert last("marginal_100") == 0.0


# Any other policy, by numerical integration: a = f(c) + noise, one context, one action.
# Fine enough for f below: between two nodes it moves by a third of the noise at most.
_ACTIONS = np.linspace(-4.0, 4.0, 201)
_W = np.linspace(-6.0, 6.0, 4001)
_MASS = np.exp(-0.5 * _W**2) / np.exp(-0.5 * _W**2).sum()
_NOISE = 0.1


def smoothed_actions(f: Callable, context: float, sigma: float) -> np.ndarray:
    """Probability of each small interval of actions under Eq. 9."""
    means = f(context + sigma * _W)
    density = np.exp(-0.5 * ((_ACTIONS[None] - means[:, None]) / _NOISE) ** 2)
    shares = _MASS @ density
    return shares / shares.sum()


def total_variation(f: Callable, context: float, other: float, sigma: float) -> float:
    one, another = (smoothed_actions(f, place, sigma) for place in (context, other))
    return 0.5 * float(np.abs(one - another).sum())


@given(
    st.floats(0.2, 4.0), st.floats(0.0, 6.3), st.floats(-2, 2), st.floats(-2, 2), st.floats(0.05, 3)
)
def test_the_bound_holds_for_nonlinear_policies(
    frequency: float, phase: float, context: float, other: float, sigma: float
) -> None:
    difference = total_variation(lambda c: np.sin(frequency * c + phase), context, other, sigma)
    assert difference <= theorem_bound(sigma, abs(context - other), 1) + 1e-3


def test_little_smoothing_may_reduce_overlap() -> None:
    """The bound grows with sigma; the overlap itself need not where two contexts agree already."""

    def f(c: np.ndarray) -> np.ndarray:
        return np.where(c < 0.5, 0.0, np.where(c < 1.5, 2.0, np.where(c < 2.2, 0.0, -2.0)))

    assert total_variation(f, 0.0, 2.0, 1e-6) == pytest.approx(0.0, abs=1e-6)
    assert total_variation(f, 0.0, 2.0, 0.5) > 0.3


@pytest.mark.parametrize(
    ("dim", "norm"), [(1, math.sqrt(2 / math.pi)), (2, math.sqrt(math.pi / 2))]
)
def test_expected_norm_of_a_normal_vector(dim: int, norm: float) -> None:
    assert expected_norm(dim) == pytest.approx(norm)
