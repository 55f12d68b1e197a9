"""Candidates beside a chunk or features: what they are, what they leave alone, what is refused."""

import numpy as np
import pytest

from tmrl_common.candidates import MAX_CANDIDATES, CandidateRequest
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import Act, ChunkReply, Encode
from tmrl_common.types import Steering, SteeringLimits, SteeringSource

NOTHING = np.zeros(0, dtype=np.float32)
LIMITS = SteeringLimits(sigma_cap=0.5, z_cap=1.1, epsilon_cap=1.0)
EXACT = SteeringLimits(sigma_cap=0.0, z_cap=1.1, epsilon_cap=1.0)


def wish(count=6, steps=3, limits=EXACT, seed=5, **changes):
    return CandidateRequest(count, steps, limits, seed, **changes)


def asked(engine, observation, candidates, limits=EXACT, seed=5):
    act = Act(observation, limits, SteeringSource.UNIFORM, None, seed, candidates=candidates)
    (reply,) = engine.act_batch([act])
    return reply


def test_each_is_what_its_latent_gives_when_it_is_asked_for_alone(make_engine, observation):
    engine = make_engine()
    made = asked(engine, observation, wish()).candidates
    assert (made.z.shape, made.sigma.shape, made.actions.shape) == ((6, 4), (6,), (6, 3, 7))
    for z, sigma, actions in zip(made.z, made.sigma, made.actions, strict=True):
        alone = Steering(SteeringSource.EXPLICIT, z, float(sigma), NOTHING)
        chunk = engine.act(observation, EXACT, alone, seed=0).actions
        np.testing.assert_allclose(actions, chunk[:3], rtol=1e-5, atol=1e-6)


def test_they_leave_the_chunk_as_it_is_and_repeat_with_the_seed(make_engine, observation):
    engine = make_engine()
    plain, first, again = (asked(engine, observation, w) for w in (None, wish(), wish()))
    assert plain.candidates is None
    np.testing.assert_array_equal(plain.actions, first.actions)
    np.testing.assert_array_equal(plain.steering.z, first.steering.z)
    np.testing.assert_array_equal(first.candidates.z, again.candidates.z)
    np.testing.assert_array_equal(first.candidates.actions, again.candidates.actions)
    other = asked(engine, observation, wish(seed=6)).candidates
    assert not np.array_equal(other.z, first.candidates.z)


def test_features_bring_the_same_as_a_chunk(make_engine, observation):
    engine = make_engine()
    seen = engine.look(Encode(observation, candidates=wish()))
    reply = asked(engine, observation, wish())
    np.testing.assert_array_equal(seen.features, reply.features)
    np.testing.assert_array_equal(seen.candidates.actions, reply.candidates.actions)
    assert engine.look(Encode(observation)).candidates is None


@pytest.mark.parametrize("by_actor", [False, True])
def test_they_lie_within_the_limits_and_the_actors_bounds(
    make_engine, make_swap, observation, by_actor
):
    engine = make_engine()
    free = asked(engine, observation, wish(200, limits=LIMITS), LIMITS).candidates
    assert 1.0 < np.abs(free.z).max() <= 1.1
    assert len(set(free.sigma.tolist())) == 4, "few context times: each costs a prefix"
    assert 0.25 < free.sigma.max() <= 0.5
    engine.swap(make_swap(1, z_bound=0.3, sigma_max=0.2))
    bounded = asked(engine, observation, wish(200, limits=LIMITS, by_actor=by_actor), LIMITS)
    assert np.abs(bounded.candidates.z).max() <= 0.3
    assert bounded.candidates.sigma.max() <= 0.2


def test_every_second_one_is_the_actors_where_that_is_asked_for(
    make_engine, make_swap, observation
):
    engine = make_engine()
    uniform = asked(engine, observation, wish(8, by_actor=True)).candidates
    engine.swap(make_swap(1))
    drawn = asked(engine, observation, wish(8)).candidates
    mixed = asked(engine, observation, wish(8, by_actor=True)).candidates
    np.testing.assert_array_equal(mixed.z[::2], drawn.z[::2])
    assert not np.isclose(mixed.z[1::2], drawn.z[1::2]).any()
    assert uniform.z.shape == mixed.z.shape


def test_a_policy_without_context_smoothing_has_them_at_sigma_0(
    make_policy, make_engine, observation
):
    engine = make_engine(make_policy(context_smoothing=False))
    made = asked(engine, observation, wish(limits=LIMITS), LIMITS).candidates
    np.testing.assert_array_equal(made.sigma, 0.0)


def test_more_steps_than_a_chunk_has_cost_this_request_alone(make_engine, observation):
    engine = make_engine()
    acts = [
        Act(observation, EXACT, SteeringSource.BASE, None, 0, candidates=wish(steps=steps))
        for steps in (9, 8)
    ]
    refused, served = engine.act_batch(acts)
    assert isinstance(refused, RequestError)
    assert refused.code is ErrorCode.BAD_REQUEST
    assert "candidates of 9 steps are asked for, and a chunk has 8" in str(refused)
    assert isinstance(served, ChunkReply)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": MAX_CANDIDATES + 1}, r"is 257; it must be 1 to 256.*ask for fewer"),
        ({"count": 0}, "is 0; it must be 1 to 256"),
        ({"steps": 0}, "of 0 steps"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_nobody_would_make_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        wish(**changes)
