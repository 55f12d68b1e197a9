"""The core in simulation: paced by the stamps of the states, or in lock-step."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode
from tmrl_controller.clock import HardwareClock, StateClock
from tmrl_controller.config import Pacing
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import LimitedCommand
from tmrl_controller.testing import (
    CONFIG,
    LockStepScene,
    action_chunk,
    arm_state,
    at_s,
    holds,
    moves,
    of,
    teleop_command,
)

PERIOD_S = CONFIG.control_period_s


def test_in_lock_step_a_chunk_runs_as_fast_as_the_simulation_answers():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=5)

    log = scene.settle()

    (outcome,) = of(log, ChunkOutcome)
    assert outcome.result is ChunkResult.COMPLETED
    assert outcome.step_ends_ns * 1e-9 == pytest.approx(PERIOD_S * np.arange(1, 6))
    assert outcome.arm_state_sequence == scene.sequence == 6


def test_in_lock_step_a_stop_is_one_hold_and_then_nothing_is_sent():
    scene = LockStepScene()
    scene.core.resume()
    assert of(scene.settle(), LimitedCommand) == []
    scene.core.estop()
    assert len(holds(scene.settle())) == 1
    scene.advance(PERIOD_S)

    assert of(scene.settle(), LimitedCommand) == []


def test_in_lock_step_a_chunk_cut_in_flight_names_the_state_that_answers_it():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=5)
    scene.core.tick()
    scene.core.hold()

    (outcome,) = of(scene.core.tick(), ChunkOutcome)

    assert outcome.arm_state_sequence == scene.sequence + 1


def test_in_lock_step_a_simulation_with_another_period_does_not_stall_the_chunk():
    scene = LockStepScene()
    scene.period_s = 0.5 * PERIOD_S
    scene.core.resume()
    scene.offer(execute_steps=5)

    (outcome,) = of(scene.settle(), ChunkOutcome)
    assert outcome.result is ChunkResult.COMPLETED


def test_in_lock_step_a_reset_of_the_scene_between_chunks_goes_unnoticed():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=2)
    scene.settle()
    scene.position_m = np.array([0.2, 0.1, 0.2])
    scene.advance(0.0)
    scene.offer(execute_steps=1, sequence=2, episode=2)

    (move,) = moves(scene.settle())
    assert move.target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_in_lock_step_a_person_drives_one_period_per_state():
    scene = LockStepScene()
    scene.core.on_teleop(teleop_command(stamp_ns=scene.clock.stamp_ns()))

    log = scene.settle()

    # The reading stays fresh for exactly one control period of simulated time.
    assert [command.duration_s for command in moves(log)] == [PERIOD_S, PERIOD_S]
    assert scene.core.status().mode is ControllerMode.HOLD


def test_in_a_paced_simulation_the_stamps_of_the_states_pace_the_steps():
    clock = StateClock()
    core = ControllerCore(replace(CONFIG, pacing=Pacing.STATE.value), clock)
    log = []
    for number in range(60):
        clock.set(number * 20_000_000)
        sent = of(log, LimitedCommand)
        taken = sent[-1].sequence if sent else 0
        core.on_arm_state(arm_state(sequence=number, last_command_sequence=taken))
        if number == 0:
            core.resume()
            core.on_chunk(action_chunk(arm_state_sequence=0, execute_steps=3))
        log += core.tick()
        log += core.tick()

    assert [at_s(c) for c in moves(log)] == pytest.approx([0.0, 0.2, 0.4])
    assert len(holds(log)) == 1
    (outcome,) = of(log, ChunkOutcome)
    assert outcome.arm_state_sequence == 30


def test_the_hardware_clock_paces_steadily_and_stamps_in_ros_time():
    clock = HardwareClock(lambda: 1_234_500_000_000)

    assert clock.stamp_ns() == 1_234_500_000_000
    assert clock.now_s() <= clock.now_s()
