"""The core when something else moves the arm between two chunks: arm/home, a hand, gravity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode
from tmrl_common.geometry import IDENTITY_QUATERNION, quaternion_from_rotation_vector
from tmrl_controller.limiter import rotation_between
from tmrl_controller.testing import (
    CONFIG,
    MORE_EXAMPLES,
    HardwareScene,
    action_chunk,
    holds,
    moves,
    of,
)

LOW_M, HIGH_M = CONFIG.motion_limits.low_m, CONFIG.motion_limits.high_m
TARGET_M = np.array([0.285, 0.0, 0.15])
"""Where the first chunk leaves the arm."""
AWAY_M = np.array([0.0, 0.19, 0.0])
"""Further than any lead."""
SLACK = 1.0 + 1e-5


@pytest.fixture
def rested(scene):
    return rest(scene)


def rest(scene):
    """One chunk was executed; its last movement has expired."""
    scene.offer(execute_steps=1)
    scene.run(1.0)
    assert scene.position_m == pytest.approx(TARGET_M)
    return scene


def test_an_arm_that_went_home_in_between_is_held_until_somebody_resumes(rested):
    rested.position_m = TARGET_M + AWAY_M
    rested.see()
    rested.offer(sequence=2, chunk=1)

    decisions = rested.run(1.0)

    assert moves(decisions) == []
    assert len(holds(decisions)) == 1
    (outcome,) = of(decisions, ChunkOutcome)
    assert (outcome.result, outcome.code) == (ChunkResult.REFUSED, "cannot_start")
    assert "0.190 m" in outcome.reason
    assert rested.mode is ControllerMode.HOLD
    assert "something else moved the arm" in rested.core.status().reason

    rested.core.resume()
    rested.offer(sequence=3, chunk=2, execute_steps=1)
    (move,) = moves(rested.run(1.0))
    assert move.target.position_m == pytest.approx(TARGET_M + AWAY_M + np.array([0.01, 0.0, 0.0]))


def test_a_tool_that_was_turned_in_between_is_held_too(rested):
    rested.quaternion = quaternion_from_rotation_vector([0.0, 0.0, CONFIG.max_lead_rad + 0.1])
    rested.see()
    rested.offer(sequence=2, chunk=1)

    assert moves(rested.run(1.0)) == []
    assert rested.mode is ControllerMode.HOLD


@pytest.mark.parametrize("share", [0.1, 0.9, 1.0])
def test_an_arm_that_sags_by_less_than_its_lead_goes_on(rested, share):
    rested.follows = False
    rested.position_m = TARGET_M - [0.0, 0.0, share * CONFIG.max_lead_m]
    rested.see()
    rested.offer(sequence=2, chunk=1, execute_steps=2)

    (outcome,) = of(rested.run(1.0), ChunkOutcome)

    assert outcome.result is ChunkResult.COMPLETED
    assert rested.mode is ControllerMode.POLICY


def test_a_blocked_arm_is_no_moved_arm(scene):
    scene.follows = False
    for number in range(1, 8):
        scene.offer(sequence=number, chunk=number, execute_steps=8)
        assert of(scene.run(2.5), ChunkOutcome)[0].result is ChunkResult.COMPLETED

    assert scene.mode is ControllerMode.POLICY


def test_an_arm_moved_while_a_movement_is_valid_is_brought_back_at_the_allowed_speed(scene):
    scene.offer(execute_steps=1)
    scene.tick()
    scene.follows = False
    scene.position_m = TARGET_M + AWAY_M
    scene.offer(sequence=2, chunk=1, execute_steps=1)

    (move,) = moves(scene.run(1.0))

    way_m = np.linalg.norm(move.target.position_m - TARGET_M)
    assert way_m <= CONFIG.max_translation_m * SLACK


def test_a_movement_that_has_expired_excuses_nothing_even_before_the_tick_that_says_so(scene):
    scene.offer(execute_steps=1)
    scene.tick()
    scene.clock.time_s += 1.0
    scene.position_m = TARGET_M + AWAY_M
    scene.see()
    scene.offer(sequence=2, chunk=1)

    assert moves(scene.run(1.0)) == []
    assert scene.mode is ControllerMode.HOLD


COORDINATES = st.tuples(*[st.floats(0.0, 1.0)] * 3)
TURNS = st.tuples(*[st.floats(-1.2, 1.2)] * 3)
ROWS = st.lists(st.tuples(*[st.floats(-0.05, 0.05)] * 6), min_size=8, max_size=8)


@settings(max_examples=100 * MORE_EXAMPLES)
@given(share=COORDINATES, turn=TURNS, rows=ROWS)
def test_wherever_the_arm_was_moved_no_command_leads_it_by_more_than_its_lead(share, turn, rows):
    scene = HardwareScene()
    scene.core.resume()
    rest(scene)
    scene.follows = False
    scene.position_m = LOW_M + np.array(share) * (HIGH_M - LOW_M)
    scene.quaternion = quaternion_from_rotation_vector(np.array(turn))
    scene.see()
    actions = np.array([(*row, 1.0) for row in rows], dtype=np.float32)
    scene.offer(sequence=2, chunk=1, execute_steps=8, actions=actions.ravel())

    decisions = scene.run(2.5)

    near = (
        np.linalg.norm(scene.position_m - TARGET_M) <= CONFIG.max_lead_m
        and np.linalg.norm(rotation_between(IDENTITY_QUATERNION, scene.quaternion))
        <= CONFIG.max_lead_rad
    )
    (outcome,) = of(decisions, ChunkOutcome)
    assert (outcome.result is ChunkResult.COMPLETED) == near
    assert (len(moves(decisions)) == action_chunk().horizon) == near
    for command in moves(decisions):
        lead_m = np.linalg.norm(command.target.position_m - scene.position_m)
        lead_rad = np.linalg.norm(rotation_between(scene.quaternion, command.target.quaternion))
        assert lead_m <= CONFIG.max_lead_m * SLACK
        assert lead_rad <= CONFIG.max_lead_rad * SLACK
