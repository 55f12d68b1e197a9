import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tmrl_common.errors import ConfigError, ErrorCode, RequestError
from tmrl_common.messages import Act
from tmrl_common.types import (
    REQUESTABLE_SOURCES,
    Observation,
    Steering,
    SteeringLimits,
    SteeringSource,
)
from tmrl_policy_server.config import EngineConfig
from tmrl_policy_server.engine import Engine
from tmrl_policy_server.loading import load_policy

WIDE = SteeringLimits(sigma_cap=1.0, z_cap=10.0, epsilon_cap=10.0)
NOTHING = np.zeros(0, dtype=np.float32)


def explicit(z, sigma=0.0, epsilon=NOTHING):
    return Steering(SteeringSource.EXPLICIT, np.asarray(z, np.float32), sigma, epsilon)


def test_it_says_what_it_serves(make_engine):
    spec = make_engine().spec
    assert (spec.action_space, spec.action_dim, spec.horizon) == ("bridge_delta_ee_7", 7, 8)
    assert (spec.z_dim, spec.epsilon_dim, spec.features_dim) == (4, 4, 9)
    assert (spec.cameras, spec.policy_version) == ((), "version-1")


def test_a_checkpoint_names_its_version(checkpoint):
    config = EngineConfig()
    engine = Engine(load_policy(checkpoint, config.action_transform, {}), config)
    assert len(engine.spec.policy_version) == 64


def test_features_are_the_normalised_state_followed_by_the_normalised_context(
    make_policy, make_engine, observation
):
    policy = make_policy()
    features = make_engine(policy).encode(observation)
    for part, normaliser, raw in (
        (features[:5], policy.proprio_normaliser, observation.proprio),
        (features[5:], policy.context_normaliser, observation.context),
    ):
        np.testing.assert_allclose(
            part * normaliser.std.numpy() + normaliser.mean.numpy(), raw, rtol=1e-4
        )


def test_the_policys_four_columns_become_the_rigs_seven(make_policy, make_engine, observation):
    policy = make_policy()
    engine = make_engine(policy)
    z = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    reply = engine.act(observation, WIDE, explicit(z), seed=0)
    wanted = policy.sample(
        torch.from_numpy(observation.proprio)[None],
        torch.from_numpy(observation.context)[None],
        torch.zeros(1),
        torch.zeros(1, 4),
        torch.from_numpy(z)[None],
    )[0].numpy()
    np.testing.assert_allclose(reply.actions[:, :3], wanted[:, :3], rtol=1e-5)
    np.testing.assert_allclose(reply.actions[:, 6], wanted[:, 3], rtol=1e-5)
    np.testing.assert_array_equal(reply.actions[:, 3:6], 0.0)


def test_a_state_in_another_unit_is_said_once_in_the_log_and_in_every_answer(
    make_engine, observation, caplog
):
    engine = make_engine()
    state = observation.proprio.copy()
    state[1] = 2.5e5
    far = dataclasses.replace(observation, proprio=state)
    told = [engine.act(each, WIDE, SteeringSource.BASE, seed=0).far_state for each in (far, far)]
    assert told == ["column 1", "column 1"]
    assert len([text for text in caplog.messages if "column 1 of the robot state" in text]) == 1
    assert engine.act(observation, WIDE, SteeringSource.BASE, seed=0).far_state == ""


def test_one_row_of_z_is_repeated_over_the_horizon(make_engine, observation):
    engine = make_engine()
    row = np.array([0.5, -0.5, 1.0, 0.0], dtype=np.float32)
    short = engine.act(observation, WIDE, explicit(row), seed=0)
    long = engine.act(observation, WIDE, explicit(np.tile(row, (8, 1))), seed=0)
    np.testing.assert_array_equal(short.actions, long.actions)
    assert short.steering.z.shape == (4,)
    assert long.steering.z.shape == (8, 4)


