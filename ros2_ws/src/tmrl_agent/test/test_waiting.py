"""Whom the agent waits for, and what it does not wait for twice."""

from dataclasses import replace

import pytest

from tmrl_agent.events import ControllerView
from tmrl_agent.testing import CAPS, STEPS, World, made_end, made_label
from tmrl_common.chunks import ChunkResult, ControllerMode
from tmrl_common.types import Outcome


@pytest.fixture
def world():
    made = World()
    made.run()
    return made


def waits_for(world):
    return world.core.status().waits_for


def test_the_status_says_in_plain_english_whom_the_agent_waits_for():
    world = World()
    assert waits_for(world) == "the operator, to begin an episode"
    world.run()
    assert waits_for(world) == "no arm/state has arrived; is the driver alive?"
    world.see(0)
    assert waits_for(world) == "the policy server, to answer request 1"
    world.answer(0)
    assert waits_for(world).startswith("chunk 1 was sent, has not begun")
    world.do(world.core.on_controller(replace(CAPS, started_sequence=1)))
    assert waits_for(world).startswith("chunk 1 runs")
    world.see(STEPS)
    world.end(0, result=ChunkResult.PREEMPTED, code="teleop")
    world.do(world.core.on_controller(ControllerView(ControllerMode.TELEOP, 0.5, 2.0, 5.0, 1)))
    world.answer(1)
    assert waits_for(world) == "the person who drives, to let go"
    world.do(world.core.on_controller(ControllerView(ControllerMode.HOLD, 0.5, 2.0, 5.0, 1)))
    assert waits_for(world) == "the controller, to leave mode hold: call controller/resume"
    assert world.reason == ""


def test_a_doubled_outcome_and_one_of_another_chunk_change_nothing(world):
    world.see(0)
    world.answer(0)
    world.do(world.core.on_outcome(made_end(7, 0)))
    world.see(STEPS)
    world.end(0)
    world.end(0)
    world.answer(1)
    world.answer(2)
    assert [s.sequence for s in world.sent] == [1, 2]


def test_the_request_of_an_earlier_episode_is_answered_before_the_next_one_is_made(world):
    world.see(0)
    world.do(world.core.on_label(made_label(1, Outcome.ABORTED, 0.0)))
    world.see(20)
    world.run(episode=2, first=20)
    assert len(world.asked) == 1
    world.see(21)
    world.answer(0)
    assert [a.observation.arm_state_sequence for a in world.asked] == [0, 21]
