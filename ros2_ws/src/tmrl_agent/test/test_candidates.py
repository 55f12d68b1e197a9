"""Candidates: beside what they are asked for, and that each stays with its observation."""

import numpy as np
import pytest

from tmrl_agent.params import AgentConfig
from tmrl_agent.requests import AskChunk
from tmrl_agent.testing import CAPS, SPEC, STEPS, World, made_config, made_label
from tmrl_common.chunks import ChunkResult, ControllerMode, Origin
from tmrl_common.errors import ConfigError
from tmrl_common.transitions import check
from tmrl_common.types import Outcome


def take_over_in_the_second_chunk(**settings):
    """A whole chunk, one that a person breaks off after two steps, two segments, a failure."""
    world = World(**settings)
    world.run(1)
    world.play(1)
    world.answer(5)
    world.see(7)
    world.end(1, steps=2, result=ChunkResult.PREEMPTED, code="teleop")
    world.let_go(0, ControllerMode.TELEOP)
    world.answer(7)
    asked = list(world.asked)
    world.drive(1, 7)
    world.encode()
    world.drive(2, 12, steps=3, whole=False)
    world.let_go(2, ControllerMode.HOLD)
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=3)))
    return world, asked


def first_of(transition):
    """Which observation the candidates are of; None where there are none."""
    return None if not transition.candidate_sigma.size else int(transition.candidate_z[0])


def test_for_dsrl_na_every_transition_has_those_of_its_own_observation():
    world, asked = take_over_in_the_second_chunk(candidates=3, candidates_for="chunks")
    starts = [int(t.features[0]) for t in world.transitions]
    assert [first_of(t) for t in world.transitions] == starts
    assert [t.origin for t in world.transitions][-2:] == [Origin.HUMAN] * 2
    for transition in world.transitions:
        check(transition)
        assert transition.candidate_sigma.shape == (3,)
        assert transition.candidate_z.shape == (3 * SPEC.z_dim,)
        assert transition.candidate_actions.shape == (3 * STEPS * SPEC.action_dim,)
    wish = next(each for each in asked if isinstance(each, AskChunk)).candidates
    assert (wish.count, wish.steps, wish.by_actor) == (3, STEPS, True)
    assert wish.limits.sigma_cap == CAPS.sigma_cap
    assert wish.limits.z_cap == CAPS.z_cap


def test_for_hindsight_chunks_cost_nothing_and_what_a_person_drove_has_them():
    world, asked = take_over_in_the_second_chunk(candidates=3)
    chunks = [each for each in asked if isinstance(each, AskChunk)]
    assert chunks
    assert all(each.candidates is None for each in chunks)
    for transition in world.transitions:
        by_hand = transition.origin is Origin.HUMAN
        # The first of them begins where a chunk was asked for, whose answer was dropped.
        assert first_of(transition) == (int(transition.features[0]) if by_hand else None)
    assert len(world.transitions) == 4


def test_nobody_asks_for_any_by_default():
    world, asked = take_over_in_the_second_chunk()
    assert all(each.candidates is None for each in world.asked + asked)
    assert all(first_of(t) is None for t in world.transitions)


def test_the_same_observation_asked_for_again_has_the_same_seed():
    seeds = []
    for _ in range(2):
        world = World(candidates=3, candidates_for="chunks")
        world.run(1)
        world.see(0)
        seeds.append(world.asked[-1].candidates.seed)
    assert seeds[0] == seeds[1]
    np.testing.assert_equal(world.asked[-1].seed, seeds[0])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"candidates": 257}, r"candidates is 257; it must be 0 to 256"),
        ({"candidates_for": "everybody"}, "valid: chunks, people"),
    ],
)
def test_settings_that_could_not_work_are_refused(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        assert isinstance(made_config(**changes), AgentConfig)
