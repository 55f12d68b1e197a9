"""The gate: which chunks may be executed, and what a refusal says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.chunks import RefusalCode
from tmrl_controller.chunk_gate import ChunkGate
from tmrl_controller.config import ACTION_DIMS, BRIDGE_DELTA_EE
from tmrl_controller.testing import CONFIG, MORE_EXAMPLES, action_chunk


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
    assert ": " in refusal.reason, "the sentence must end with a remedy"


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
    return [offer(gate, chunk) for chunk in chunks]


def offer(gate, chunk, age_s=0.0):
    """Judges a chunk and admits it where it passes, as the core does."""
    refusal = gate.judge(chunk, age_s)
    if refusal is None:
        gate.admit(chunk)
    return None if refusal is None else refusal.code


def test_a_replayed_or_reordered_chunk_is_refused_and_a_refused_one_leaves_no_mark():
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
        None,
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


FORGED = {
    "a new epoch, refused for its shape": {"agent_epoch": "rogue", "horizon": 4},
    "a new epoch, refused for its age": {"agent_epoch": "rogue", "sequence": 9},
    "the last number there is": {"sequence": 2**64 - 1},
    "a number far ahead": {"sequence": 10_003},
    "the last episode there is": {"sequence": 3, "episode": 2**32 - 1},
    "an episode far ahead": {"sequence": 3, "episode": 10_003},
    "a new session at the end of its episodes": {
        "session": "s",
        "sequence": 3,
        "episode": 2**31 + 1,
    },
    "an epoch without end": {"agent_epoch": "e" * 129},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_chunk_does_not_put_the_real_agent_out(forged):
    gate = ChunkGate(CONFIG)
    assert offer(gate, action_chunk(sequence=1)) is None
    age_s = 9.0 if forged.get("sequence") == 9 else 0.0

    assert offer(gate, action_chunk(**forged), age_s) is not None

    assert offer(gate, action_chunk(sequence=2)) is None


def test_however_many_agents_come_an_executed_chunk_is_never_executed_again():
    gate = ChunkGate(CONFIG)
    executed = [action_chunk(agent_epoch=f"agent-{number}") for number in range(5000)]
    codes = [offer(gate, chunk) for chunk in executed]

    admitted = [chunk for chunk, code in zip(executed, codes, strict=True) if code is None]
    assert len(admitted) > 4000
    assert RefusalCode.STALE_EPOCH in codes, "what is remembered is bounded"
    assert None not in [offer(gate, chunk) for chunk in admitted]


IDENTITY = st.fixed_dictionaries(
    {
        "agent_epoch": st.sampled_from(["a", "b", "c"]),
        "sequence": st.integers(0, 6) | st.sampled_from([2**62, 2**62 + 1, 2**64 - 1]),
        "episode": st.integers(1, 3) | st.sampled_from([0, 2**31, 2**32 - 1]),
        "chunk": st.integers(0, 3),
        "session": st.sampled_from(["run-1", "run-2"]),
        "sigma": st.sampled_from([0.5, 0.9]),
        "horizon": st.sampled_from([8, 4]),
    }
)


@settings(max_examples=300 * MORE_EXAMPLES)
@given(chunks=st.lists(IDENTITY, max_size=30))
def test_of_chunks_in_any_order_none_is_admitted_twice_and_refused_ones_change_nothing(chunks):
    gate, undisturbed = ChunkGate(CONFIG), ChunkGate(CONFIG)
    admitted = []
    for identity in chunks:
        chunk = action_chunk(**identity)
        if offer(gate, chunk) is None:
            admitted.append((chunk.agent_epoch, chunk.sequence))
            assert offer(undisturbed, chunk) is None

    assert len(set(admitted)) == len(admitted)
    epochs = [epoch for epoch, _ in admitted]
    turns = [epoch for epoch, before in zip(epochs, ["", *epochs], strict=False) if epoch != before]
    assert len(set(turns)) == len(turns), "whoever was taken over from never drives again"