@pytest.mark.parametrize("source", ["actor", "uniform", "base"])
def test_the_same_seed_gives_the_same_chunk_and_another_one_does_not(
    make_engine, make_swap, observation, source
):
    engine = make_engine()
    engine.swap(make_swap(1))
    chosen = SteeringSource(source)
    first, again, other = (engine.act(observation, WIDE, chosen, seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.actions, again.actions)
    np.testing.assert_array_equal(first.steering.z, again.steering.z)
    assert first.steering.sigma == again.steering.sigma
    assert not np.array_equal(first.actions, other.actions)
    assert first.steering.source is chosen


@pytest.mark.parametrize("source", ["actor", "uniform", "base"])
def test_what_the_reply_tells_reproduces_its_chunk(make_engine, make_swap, observation, source):
    engine = make_engine()
    engine.swap(make_swap(1, epsilon_dim=4))
    reply = engine.act(observation, WIDE, SteeringSource(source), seed=3)
    told = reply.steering
    again = engine.act(observation, WIDE, explicit(told.z, told.sigma, told.epsilon), seed=99)
    np.testing.assert_array_equal(reply.actions, again.actions)


def test_the_context_noise_is_drawn_by_the_policy_where_nobody_steers_it(
    make_engine, make_swap, observation, monkeypatch
):
    given = np.full(4, 0.5, dtype=np.float32)
    z = np.zeros(4, dtype=np.float32)
    engine = make_engine()
    monkeypatch.setattr(engine._policy, "draw_epsilon", lambda _: torch.from_numpy(given))
    drawn = engine.act(observation, WIDE, explicit(z, 0.5), seed=0)
    steered = engine.act(observation, WIDE, explicit(z, 0.5, given), seed=0)
    other = engine.act(observation, WIDE, explicit(z, 0.5, -given), seed=0)
    np.testing.assert_array_equal(drawn.actions, steered.actions)
    assert not np.array_equal(drawn.actions, other.actions)
    assert drawn.steering.epsilon.size == 0


def test_the_base_policy_is_sampled_plainly(make_engine, observation):
    reply = make_engine().act(observation, WIDE, SteeringSource.BASE, seed=0)
    assert reply.steering.sigma == 0.0
    assert reply.steering.z.shape == (8, 4)
    assert reply.steering.epsilon.size == 0


def test_a_batch_answers_each_request_as_if_it_were_alone(make_engine, make_swap, observation):
    engine = make_engine()
    engine.swap(make_swap(1))
    other = Observation(observation.proprio + 1.0, observation.context - 1.0)
    narrow = SteeringLimits(sigma_cap=0.1, z_cap=0.5, epsilon_cap=1.0)
    requests = [
        Act(observation, WIDE, SteeringSource.ACTOR, None, 1),
        Act(observation, WIDE, SteeringSource.UNIFORM, None, 2),
        Act(Observation(np.zeros(3, np.float32), NOTHING), WIDE, SteeringSource.BASE, None, 3),
        Act(other, narrow, SteeringSource.UNIFORM, None, 2),
        Act(other, WIDE, SteeringSource.BASE, None, 4),
    ]
    together = engine.act_batch(requests)
    assert isinstance(together[2], RequestError)
    for request, reply in zip(requests, together, strict=True):
        if isinstance(reply, RequestError):
            continue
        alone = engine.act(request.observation, request.limits, request.source, seed=request.seed)
        np.testing.assert_allclose(reply.actions, alone.actions, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(reply.steering.z, alone.steering.z)
        assert reply.seed == request.seed


CAPS = st.floats(1e-6, 20.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limits=st.builds(SteeringLimits, sigma_cap=st.floats(0.0, 1.0), z_cap=CAPS, epsilon_cap=CAPS),
    source=st.sampled_from(REQUESTABLE_SOURCES),
    sigma=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**63 - 1),
)
def test_no_steering_ever_leaves_the_limits(
    make_engine, make_swap, observation, limits, source, sigma, seed
):
    engine = make_engine(warmup_marginal_fraction=0.5)
    engine.swap(make_swap(1, epsilon_dim=4))
    far = np.full(4, 30.0, dtype=np.float32)
    steering = explicit(far, sigma, -far) if source is SteeringSource.EXPLICIT else source
    told = engine.act(observation, limits, steering, seed=seed).steering
    # As the controller compares: a float32 from a message with its own double.
    assert 0.0 <= float(np.float32(told.sigma)) <= limits.sigma_cap
    assert all(abs(float(value)) <= limits.z_cap for value in told.z.ravel())
    assert all(abs(float(value)) <= limits.epsilon_cap for value in told.epsilon)


def drawn(engine, observation, limits, source=SteeringSource.UNIFORM):
    return [engine.act(observation, limits, source, seed=seed).steering for seed in range(100)]


def largest(steering, name):
    return max(np.abs(getattr(each, name)).max(initial=0.0) for each in steering)


def test_uniform_draws_fill_the_limits_or_lie_at_the_marginal_as_configured(
    make_engine, observation
):
    limits = SteeringLimits(sigma_cap=0.8, z_cap=3.0, epsilon_cap=1.0)
    spread = drawn(make_engine(), observation, limits)
    assert 2.9 < largest(spread, "z") <= 3.0
    sigmas = [each.sigma for each in spread]
    assert min(sigmas) < 0.2
    assert max(sigmas) > 0.6
    marginal = drawn(make_engine(warmup_marginal_fraction=1.0), observation, limits)
    np.testing.assert_allclose([each.sigma for each in marginal], 0.8)


@pytest.mark.parametrize("source", [SteeringSource.UNIFORM, SteeringSource.ACTOR])
def test_the_actors_bounds_hold_and_the_limits_on_top(make_engine, make_swap, observation, source):
    engine = make_engine()
    engine.swap(make_swap(1, epsilon_dim=4, z_bound=1.5, sigma_max=0.4, epsilon_bound=0.5))
    wide = drawn(engine, observation, WIDE, source)
    assert 1.2 < largest(wide, "z") <= 1.5
    assert 0.2 < largest(wide, "sigma") <= 0.4
    assert 0.4 < largest(wide, "epsilon") <= 0.5
    narrow = SteeringLimits(sigma_cap=0.1, z_cap=2.0, epsilon_cap=0.2)
    capped = drawn(engine, observation, narrow, source)
    assert 1.2 < largest(capped, "z") <= 1.5
    assert largest(capped, "sigma") <= 0.1
    assert largest(capped, "epsilon") <= 0.2


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.0])
def test_an_actor_without_sigma_head_steers_z_only(make_engine, make_swap, observation, sigma):
    engine = make_engine()
    engine.swap(make_swap(1, sigma_head=False, sigma_max=sigma))
    for source in (SteeringSource.ACTOR, SteeringSource.UNIFORM):
        steering = engine.act(observation, WIDE, source, seed=0).steering
        assert steering.sigma == sigma
        assert steering.z.any()


