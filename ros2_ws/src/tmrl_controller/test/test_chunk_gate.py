"""The gate: which chunks may be executed, and what a refusal says."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_common.chunks import RefusalCode
from tmrl_controller.chunk_gate import ChunkGate
from tmrl_controller.config import ACTION_DIMS, BRIDGE_DELTA_EE
from tmrl_controller.testing import CONFIG, action_chunk


def actions(row=0, column=0, value=0.0):
    """Good actions with one value replaced."""
    flat = action_chunk().actions.copy()
    flat[row * ACTION_DIMS[BRIDGE_DELTA_EE] + column] = value
    return flat


def floats(*values):
    return np.array(values, dtype=np.float32)


REFUSED = [
    (RefusalCode.WRONG_ROBOT, {"robot": "franka"}, "for 'franka', this is 'widowx'"),
    (RefusalCode.MISSING_IDENTITY, {"session": ""}, "session is ''"),
    (RefusalCode.MISSING_IDENTITY, {"agent_epoch": ""}, "agent_epoch ''"),
    (RefusalCode.EPISODE_OUT_OF_ORDER, {"episode": 0}, "of episode 0"),
    (RefusalCode.WRONG_ACTION_SPACE, {"action_space": "droid"}, "'droid', this rig executes"),
    (RefusalCode.WRONG_SHAPE, {"horizon": 4}, "claims 4 x 7"),
    (RefusalCode.WRONG_SHAPE, {"action_dim": 8}, "claims 8 x 8"),
    (RefusalCode.WRONG_SHAPE, {"actions": floats(0, 0, 0)}, "holds 3 numbers"),
    (RefusalCode.BAD_EXECUTE_STEPS, {"execute_steps": 0}, "execute_steps is 0"),
    (RefusalCode.BAD_EXECUTE_STEPS, {"execute_steps": 9}, "execute_steps is 9"),
    (RefusalCode.NOT_FINITE, {"actions": actions(7, 2, np.nan)}, "1 of 56 numbers in actions"),
    (RefusalCode.NOT_FINITE, {"z": floats(0, np.inf)}, "1 of 2 numbers in z"),
    (RefusalCode.NOT_FINITE, {"sigma": float("nan")}, "1 of 1 numbers in sigma"),
    (RefusalCode.NOT_FINITE, {"epsilon": floats(-np.inf)}, "1 of 1 numbers in epsilon"),
    (RefusalCode.SIGMA_NEGATIVE, {"sigma": -0.1}, "sigma is -0.1"),
    (RefusalCode.SIGMA_ABOVE_CAP, {"sigma": 0.9}, "sigma is 0.9, this rig's cap is 0.8"),
    (RefusalCode.Z_ABOVE_CAP, {"z": floats(0, -2.5)}, "max|z| is 2.5, this rig's cap is 2"),
    (RefusalCode.EPSILON_ABOVE_CAP, {"epsilon": floats(3.5)}, "max|epsilon| is 3.5"),
    (RefusalCode.STEP_TOO_LONG, {"actions": actions(2, 1, 0.2)}, "more than 0.1 m"),
    (RefusalCode.ROTATION_TOO_LARGE, {"actions": actions(0, 5, -2.0)}, "by 2 rad, more than 1 rad"),
    (RefusalCode.GRIPPER_OUT_OF_RANGE, {"actions": actions(1, 6, 255.0)}, "lies 254 outside"),
    (RefusalCode.GRIPPER_OUT_OF_RANGE, {"actions": actions(1, 6, -1.0)}, "lies 1 outside"),
]


@pytest.mark.parametrize(("code", "changes", "sentence"), REFUSED)
def test_a_chunk_with_one_fault_is_refused_with_value_and_limit(code, changes, sentence):
    refusal = ChunkGate(CONFIG).judge(action_chunk(**changes), 0.1)

    assert refusal is not None
    assert refusal.code is code
    assert sentence in refusal.reason
    assert ": " in refusal.reason, "the sentence has to end with a remedy"


@pytest.mark.parametrize(
    ("code", "age_s", "sentence"),
    [
        (RefusalCode.UNKNOWN_ARM_STATE, None, "arm state 1, which never arrived"),
        (RefusalCode.TOO_OLD, 0.51, "0.510 s ago, allowed are 0.500 s"),
        (RefusalCode.TOO_OLD, -0.1, "-0.100 s ago"),
        (RefusalCode.TOO_OLD, float("nan"), "nan"),
    ],
)
def test_a_chunk_that_answers_no_recent_arm_state_is_refused(code, age_s, sentence):
    refusal = ChunkGate(CONFIG).judge(action_chunk(), age_s)

    assert refusal is not None
    assert refusal.code is code
    assert sentence in refusal.reason


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"execute_steps": 1},
        {"execute_steps": 8},
        {"sigma": 0.0},
        {"sigma": float(np.float32(0.8))},
        {"z": floats(2.0, -2.0)},
        {"z": np.zeros((8, 4), dtype=np.float32)},
        {"z": floats()},
        {"epsilon": floats(3.0)},
        {"actions": actions(0, 0, 0.05)},
        {"actions": actions(0, 6, 1.3)},
        {"actions": actions(7, 0, 5.0), "execute_steps": 7},
    ],
)
def test_a_chunk_within_the_bounds_is_accepted(changes):
    assert ChunkGate(CONFIG).judge(action_chunk(**changes), CONFIG.max_chunk_age_s) is None


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ((0.125, 0, 0, 0, 0, 0, 1.5), None),
        ((0, 0, 0, 0.875, 0, 0, -0.5), None),
        ((0, 0, 0, 0, 0, 0.875, 1), None),
        ((0.1, 0.1, 0, 0, 0, 0, 1), RefusalCode.STEP_TOO_LONG),
        ((0, 0, 0.126, 0, 0, 0, 1), RefusalCode.STEP_TOO_LONG),
        ((0, 0, 0, 0.876, 0, 0, 1), RefusalCode.ROTATION_TOO_LARGE),
        ((0, 0, 0, 0, 0.7, 0.7, 1), RefusalCode.ROTATION_TOO_LARGE),
    ],
)
def test_each_bound_on_a_step_is_for_its_own_columns_and_includes_its_edge(row, code):
    config = replace(CONFIG, refuse_translation_m=0.125, refuse_rotation_rad=0.875)

    refusal = ChunkGate(config).judge(action_chunk(actions=np.tile(floats(*row), 8)), 0.0)

    assert (None if refusal is None else refusal.code) is code


def test_a_cap_that_float32_rounds_up_does_not_refuse_what_was_clamped_to_it():
    config = replace(CONFIG, sigma_cap=0.3, z_cap=0.7, epsilon_cap=0.7)
    chunk = action_chunk(sigma=float(np.float32(0.3)), z=floats(0.7), epsilon=floats(-0.7))

    assert chunk.sigma > config.sigma_cap
    assert ChunkGate(config).judge(chunk, 0.0) is None


def judge_all(*chunks):
    gate = ChunkGate(CONFIG)
    refusals = [gate.judge(chunk, 0.0) for chunk in chunks]
    return [None if refusal is None else refusal.code for refusal in refusals]


def test_a_replayed_or_reordered_chunk_is_refused_even_if_it_was_refused_before():
    assert judge_all(
        action_chunk(sequence=5),
        action_chunk(sequence=5),
        action_chunk(sequence=4),
        action_chunk(sequence=7, sigma=0.9),
        action_chunk(sequence=7),
        action_chunk(sequence=8),
    ) == [
        None,
        RefusalCode.OUT_OF_SEQUENCE,
        RefusalCode.OUT_OF_SEQUENCE,
        RefusalCode.SIGMA_ABOVE_CAP,
        RefusalCode.OUT_OF_SEQUENCE,
        None,
    ]


def test_an_agent_may_count_from_zero():
    assert judge_all(action_chunk(sequence=0), action_chunk(sequence=0)) == [
        None,
        RefusalCode.OUT_OF_SEQUENCE,
    ]


def test_a_refused_chunk_does_not_move_the_episode_on():
    gate = ChunkGate(CONFIG)
    assert gate.judge(action_chunk(sequence=1, episode=7), 9.0).code is RefusalCode.TOO_OLD
    assert gate.judge(action_chunk(sequence=2, episode=1), 0.0) is None


def test_a_restarted_agent_counts_anew_and_the_old_one_is_out():
    assert judge_all(
        action_chunk(sequence=100, agent_epoch="a"),
        action_chunk(sequence=1, agent_epoch="b"),
        action_chunk(sequence=101, agent_epoch="a"),
        action_chunk(sequence=2, agent_epoch="b"),
    ) == [None, None, RefusalCode.STALE_EPOCH, None]


def test_episodes_and_chunks_count_up_within_a_session():
    assert judge_all(
        action_chunk(sequence=1, episode=3, chunk=4),
        action_chunk(sequence=2, episode=3, chunk=4),
        action_chunk(sequence=3, episode=3, chunk=3),
        action_chunk(sequence=4, episode=2, chunk=9),
        action_chunk(sequence=5, episode=4, chunk=0),
        action_chunk(sequence=6, episode=1, chunk=0, session="run-2"),
    ) == [
        None,
        None,
        RefusalCode.EPISODE_OUT_OF_ORDER,
        RefusalCode.EPISODE_OUT_OF_ORDER,
        None,
        None,
    ]


def test_a_chunk_for_another_robot_does_not_count_as_seen():
    assert judge_all(action_chunk(robot="franka"), action_chunk()) == [
        RefusalCode.WRONG_ROBOT,
        None,
    ]
