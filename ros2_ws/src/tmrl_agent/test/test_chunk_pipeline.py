"""The table of a chunk's life, and the queue in which the lives overlap."""

from itertools import product

import numpy as np
import pytest

from tmrl_agent.assembly import Assembled
from tmrl_agent.chunk_pipeline import (
    ADMITS_NEXT,
    NEEDS_SERVER,
    OVER,
    TRANSITIONS,
    ChunkPipeline,
    Event,
    PipelineError,
    State,
)
from tmrl_agent.pipeline_queue import PipelineQueue
from tmrl_agent.testing import made_chunk
from tmrl_common.types import Observation

NOTHING = np.zeros(0, dtype=np.float32)
LIFE = [
    *(State.ASKED, State.SENT, State.RUNNING),
    *(State.DRIVEN, State.ENDED, State.SEEN, State.RECORDED),
]


def seen(number):
    return Assembled(Observation(NOTHING, NOTHING, arm_state_sequence=number), 0, "widowx/base")


def pipeline(state):
    return ChunkPipeline(1, seen(0), state)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_what_the_table_does_not_list_raises_and_changes_nothing(state, event):
    made = pipeline(state)
    if (state, event) in TRANSITIONS:
        made.apply(event)
        assert made.state is TRANSITIONS[state, event]
    else:
        with pytest.raises(PipelineError, match=f"is {state}: {event}"):
            made.apply(event)
        assert made.state is state


def test_a_life_goes_forward_only():
    for (state, _), following in TRANSITIONS.items():
        assert following is State.DROPPED or LIFE.index(following) > LIFE.index(state)


@pytest.mark.parametrize("state", [s for s in State if s not in OVER])
def test_every_life_can_end_with_its_episode(state):
    made = pipeline(state)
    made.leave()
    assert made.state in OVER


@pytest.mark.parametrize("state", list(State))
def test_a_second_chunk_waits_until_the_first_one_admits_it(state):
    queue = PipelineQueue()
    queue.open(1, seen(0))
    first = queue.of_request(1)
    first.state = state
    queue.tidy()
    assert (queue.blocking is None) == (state in NEEDS_SERVER | OVER)
    if state not in OVER:
        assert queue.admits_beside(first) == (state in ADMITS_NEXT)


def test_two_lives_side_by_side_keep_their_own_request_chunk_and_observation():
    queue = PipelineQueue()
    queue.open(1, seen(0))
    first = queue.of_request(1)
    first.sent(made_chunk(1, 0, sequence=8))
    queue.open(2, seen(5))
    second = queue.of_request(2)
    second.sent(made_chunk(1, 1, sequence=9))
    assert queue.before(second) is first
    assert queue.before(first) is None
    assert (queue.on_the_arm(8), queue.on_the_arm(9)) == (first, second)
    assert queue.on_the_arm(7) is None
    first.apply(Event.VOID)
    queue.tidy()
    assert queue.before(second) is None
    assert queue.on_the_arm(8) is None
