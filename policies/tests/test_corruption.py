"""The corruption kernel and its schedules."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tmrl_policies.corruption import noise_schedule
from tmrl_policies.schedule_names import SCHEDULE_NAMES


def test_published_figures_of_the_authors_schedules() -> None:
    """abar at the end: 0.3636 after 100 steps, 4e-5 after 1000; 1e-4 of noise at the start."""
    hundred = noise_schedule("authors_100", exact_at_zero=False).alpha_bar
    thousand = noise_schedule("authors_1000", exact_at_zero=False).alpha_bar
    assert hundred[-1].item() == pytest.approx(0.36356, abs=1e-4)
    assert thousand[-1].item() == pytest.approx(4.04e-5, rel=0.01)
    for table in (hundred, thousand):
        assert math.sqrt(1.0 - table[0].item()) == pytest.approx(0.01, rel=1e-6)


def test_default_schedule_reaches_the_marginal() -> None:
    """At sigma = 1 nothing of the context is left."""
    schedule = noise_schedule("marginal_100")
    context, epsilon = torch.full((1, 3), 1e3), torch.randn(1, 3)
    assert torch.equal(schedule.corrupt(context, torch.ones(1), epsilon), epsilon)


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_sigma_zero_keeps_the_context_exactly(name: str) -> None:
    """No schedule of ours adds noise at sigma = 0."""
    context = torch.randn(5, 3)
    corrupted = noise_schedule(name).corrupt(context, torch.zeros(5), torch.randn(5, 3))
    assert torch.equal(corrupted, context)


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_signal_only_ever_shrinks(name: str) -> None:
    """More sigma never leaves more of the context."""
    table = noise_schedule(name).alpha_bar
    assert bool((table.diff() < 0.0).all())


@given(st.floats(0.0, 1.0), st.sampled_from(SCHEDULE_NAMES))
def test_index_is_the_floor(sigma: float, name: str) -> None:
    """Index = floor(sigma * (T - 1)), within the table."""
    schedule = noise_schedule(name)
    index = int(schedule.index(torch.tensor([sigma], dtype=torch.float64)))
    assert index == math.floor(sigma * (schedule.num_steps - 1))
    assert 0 <= index < schedule.num_steps


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_every_index_has_a_sigma(name: str) -> None:
    schedule = noise_schedule(name)
    indices = torch.arange(schedule.num_steps, dtype=torch.float32)
    sigma = schedule.sigma(indices)
    assert torch.equal(schedule.index(sigma), indices.long())
    assert (sigma[0], sigma[-1]) == (pytest.approx(0.0), 1.0)


@given(st.floats(0.0, 1.0))
def test_variance_is_preserved(sigma: float) -> None:
    """Unit-variance contexts stay unit-variance: signal^2 + noise^2 = 1."""
    schedule = noise_schedule("marginal_100")
    at = torch.tensor([sigma], dtype=torch.float64)
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    signal, noise = schedule.corrupt(one, at, zero), schedule.corrupt(zero, at, one)
    assert float(signal**2 + noise**2) == pytest.approx(1.0, abs=1e-12)


def test_one_noise_vector_serves_all_tokens_of_a_sequence() -> None:
    """Token contexts (B, L, C) take noise (B, 1, C)."""
    schedule = noise_schedule("authors_1000")
    tokens, epsilon = torch.randn(2, 7, 4), torch.randn(2, 1, 4)
    sigma = torch.tensor([0.3, 0.8])
    together = schedule.corrupt(tokens, sigma, epsilon)
    for token in range(7):
        alone = schedule.corrupt(tokens[:, token], sigma, epsilon[:, 0])
        torch.testing.assert_close(together[:, token], alone)


@pytest.mark.parametrize("sigma", [-0.01, 1.01, float("nan")])
def test_sigma_outside_its_range_is_refused(sigma: float) -> None:
    """A wrong sigma is an error, not a clamp: the caller's caps come first."""
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        noise_schedule("marginal_100").index(torch.tensor([sigma]))


def test_unknown_schedule_names_the_nearest() -> None:
    """A typing mistake is answered with the right name."""
    with pytest.raises(ValueError, match="did you mean 'authors_1000'"):
        noise_schedule("author_1000")