def test_without_an_actor_the_error_says_what_to_ask_for(make_engine, observation):
    with pytest.raises(RequestError, match="ask for 'uniform'") as caught:
        make_engine().act(observation, WIDE, SteeringSource.ACTOR, seed=0)
    assert caught.value.code is ErrorCode.NO_ACTOR


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"proprio": np.zeros(7, np.float32)}, r"proprio has shape \(7,\)"),
        ({"context": np.zeros(0, np.float32)}, r"context has shape \(0,\)"),
        ({"proprio": np.full(5, np.nan, np.float32)}, "proprio holds a number that is not finite"),
        ({"context": np.full(4, np.inf, np.float32)}, "context holds a number that is not finite"),
        ({"images": {"front": np.zeros((2, 2, 3), np.uint8)}}, r"images of \['front'\] came"),
    ],
)
def test_observations_that_do_not_fit_are_refused(make_engine, observation, change, reason):
    values = {"proprio": observation.proprio, "context": observation.context, **change}
    engine = make_engine()
    for ask in (
        lambda: engine.act(Observation(**values), WIDE, SteeringSource.BASE, seed=0),
        lambda: engine.encode(Observation(**values)),
    ):
        with pytest.raises(RequestError, match=reason) as caught:
            ask()
        assert caught.value.code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("steering", "reason"),
    [
        (explicit(np.zeros(3)), r"z has shape \(3,\)"),
        (explicit(np.zeros((4, 8))), r"z has shape \(4, 8\)"),
        (explicit(np.full(4, np.nan)), "finite"),
        (explicit(np.zeros(4), 1.5), "sigma is 1.5"),
        (explicit(np.zeros(4), float("nan")), "sigma is nan"),
        (explicit(np.zeros(4), 0.5, np.zeros(3, np.float32)), r"epsilon has shape \(3,\)"),
    ],
)
def test_steering_that_does_not_fit_is_refused(make_engine, observation, steering, reason):
    with pytest.raises(RequestError, match=reason):
        make_engine().act(observation, WIDE, steering, seed=0)


def test_a_chunk_that_is_not_finite_is_never_answered(make_policy, make_engine, observation):
    policy = make_policy()
    policy.network.chunk_out.bias[0] = float("inf")
    with pytest.raises(RequestError) as caught:
        make_engine(policy).act(observation, WIDE, SteeringSource.BASE, seed=0)
    assert caught.value.code is ErrorCode.NOT_FINITE


def test_a_policy_without_context_smoothing_is_never_given_a_sigma(
    make_policy, make_engine, observation
):
    engine = make_engine(make_policy(context_smoothing=False))
    assert largest(drawn(engine, observation, WIDE), "sigma") == 0.0
    with pytest.raises(RequestError, match="sigma 0 only"):
        engine.act(observation, WIDE, explicit(np.zeros(4), 0.5), seed=0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bridge_delta_ee_8", "unknown action_transform"),
        ("bridge_delta_ee_7", "takes actions of length 7"),
    ],
)
def test_action_transforms_have_to_exist_and_to_fit(make_engine, name, reason):
    with pytest.raises(ConfigError, match=reason):
        make_engine(action_transform=name)


def test_a_share_out_of_range_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"warmup_marginal_fraction is -0\.1"):
        EngineConfig(warmup_marginal_fraction=-0.1)
