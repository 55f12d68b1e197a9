"""The watch over the arm: ages, staleness, what counts as broken, where motion may start."""

import numpy as np
import pytest

from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.testing import CONFIG, arm_state

LIMITS = CONFIG.motion_limits


@pytest.fixture
def monitor():
    return ArmMonitor("widowx", max_age_s=0.25)


def test_ages_count_from_arrival(monitor):
    monitor.receive(arm_state(sequence=7), 1.0)
    monitor.receive(arm_state(sequence=8), 1.1)

    assert monitor.age_s(7, 1.3) == pytest.approx(0.3)
    assert monitor.age_s(8, 1.3) == pytest.approx(0.2)
    assert monitor.age_s(9, 1.3) is None


def test_a_skipped_state_counts_as_old_as_the_one_before_it(monitor):
    monitor.receive(arm_state(sequence=7), 1.0)
    monitor.receive(arm_state(sequence=9), 1.2)

    assert monitor.age_s(8, 1.3) == pytest.approx(0.3)
    assert monitor.age_s(6, 1.3) is None


def test_memory_of_arrivals_is_bounded(monitor):
    for sequence in range(5000):
        monitor.receive(arm_state(sequence=sequence), float(sequence))

    remembered = [s for s in range(5000) if monitor.age_s(s, 5000.0) is not None]
    assert remembered == list(range(5000 - 4096, 5000))


def test_a_silent_arm_is_stale(monitor):
    assert "no arm state has arrived yet" in monitor.staleness(0.0)
    monitor.receive(arm_state(), 1.0)

    assert monitor.staleness(1.25) == ""
    assert "the newest is 0.260 s old, allowed are 0.250 s" in monitor.staleness(1.26)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fault": "motor 3 is off: reboot it"}, "motor 3 is off"),
        ({"robot": "franka"}, "of 'franka', this is 'widowx'"),
        ({"position_m": np.array([np.nan, 0, 0])}, "not finite"),
        ({"gripper_command": np.inf}, "not finite"),
        ({"quaternion_xyzw": np.zeros(4)}, "length 0 instead of 1"),
        ({"position_m": np.array([1e300, 0, 0])}, "1e+300 m from the arm's base"),
        ({"sequence": 2**64 - 1}, "at most 4611686018427387904 is possible"),
    ],
)
def test_a_bad_state_is_a_problem_until_a_good_one_comes(monitor, changes, sentence):
    monitor.receive(arm_state(sequence=1), 1.0)
    assert monitor.problem() == ""

    monitor.receive(arm_state(**({"sequence": 2} | changes)), 1.1)
    assert sentence in monitor.problem()

    monitor.receive(arm_state(sequence=3), 1.2)
    assert monitor.problem() == ""


def test_a_broken_state_does_not_become_the_measured_pose(monitor):
    monitor.receive(arm_state(sequence=1), 1.0)
    monitor.receive(arm_state(sequence=2, position_m=np.array([np.nan, 0, 0])), 1.1)

    assert monitor.newest.sequence == 1
    assert monitor.age_s(2, 1.1) is None


@pytest.mark.parametrize(("sequence", "now_s"), [(3, 1.1), (5, 1.1), (6, 0.9)])
def test_a_state_that_goes_back_means_another_driver(monitor, sequence, now_s):
    monitor.receive(arm_state(sequence=4), 0.95)
    monitor.receive(arm_state(sequence=5), 1.0)

    monitor.receive(arm_state(sequence=sequence), now_s)

    assert "went back" in monitor.problem()
    assert monitor.age_s(4, 1.1) is None, "states of the earlier life are unknown"


def test_a_lock_step_simulation_may_repeat_its_state(monitor):
    monitor.receive(arm_state(sequence=5), 1.0)
    monitor.receive(arm_state(sequence=5), 1.0)

    assert monitor.problem() == ""
    assert monitor.newest_sequence == 5
    monitor.receive(arm_state(sequence=5, fault="motor 3 is off"), 1.0)
    assert monitor.problem() == "motor 3 is off"


def test_a_newer_state_of_the_same_moment_is_no_restart(monitor):
    monitor.receive(arm_state(sequence=5), 1.0)
    monitor.receive(arm_state(sequence=6), 1.0)

    assert monitor.problem() == ""
    assert monitor.newest_sequence == 6


def test_the_next_state_is_the_newest_only_if_it_came_late_enough(monitor):
    assert monitor.next_sequence(0.0) == 0
    monitor.receive(arm_state(sequence=5), 1.0)

    assert monitor.next_sequence(1.0) == 5
    assert monitor.next_sequence(1.1) == 6


def test_motion_starts_at_the_measured_pose_with_the_commanded_opening(monitor):
    assert "no arm state" in monitor.anchor(LIMITS)
    assert monitor.measured is None
    assert monitor.newest_sequence == 0
    monitor.receive(arm_state(gripper_command=-0.1), 0.9)
    assert monitor.measured.gripper == 0.0
    monitor.receive(
        arm_state(sequence=2, quaternion_xyzw=np.array([0, 0, 0, 1.005]), gripper_command=1.2), 1.0
    )

    anchor = monitor.anchor(LIMITS)

    assert anchor.position_m == pytest.approx([0.275, 0.0, 0.15])
    assert anchor.quaternion == pytest.approx([0, 0, 0, 1])
    assert anchor.gripper == 1.0


def test_a_pose_just_outside_the_box_starts_at_its_wall(monitor):
    monitor.receive(arm_state(position_m=np.array([0.42, 0.0, 0.15])), 1.0)

    assert monitor.anchor(LIMITS).position_m == pytest.approx([0.40, 0.0, 0.15])


def test_a_pose_far_outside_the_box_is_no_start(monitor):
    monitor.receive(arm_state(position_m=np.array([0.5, 0.0, 0.15])), 1.0)

    assert "0.100 m outside the workspace box" in monitor.anchor(LIMITS)
