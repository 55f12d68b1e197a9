"""What the agent makes of the learner's word: who steers, and whether the world waits."""

import pytest

from tmrl_agent.events import LearnerView
from tmrl_agent.requests import AskChunk, AskFeatures, FailedAnswer
from tmrl_agent.testing import STEPS, World
from tmrl_common.types import SteeringSource


@pytest.fixture
def world():
    made = World()
    made.run()
    return made


PHASES = [
    ("", SteeringSource.UNIFORM),
    ("starting", SteeringSource.UNIFORM),
    ("warmup", SteeringSource.UNIFORM),
    ("training", SteeringSource.ACTOR),
    ("base", SteeringSource.BASE),
]


@pytest.mark.parametrize(("phase", "source"), PHASES)
def test_the_learner_says_who_steers(world, phase, source):
    world.do(world.core.on_learner(LearnerView(phase)))
    world.see(0)
    assert world.asked[0].source is source


def test_a_learner_that_is_started_again_leaves_the_trained_actor_at_work(world):
    for phase in ("warmup", "training", "starting"):
        world.do(world.core.on_learner(LearnerView(phase)))
    world.see(0)
    assert world.asked[0].source is SteeringSource.ACTOR
    world.answer(0)
    world.do(world.core.on_learner(LearnerView("base")))
    world.see(STEPS)
    world.end(0)
    assert world.asked[-1].source is SteeringSource.BASE


def test_a_server_without_an_actor_is_asked_again_later_and_nothing_is_sent(world):
    world.do(world.core.on_learner(LearnerView("training")))
    world.see(0)
    refused = "no steering actor has been handed over since the server started"
    world.do(world.core.on_answer(FailedAnswer(world.asked[0].request, refused)))
    assert (len(world.asked), world.sent, world.reason) == (1, [], refused)
    world.clock.advance(0.3)
    world.do(world.core.tick())
    assert [asked.source for asked in world.asked] == [SteeringSource.ACTOR] * 2
    assert world.sent == []


@pytest.fixture
def waiting():
    """A simulation after one chunk of which the learner knows nothing yet."""
    world = World(max_rounds_owed=0)
    world.do(world.core.on_learner(LearnerView("training")))
    world.run()
    world.play(2)
    assert len(world.transitions) == 1
    assert len(world.sent) == 2
    return world


def test_the_simulated_world_waits_until_the_learner_has_learned(waiting):
    asked = len(waiting.asked)
    for behind in (LearnerView("training", 0, 0), LearnerView("training", 1, 1)):
        waiting.do(waiting.core.on_learner(behind))
        assert len(waiting.asked) == asked
        assert waiting.reason == ""
    waiting.do(waiting.core.on_learner(LearnerView("training", 1, 0)))
    assert isinstance(waiting.asked[-1], AskChunk)
    assert len(waiting.asked) == asked + 1


def test_a_silent_learner_is_not_waited_for(waiting):
    asked = len(waiting.asked)
    waiting.clock.advance(6.0)
    waiting.do(waiting.core.tick())
    assert len(waiting.asked) == asked + 1


def test_the_end_of_an_episode_does_not_wait_for_the_learner(waiting):
    waiting.leave()
    assert isinstance(waiting.asked[-1], AskFeatures)


def test_a_real_arm_waits_for_no_learner():
    world = World()
    world.do(world.core.on_learner(LearnerView("training", 0, 100)))
    world.run()
    world.play(3)
    assert len(world.sent) == 3
