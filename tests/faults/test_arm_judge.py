"""The judge of commands: forged logs are found out, a clean one passes."""

from dataclasses import replace

import numpy as np
import pytest

from .arm_judge import ArmVerdict, Rules, judge
from .command_log import Chunk, ChunkKey, Command, CommandLog, Outcome, State, Vector

RULES = Rules(
    box_m=(0.1, 0.4, -0.3, 0.3, 0.0, 0.2),
    translation_m=0.025,
    rotation_rad=0.1,
    gripper_step=1.0,
    period_s=0.2,
    tick_s=0.02,
    chunk_age_s=1.0,
    world_waits=False,
    seed=3,
)
TICK_NS = 20_000_000
TICKS_PER_STEP = 10
START_M = np.array((0.2, 0.0, 0.1))
STEPS = 4
SEED = int(np.random.SeedSequence((3, 1, 0, 0)).generate_state(1, np.uint64)[0]) & (2**63 - 1)


def along_x(way_m: float) -> Vector:
    return np.array((way_m, 0.0, 0.0))


def clean() -> CommandLog:
    """One chunk in a world that runs by itself: four steps of a centimetre, and a hold."""
    log = CommandLog()
    for tick in range((STEPS + 2) * TICKS_PER_STEP):
        newest = tick // TICKS_PER_STEP
        log.states.append(
            State(
                sequence=tick,
                stamp_ns=tick * TICK_NS,
                last_command=min(newest, STEPS + 1),
                holding=not 1 <= newest <= STEPS,
                position_m=START_M + along_x(0.01 * max(0, newest - 1)),
            )
        )
    for step in range(1, STEPS + 1):
        log.commands.append(
            Command(
                sequence=step,
                stamp_ns=(step * TICKS_PER_STEP - 1) * TICK_NS,
                moves=True,
                arm_state_sequence=step * TICKS_PER_STEP - 1,
                position_m=START_M + along_x(0.01 * step),
                duration_s=0.2,
                valid_for_s=0.3,
            )
        )
    log.commands.append(
        Command(STEPS + 1, ((STEPS + 1) * TICKS_PER_STEP - 1) * TICK_NS, moves=False)
    )
    key = ChunkKey("life", 1)
    log.chunks.append(Chunk(key, episode=1, number=0, arm_state_sequence=2, seed=SEED))
    log.outcomes.append(Outcome(key, STEPS, 9 * TICK_NS))
    return log


def counts(verdict: ArmVerdict) -> tuple[int, int, int]:
    return len(verdict.doubled), len(verdict.stale), len(verdict.out_of_limit)


def test_a_clean_log_passes() -> None:
    verdict = judge(clean(), RULES)
    assert verdict.findings == []
    assert (verdict.judged, verdict.chunks, verdict.unseen) == (STEPS + 1, 1, 0)


def test_one_of_each_is_found() -> None:
    log = clean()
    log.commands[1] = replace(log.commands[1], stamp_ns=log.commands[1].stamp_ns - 400_000_000)
    log.commands[2] = replace(log.commands[2], position_m=np.array((0.25, 0.03, 0.1)))
    log.commands[3] = replace(log.commands[3], position_m=np.array((0.25, 0.03, 0.1)))
    log.commands.insert(1, log.commands[0])
    verdict = judge(log, RULES)
    assert counts(verdict) == (1, 1, 1), verdict.findings
    assert "command 1 came after 1" in verdict.doubled[0]
    assert "command 2" in verdict.stale[0]
    assert "command 3 goes 0.0424 m where 0.0250 are allowed" in verdict.out_of_limit[0]


def test_a_command_that_moves_the_arm_beyond_its_validity_is_stale() -> None:
    log = clean()
    log.states = [
        replace(state, last_command=min(state.last_command, STEPS), holding=False)
        for state in log.states
    ]
    log.states += [
        State(60 + more, (60 + more) * TICK_NS, STEPS, holding=False) for more in range(5)
    ]
    assert counts(judge(log, RULES)) == (0, 1, 0)
    assert judge(log, replace(RULES, world_waits=True)).findings == []


def test_a_chunk_executed_twice_is_found() -> None:
    log = clean()
    log.outcomes.append(log.outcomes[0])
    assert counts(judge(log, RULES))[0] == 2, "its number and its answer"


def test_an_old_answer_for_a_new_chunk_is_found() -> None:
    log = clean()
    key = ChunkKey("life", 2)
    log.chunks.append(replace(log.chunks[0], key=key, number=1, arm_state_sequence=40))
    log.outcomes.append(Outcome(key, 1, 41 * TICK_NS))
    assert counts(judge(log, RULES)) == (1, 0, 0)
    log.chunks[0] = replace(log.chunks[0], number=5)
    log.chunks[1] = replace(log.chunks[1], seed=17)
    assert counts(judge(log, RULES)) == (0, 2, 0), "neither answers its question"


def test_a_chunk_that_begins_long_after_what_it_saw_is_stale() -> None:
    log = clean()
    log.outcomes[0] = replace(log.outcomes[0], started_ns=60 * TICK_NS)
    (sentence,) = judge(log, RULES).stale
    assert sentence == "chunk 1 began 1.160 s after its state"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"position_m": np.array((0.2, 0.0, -0.01))}, "outside the box"),
        ({"position_m": np.array((np.nan, 0.0, 0.1))}, "not finite"),
        ({"gripper": 1.2}, "gripper"),
        ({"duration_s": 0.0}, "lasts"),
        ({"quaternion_xyzw": np.array((0.0, 0.0, 0.1, np.sqrt(0.99)))}, "turns 0.2003 rad"),
    ],
)
def test_what_no_command_may_be_is_found(change: dict[str, object], word: str) -> None:
    log = clean()
    log.commands = [replace(log.commands[0], **change)]
    (sentence,) = judge(log, RULES).out_of_limit
    assert word in sentence


def test_after_a_rest_a_target_starts_where_the_arm_is_and_nowhere_else() -> None:
    log = clean()
    far_m = np.array((0.3, 0.1, 0.1))
    log.states.append(State(100, 100 * TICK_NS, STEPS + 1, holding=True, position_m=far_m))
    again = replace(log.commands[0], sequence=6, arm_state_sequence=100, stamp_ns=100 * TICK_NS)
    log.commands.append(replace(again, position_m=far_m + along_x(0.01)))
    assert judge(log, RULES).findings == []
    del log.commands[-2]
    assert counts(judge(log, RULES)) == (0, 0, 1), "without the hold"


def test_commands_that_were_not_heard_are_counted_and_not_held_against_the_next_one() -> None:
    log = clean()
    del log.commands[1]
    verdict = judge(log, RULES)
    assert verdict.findings == []
    assert verdict.unseen == 1
