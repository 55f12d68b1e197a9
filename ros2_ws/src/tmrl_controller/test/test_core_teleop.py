"""The core lets a person drive, within the same limits, and says so."""

import numpy as np
import pytest

from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode, Driver, Origin
from tmrl_controller.core import ControllerCore
from tmrl_controller.testing import CONFIG, HardwareScene, holds, moves, of

TICK_S = CONFIG.tick_period_s
PERIOD_S = CONFIG.control_period_s


def test_a_person_takes_over_within_one_tick_from_where_the_arm_is(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.position_m = np.array([0.25, 0.05, 0.12])
    scene.see()

    decisions = scene.drive(1)

    (move,) = moves(decisions)
    assert scene.mode is ControllerMode.TELEOP
    assert "gamepad took over" in scene.core.status().reason
    # From rest the first setpoint differs from the measured pose by a fraction of a millimetre.
    assert move.target.position_m == pytest.approx([0.25, 0.05, 0.12], abs=1e-3)
    (outcome,) = of(decisions, ChunkOutcome)
    assert (outcome.result, outcome.code) == (ChunkResult.PREEMPTED, "teleop")


def test_a_person_is_limited_like_the_policy(scene):
    decisions = scene.drive(50, linear_m_s=np.array([0.0, 5.0, 0.0]))

    ys = np.array([command.target.position_m[1] for command in moves(decisions)])
    speed_m_s = np.diff(ys) / TICK_S
    assert speed_m_s.max() <= CONFIG.max_translation_m / PERIOD_S * (1 + 1e-6)
    assert ys.max() <= CONFIG.workspace_box[3]


def test_letting_go_means_hold_and_the_outcomes_show_who_drove(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    (of_chunk,) = of(scene.drive(25), ChunkOutcome)

    decisions = scene.drive(1, active=False)

    assert scene.mode is ControllerMode.HOLD
    assert len(holds(decisions)) == 1
    assert (of_chunk.result, of_chunk.code) == (ChunkResult.PREEMPTED, "teleop")
    assert of_chunk.driver.tolist() == [Driver.POLICY] * 2
    (by_hand,) = of(decisions, ChunkOutcome)
    assert (by_hand.origin, by_hand.code) == (Origin.HUMAN, "teleop")
    assert by_hand.driver.tolist() == [Driver.TELEOP] * 3
    assert by_hand.first_arm_state_sequence == of_chunk.arm_state_sequence
    by_hand_m = by_hand.executed_actions[:, 1].sum()
    assert by_hand_m == pytest.approx(scene.position_m[1], abs=1e-6)
    assert (np.diff(by_hand.step_ends_ns) > 0.0).all()


def test_after_letting_go_the_policy_goes_on_only_where_so_configured():
    scene = HardwareScene(resume_after_teleop=True)
    scene.core.resume()
    scene.drive(5)
    scene.drive(1, active=False)

    assert scene.mode is ControllerMode.POLICY
    scene.position_m = np.array([0.20, 0.1, 0.2])
    scene.see()
    scene.offer(execute_steps=1)
    (move,) = moves(scene.run(1.0))
    assert move.target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_after_letting_go_the_rest_of_an_episode_starts_where_the_person_left_the_arm():
    scene = HardwareScene(resume_after_teleop=True)
    scene.core.resume()
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.drive(5)
    scene.drive(1, active=False)
    scene.position_m = np.array([0.20, 0.1, 0.2])
    scene.see()
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    (move,) = moves(scene.run(1.0))
    assert move.target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_a_takeover_from_hold_ends_in_hold_even_so():
    scene = HardwareScene(resume_after_teleop=True)
    scene.drive(5)
    scene.drive(1, active=False)

    assert scene.mode is ControllerMode.HOLD


def test_a_device_that_falls_silent_means_hold_even_so():
    scene = HardwareScene(resume_after_teleop=True)
    scene.core.resume()
    scene.drive(5)

    decisions = scene.run(1.0)

    assert scene.mode is ControllerMode.HOLD
    assert "fell silent" in scene.core.status().reason
    assert len(holds(decisions)) == 1


def test_hold_wins_over_a_device_that_stays_pressed(scene):
    scene.drive(5)
    scene.core.hold()

    assert moves(scene.drive(20)) == []
    scene.drive(1, active=False)
    assert len(moves(scene.drive(5))) == 5


def test_after_an_estop_a_device_that_stays_pressed_does_nothing(scene):
    scene.drive(5)
    scene.core.estop()
    scene.drive(5)
    scene.core.clear_estop("Ada")

    assert moves(scene.drive(5)) == []


@pytest.mark.parametrize("silent_s", [0.02, 0.3, 5.0])
def test_a_device_held_down_over_an_estop_does_nothing_after_a_gap_in_its_messages(scene, silent_s):
    scene.drive(5)
    scene.core.estop()
    scene.drive(5)
    scene.core.clear_estop("Ada")
    scene.run(silent_s)

    assert moves(scene.drive(20)) == []
    assert scene.mode is ControllerMode.HOLD
    scene.drive(1, active=False)
    assert len(moves(scene.drive(5))) == 5


def test_a_device_that_fell_silent_has_to_be_released_before_it_drives_on(scene):
    scene.drive(5)
    scene.run(1.0)

    assert moves(scene.drive(20)) == []
    scene.drive(1, active=False)
    assert len(moves(scene.drive(5))) == 5


def test_a_device_that_is_pressed_at_the_start_moves_nothing():
    scene = HardwareScene()
    scene.core = ControllerCore(CONFIG, scene.clock)
    scene.see()

    assert moves(scene.drive(20)) == []
    assert scene.mode is ControllerMode.HOLD
    scene.drive(1, active=False)
    assert len(moves(scene.drive(5))) == 5


def test_a_device_pressed_anew_during_an_estop_does_nothing_when_it_is_cleared(scene):
    scene.core.estop()
    scene.drive(1, active=False)
    scene.drive(5)
    scene.core.clear_estop("Ada")

    assert moves(scene.drive(5)) == []


@pytest.mark.parametrize("ticks_in_one", [1, 3, 10])
def test_however_often_it_ticks_a_person_moves_the_arm_no_faster(scene, ticks_in_one):
    decisions = []
    begin_s = scene.clock.time_s
    while scene.clock.time_s < begin_s + 1.0:
        scene.teleop(linear_m_s=np.array([0.0, 5.0, 0.0]))
        decisions += scene.core.tick()
        decisions += scene.core.tick()
        scene.clock.time_s += TICK_S / ticks_in_one
        scene.see()

    durations_s = [move.duration_s for move in moves(decisions)]
    assert sum(durations_s) <= 1.0 + 2 * TICK_S
    assert max(durations_s) <= TICK_S
    speed_m_s = CONFIG.max_translation_m / PERIOD_S
    assert moves(decisions)[-1].target.position_m[1] <= speed_m_s * (1.0 + 2 * TICK_S)


def test_a_reading_that_is_no_number_latches_a_fault(scene):
    scene.drive(5)

    decisions = scene.drive(1, linear_m_s=np.array([np.nan, 0, 0]))

    assert moves(decisions) == []
    assert scene.mode is ControllerMode.FAULT
    assert "translation" in scene.core.status().reason


def test_a_device_of_another_robot_is_ignored_and_shown(scene):
    decisions = scene.drive(3, robot="franka")

    assert moves(decisions) == []
    assert scene.mode is ControllerMode.POLICY
    assert scene.core.status().last_refusal_code == "wrong_robot"


def test_a_takeover_that_cannot_start_stops_the_policy(scene):
    scene.offer(execute_steps=8)
    scene.run(0.1)
    scene.position_m = np.array([0.6, 0.0, 0.15])
    scene.see()

    decisions = scene.drive(1)

    assert moves(decisions) == []
    assert scene.mode is ControllerMode.HOLD
    assert of(decisions, ChunkOutcome)[0].code == "hold"
    assert "outside the workspace box" in scene.core.status().last_refusal


def test_a_chunk_that_waits_is_preempted_by_a_takeover(scene):
    scene.offer(execute_steps=8)
    scene.run(0.1)
    scene.offer(sequence=2, chunk=1)

    outcomes = of(scene.drive(1), ChunkOutcome)

    assert [(o.chunk.sequence, o.code) for o in outcomes] == [(1, "teleop"), (2, "teleop")]


@pytest.mark.parametrize(
    "odd",
    [
        {"stamp_ns": 0},
        {"device": " "},
        {"robot": "franka"},
    ],
)
def test_a_reading_that_is_refused_moves_nothing_and_is_named(scene, odd):
    scene.drive(1, active=False)
    assert moves(scene.drive(5, **odd)) == []
    assert scene.core.status().last_refusal


def test_a_refused_release_ends_the_motion_and_unlocks_nothing(scene):
    scene.drive(5)
    scene.drive(1, active=False, stamp_ns=0)
    assert scene.mode is ControllerMode.HOLD
    assert moves(scene.drive(5)) == []
    scene.drive(1, active=False)
    assert moves(scene.drive(5)) != []
