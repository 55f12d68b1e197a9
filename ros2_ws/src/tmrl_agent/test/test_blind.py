"""What the agent does between the failure of a camera and its return."""

import numpy as np
import pytest

from tmrl_agent.frames import ImageReading
from tmrl_agent.images import RawPicture
from tmrl_agent.requests import AskChunk
from tmrl_agent.testing import STEPS, World

RNG = np.random.default_rng(0)
AGE_S, PATIENCE_S = 0.3, 2.0


def world():
    made = World(
        lock_step=False,
        cameras=("wrist",),
        context_objects=(),
        max_observation_age_s=AGE_S,
        frozen_after_s=0.25,
        wait_warning_s=PATIENCE_S,
    )
    show(made)
    made.run(1)
    made.see(0, objects=False)
    return made


def show(world, picture=None):
    if picture is None:
        picture = RNG.integers(0, 256, 48 * 64 * 3, dtype=np.uint8)
    content = RawPicture("rgb8", 48, 64, 192, picture)
    world.do(world.core.on_image("wrist", ImageReading(0, world.clock.now_s(), content)))


def play(world, chunk):
    """Answers the question for a chunk and lets the controller execute it."""
    world.answer(chunk)
    world.clock.advance(1.0)


def end(world, chunk):
    world.see((chunk + 1) * STEPS, objects=False)
    world.end(chunk)


def wait(world, seconds, chunk, picture=None):
    """Lets time pass in which the arm's state continues, and the camera's pictures where given."""
    for tick in range(round(seconds / 0.1)):
        world.clock.advance(0.1)
        if picture is not None:
            show(world, picture)
        world.see((chunk + 1) * STEPS + tick, objects=False)


def test_a_camera_that_dies_in_a_chunk_is_named_and_the_chunk_is_not_learned_from():
    w = world()
    play(w, 0)
    end(w, 0)
    wait(w, AGE_S + PATIENCE_S + 0.2, 0)
    assert len(w.asked) == 1, "nothing is asked for on a stale picture"
    assert "camera/wrist/image is " in w.reason
    show(w)
    assert w.reason == ""
    for chunk in (1, 2):
        play(w, chunk)
        show(w)
        end(w, chunk)
    w.answer(3)
    assert [(t.chunk, t.aborted) for t in w.transitions] == [(0, True), (1, False)]


def test_a_camera_that_is_back_at_once_costs_nothing():
    w = world()
    play(w, 0)
    end(w, 0)
    wait(w, AGE_S - 0.1, 0)
    show(w)
    assert isinstance(w.asked[-1], AskChunk)
    play(w, 1)
    show(w)
    end(w, 1)
    w.answer(2)
    assert [t.aborted for t in w.transitions] == [False]


@pytest.mark.parametrize("still_s", [0.3, 3.0])
def test_a_chunk_that_began_on_a_frozen_picture_is_not_learned_from(still_s):
    w = world()
    picture = RNG.integers(0, 256, 48 * 64 * 3, dtype=np.uint8)
    show(w, picture)
    w.answer(0)
    wait(w, 1.0, 0, picture)
    end(w, 0)
    wait(w, still_s, 0, picture)
    assert len(w.asked) == 1
    wait(w, 0.1, 0)
    show(w)
    play(w, 1)
    show(w)
    end(w, 1)
    w.answer(2)
    assert [(t.chunk, t.aborted) for t in w.transitions] == [(0, True)]
