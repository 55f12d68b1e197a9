"""Chunks that begin with what the arm executes anyway while they are made."""

import dataclasses

import numpy as np
import pytest
import torch

from tmrl_common.errors import ConfigError, ErrorCode, RequestError
from tmrl_common.messages import Act
from tmrl_common.types import SteeringLimits, SteeringSource
from tmrl_policies.flow_served import ServedFlowPolicy
from tmrl_policy_server.config import EngineConfig
from tmrl_policy_server.engine import Engine

WIDE = SteeringLimits(sigma_cap=1.0, z_cap=10.0, epsilon_cap=10.0)
TRANSFORM = "xyz_gripper_to_bridge_delta_ee_7"


@pytest.fixture
def serve(make_policy):
    """An engine whose chunks have `steps` in common; the policy is always the same."""

    def make(steps):
        served = ServedFlowPolicy(make_policy(), "version-1", TRANSFORM)
        return Engine(served, EngineConfig(overlap_steps=steps))

    return make


def tail(steps=2):
    rows = np.zeros((steps, 7), np.float32)
    rows[:, :3] = np.linspace(-0.02, 0.03, 3 * steps).reshape(steps, 3)
    rows[:, 6] = 1.0
    return rows


def test_the_first_rows_are_the_committed_ones_to_the_last_bit(serve, observation):
    engine, committed = serve(2), tail()
    alone = engine.act(observation, WIDE, SteeringSource.BASE, seed=3)
    reply = engine.act(observation, WIDE, SteeringSource.BASE, seed=3, committed=committed)
    np.testing.assert_array_equal(reply.actions[:2], committed)
    assert not np.allclose(reply.actions[2:], alone.actions[2:], atol=1e-4), "the rest follows"
    np.testing.assert_array_equal(reply.actions[:, 3:6], 0.0)


def test_the_actor_sees_what_is_executed_anyway(serve, make_policy, observation):
    engine, committed = serve(2), tail()
    normaliser = make_policy().action_normaliser
    reply = engine.act(observation, WIDE, SteeringSource.BASE, seed=0, committed=committed)
    assert reply.features.shape == (engine.spec.features_dim,) == (9 + 2 * 4 + 1,)
    rows = normaliser.normalise(torch.from_numpy(committed[:, [0, 1, 2, 6]])).flatten()
    np.testing.assert_allclose(reply.features[9:17], rows, rtol=1e-5)
    assert reply.features[17] == 1.0
    standing = engine.encode(observation)
    np.testing.assert_array_equal(standing[:9], reply.features[:9])
    np.testing.assert_array_equal(standing[9:], 0.0)


def test_without_an_overlap_nothing_is_different(serve, observation):
    """Bit by bit, and also for the requests of a server with one that continue no chunk."""
    plain, other = serve(0), serve(2)
    assert plain.spec.features_dim == 9
    one, same = (
        each.act(observation, WIDE, SteeringSource.BASE, seed=5) for each in (plain, other)
    )
    np.testing.assert_array_equal(one.actions, same.actions)
    np.testing.assert_array_equal(one.features, same.features[:9])


def test_one_pass_makes_chunks_of_both_kinds(serve, observation):
    engine, committed = serve(2), tail()
    asked = Act(observation, WIDE, SteeringSource.BASE, None, 7)
    both = engine.act_batch([dataclasses.replace(asked, committed=committed), asked])
    alone = [
        engine.act(observation, WIDE, SteeringSource.BASE, seed=7, committed=rows)
        for rows in (committed, None)
    ]
    for together, single in zip(both, alone, strict=True):
        np.testing.assert_allclose(together.actions, single.actions, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("steps", "rows", "sentence"),
    [
        (0, tail(2), r"shape \(2, 7\), this server makes those of \(0, 7\): start it with"),
        (2, tail(3), r"shape \(3, 7\), this server makes those of \(2, 7\)"),
        (2, tail(2)[:, :4], r"shape \(2, 4\)"),
        (2, tail(2) * np.nan, "not finite"),
    ],
)
def test_actions_that_fit_no_chunk_are_refused(serve, observation, steps, rows, sentence):
    with pytest.raises(RequestError, match=sentence) as refused:
        serve(steps).act(observation, WIDE, SteeringSource.BASE, seed=0, committed=rows)
    assert refused.value.code is ErrorCode.BAD_REQUEST


def test_an_overlap_as_long_as_the_chunk_is_refused(serve):
    with pytest.raises(ConfigError, match="overlap_steps is 8, and the policy's chunks have 8"):
        serve(8)


def test_the_steered_actor_takes_the_longer_features(serve, make_swap, observation):
    engine = serve(2)
    engine.swap(make_swap(1, features_dim=18))
    reply = engine.act(observation, WIDE, SteeringSource.ACTOR, seed=0, committed=tail())
    other = engine.act(observation, WIDE, SteeringSource.ACTOR, seed=0)
    assert reply.steering.source is SteeringSource.ACTOR
    assert not np.allclose(reply.steering.z, other.steering.z)
