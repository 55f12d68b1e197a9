"""The supervision of a driver: back-off, recovery, stale commands, the way home."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tmrl_arm.core import ArmCore
from tmrl_arm.driver import ArmConnectionError, ArmFaultError, Fault
from tmrl_arm.loopback import LoopbackArm, LoopbackConfig
from tmrl_arm.params import ArmConfig
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.arm import CommandMode
from tmrl_common.service_reply import ServiceReply
from tmrl_common.testing import FakeClock

CONFIG = ArmConfig(robot="tested", driver="loopback", max_recoveries=2, recovery_window_s=60.0)
REFLEX = Fault("collision reflex: clear the way", may_recover_alone=True)
OVERLOAD = Fault("motor 3 is overloaded: support the arm", may_recover_alone=False)
TICK_S = 0.02


class Cell:
    """A core on the made-up arm, and what it reported."""

    def __init__(self, config: ArmConfig = CONFIG) -> None:
        self.clock = FakeClock(start_s=50.0)
        self.arm = LoopbackArm(LoopbackConfig(), self.clock)
        self.core = ArmCore(config, self.arm, self.clock)
        self.rig = DriverRig(driver=self.arm, let_pass=self.clock.advance)
        self.reports = []
        self.replies = []

    def run(self, duration_s: float = TICK_S) -> None:
        for _ in range(max(1, round(duration_s / TICK_S))):
            report = self.core.tick()
            if report is not None:
                self.reports.append(report)
            self.clock.advance(TICK_S)

    @property
    def newest(self):
        return self.reports[-1]

    def movement(self, **changes):
        command = self.rig.pose(
            self.newest.reading, (0.05, 0.0, 0.0), duration_s=0.5, valid_for_s=0.5
        )
        return replace(command, **{"arm_state_sequence": self.newest.sequence, **changes})

    def ask_home(self) -> None:
        self.core.home(self.replies.append)

    def ask_recover(self) -> None:
        self.core.recover(self.replies.append)


@pytest.fixture
def cell():
    made = Cell()
    made.run()
    return made


def test_states_are_numbered_and_healthy(cell):
    cell.run(0.2)
    assert [report.sequence for report in cell.reports] == list(range(1, len(cell.reports) + 1))
    assert {report.fault for report in cell.reports} == {""}


def test_a_movement_is_passed_on(cell):
    cell.core.command(cell.movement())
    cell.run(1.0)
    moved_m = cell.newest.reading.tool_position_m - cell.reports[0].reading.tool_position_m
    assert moved_m == pytest.approx([0.05, 0.0, 0.0])
    assert cell.core.health().commands == 1


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"robot": "other"}, ["'other'", "'tested'", "namespaces"]),
        ({"mode": 9}, ["mode 9", "CARTESIAN_POSE", "JOINT_VELOCITY"]),
        ({"duration_s": 0.0}, ["duration_s", "above 0"]),
        ({"valid_for_s": 2.5}, ["valid_for_s", "2.5", "at most 2 s"]),
        ({"gripper_opening": 1.5}, ["1.5", "clip"]),
        ({"gripper_opening": float("nan")}, ["nan"]),
        ({"position_m": np.array([np.nan, 0.0, 0.0])}, ["not 7 finite numbers"]),
        ({"position_m": np.array([9.0, 0.0, 0.0])}, ["9.00 m", "workspace box"]),
        ({"quaternion_xyzw": np.array([0.0, 0.0, 0.0, 2.0])}, ["length 2", "normalise"]),
        ({"arm_state_sequence": 10_000}, ["10000", "resume"]),
        ({"arm_state_sequence": 0}, ["arm state 0", "resume"]),
        (
            {"mode": 2, "joint_velocity_rad_s": np.zeros(5)},
            ["6 finite numbers", "joint_1", "joint_6"],
        ),
        ({"mode": 2, "joint_velocity_rad_s": np.full(6, 4.0)}, ["joint_1", "4.000", "3.142"]),
        (
            {"mode": 2, "joint_velocity_rad_s": np.full(6, -3.0), "valid_for_s": 2.0},
            ["joint_1", "-6.000", "other way"],
        ),
    ],
)
def test_a_bad_command_is_refused_with_a_sentence_and_stops_the_arm(cell, changes, names):
    cell.core.command(cell.movement())
    cell.run(0.1)
    cell.core.command(cell.movement(sequence=7, **changes))
    cell.run()
    assert all(name in cell.newest.fault for name in ["command 7 was refused", *names])
    there_m = cell.newest.reading.tool_position_m
    cell.run(CONFIG.fault_shown_s)
    assert cell.newest.reading.tool_position_m == pytest.approx(there_m)
    assert cell.newest.fault == ""


def test_hold_stops(cell):
    cell.core.command(cell.movement())
    cell.run(0.1)
    cell.core.command(cell.movement(mode=CommandMode.HOLD))
    cell.run()
    there_m = cell.newest.reading.tool_position_m
    cell.run(1.0)
    assert cell.newest.reading.tool_position_m == pytest.approx(there_m)


def test_the_way_home_is_answered_when_it_ends(cell):
    cell.core.command(cell.movement())
    cell.run(1.0)
    cell.ask_home()
    cell.run(0.5)
    assert cell.replies == []
    cell.run(1.0)
    assert [reply.success for reply in cell.replies] == [True]


@pytest.mark.parametrize("interruption", ["hold", "movement", "fault", "cut", "home", "close"])
def test_an_interrupted_way_home_is_answered_with_the_reason(cell, interruption):
    cell.ask_home()
    cell.run(0.1)
    if interruption == "hold":
        cell.core.command(cell.movement(mode=CommandMode.HOLD))
    elif interruption == "movement":
        cell.core.command(cell.movement())
    elif interruption == "fault":
        cell.arm.inject_fault(REFLEX)
    elif interruption == "cut":
        cell.arm.cut()
    elif interruption == "home":
        cell.ask_home()
    else:
        cell.core.close()
    if interruption != "close":
        cell.run()
    assert cell.replies[0].success is False
    assert len(cell.replies[0].message) > 15


def test_an_arm_that_does_not_get_home_is_stopped():
    cell = Cell(replace(CONFIG, home_timeout_s=0.3))
    cell.run()
    cell.ask_home()
    cell.run(0.5)
    assert "not home within 0.3 s" in cell.replies[0].message
    assert not cell.newest.reading.homing


def test_a_harmless_fault_is_shown_then_cleared_a_bounded_number_of_times(cell):
    for _ in range(CONFIG.max_recoveries):
        cell.arm.inject_fault(REFLEX)
        cell.run()
        assert cell.newest.fault == REFLEX.sentence
        cell.run(CONFIG.fault_shown_s + 0.1)
        assert cell.newest.fault == ""
    cell.arm.inject_fault(REFLEX)
    cell.run(10.0)
    assert "2 times within 60 s" in cell.newest.fault
    assert "arm/recover" in cell.newest.fault
    cell.ask_recover()
    cell.run()
    assert cell.replies[-1].success
    assert cell.newest.fault == ""


def test_recoveries_are_allowed_again_when_the_window_has_passed(cell):
    for _ in range(5):
        cell.arm.inject_fault(REFLEX)
        cell.run(2.0)
        assert cell.newest.fault == ""
        cell.clock.advance(CONFIG.recovery_window_s)


def test_a_fault_that_needs_a_person_is_left_alone(cell):
    cell.arm.inject_fault(OVERLOAD)
    cell.run(100.0)
    assert cell.newest.fault == OVERLOAD.sentence
    assert cell.core.health().recoveries == 0
    cell.ask_home()
    assert OVERLOAD.sentence in cell.replies[-1].message
    cell.ask_recover()
    cell.run()
    assert cell.newest.fault == ""


def test_a_person_is_told_why_a_fault_stays(cell, monkeypatch):
    def refuse():
        raise ArmFaultError("the user stop is pressed: release it")

    cell.arm.inject_fault(OVERLOAD)
    cell.run()
    monkeypatch.setattr(cell.arm, "recover", refuse)
    cell.ask_recover()
    assert cell.replies == [ServiceReply.refused("the user stop is pressed: release it")]
    monkeypatch.setattr(cell.arm, "recover", lambda: None)
    cell.ask_recover()
    assert "stays" in cell.replies[-1].message


def test_what_answers_a_state_from_before_the_recovery_is_refused(cell):
    old = cell.movement()
    cell.arm.inject_fault(REFLEX)
    cell.run(2.0)
    assert cell.newest.fault == ""
    cell.core.command(old)
    cell.run()
    assert "answers arm state" in cell.newest.fault
    cell.core.command(cell.movement())
    assert cell.core.health().commands == 1


def test_attempts_to_connect_back_off_and_say_so():
    cell = Cell()
    cell.arm.cut()
    attempts = []
    for _ in range(round(100.0 / TICK_S)):
        cell.run()
        health = cell.core.health()
        if len(attempts) < health.failed_attempts:
            attempts.append(cell.clock.now_s())
    pauses_s = np.diff(attempts)
    assert pauses_s == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0], abs=2 * TICK_S)
    assert cell.reports == []
    assert f"attempt {len(attempts)}" in health.problem
    assert "the next one in 30 s" in health.problem


def test_a_lost_arm_is_told_of_with_its_last_state_and_old_stamp(cell):
    cell.run(0.2)
    last = cell.newest
    cell.arm.cut()
    cell.run(3.0)
    assert cell.newest.sequence > last.sequence + 2
    assert cell.newest.reading is last.reading
    assert "is cut; mend it (attempt 2" in cell.newest.fault
    assert not cell.core.health().connected


def test_a_loss_is_told_before_and_after_every_attempt_and_pauses_begin_when_one_is_over(
    cell, monkeypatch
):
    told, begun_s, ended_s = [], [], []

    def take_long():
        told.append(cell.newest.fault)
        begun_s.append(cell.clock.now_s())
        cell.clock.advance(5.0)
        ended_s.append(cell.clock.now_s())
        raise ArmConnectionError("no answer within 5 s")

    monkeypatch.setattr(cell.arm, "connect", take_long)
    cell.arm.cut()
    cell.core.command(cell.movement())
    cell.run()
    loss = "the loopback arm is not connected"
    assert cell.newest.fault.startswith(loss), "reported although no attempt was made yet"
    while len(begun_s) < 4:
        before = len(cell.reports), len(begun_s)
        cell.run()
        if len(begun_s) > before[1]:
            assert len(cell.reports) > before[0], "the end of an attempt is reported at once"
            assert loss in cell.newest.fault
            assert f"no answer within 5 s (attempt {len(begun_s)};" in cell.newest.fault
    assert all(loss in sentence for sentence in told)
    pauses_s = np.subtract(begun_s[1:], ended_s[:-1])
    assert pauses_s == pytest.approx([1.0, 2.0, 4.0], abs=2 * TICK_S)


def test_a_measurement_that_grows_old_is_a_fault_although_it_is_called_new(cell, monkeypatch):
    cell.core.command(cell.movement(valid_for_s=2.0, duration_s=60.0))
    frozen = cell.arm.read()
    with monkeypatch.context() as patch:
        patch.setattr(cell.arm, "read", lambda: frozen)
        cell.run(0.5)
        assert cell.newest.fault == "", "a slow machine is not a broken arm"
        cell.run(1.0)
        assert "s old, allowed are 1.2 s" in cell.newest.fault
        cell.core.command(cell.movement())
        cell.ask_recover()
        assert cell.core.health().commands == 1
        assert "the fault stays: the newest measurement" in cell.replies[-1].message
    rest_m = cell.arm.read().tool_position_m
    cell.run(CONFIG.fault_shown_s + 0.1)
    assert cell.newest.fault == ""
    assert cell.newest.reading.tool_position_m == pytest.approx(rest_m), "it was stopped"


def test_an_arm_that_is_back_moves_only_after_a_person_said_so(cell):
    cell.arm.cut()
    cell.run(5.0)
    cell.arm.mend()
    cell.run(20.0)
    assert cell.core.health().connected
    assert "was lost (the loopback arm is not connected" in cell.newest.fault
    assert "arm/recover" in cell.newest.fault
    cell.core.command(cell.movement())
    cell.ask_home()
    cell.run()
    assert cell.core.health().commands == 0
    assert not cell.replies[-1].success
    cell.ask_recover()
    cell.run()
    assert cell.newest.fault == ""
    cell.core.command(cell.movement())
    assert cell.core.health().commands == 1


def test_a_person_may_ask_for_an_attempt_at_once(cell):
    cell.arm.cut()
    cell.run(20.0)
    cell.ask_recover()
    assert not cell.replies[-1].success
    cell.arm.mend()
    cell.ask_recover()
    assert cell.replies[-1].success


class Life(RuleBasedStateMachine):
    """Anything may happen in any order; what must never happen does not."""

    def __init__(self):
        super().__init__()
        self.cell = Cell()
        self.cell.run()
        self.allowed = True

    @rule(ticks=st.integers(1, 120))
    def wait(self, ticks):
        for _ in range(ticks):
            before = self.cell.core.health()
            self.cell.run()
            after = self.cell.core.health()
            if after.losses > before.losses:
                self.allowed = False

    @rule()
    def cut(self):
        self.cell.arm.cut()

    @rule()
    def mend(self):
        self.cell.arm.mend()

    @rule(fault=st.sampled_from([REFLEX, OVERLOAD]))
    def fault(self, fault):
        self.cell.arm.inject_fault(fault)

    @rule()
    def recover(self):
        self.cell.ask_recover()
        if self.cell.replies[-1].success:
            self.allowed = True

    @rule()
    def home(self):
        self.cell.ask_home()

    @rule(old=st.integers(0, 30))
    def command(self, old):
        sequence = max(0, self.cell.newest.sequence - old)
        before, losses = len(self.cell.arm.commands), self.cell.core.health().losses
        self.cell.core.command(self.cell.movement(arm_state_sequence=sequence))
        if self.cell.core.health().losses > losses:
            self.allowed = False
        assert self.allowed or len(self.cell.arm.commands) == before

    @precondition(lambda self: self.cell.core.health().problem)
    @rule()
    def a_problem_is_a_sentence(self):
        assert len(self.cell.core.health().problem) > 15

    @invariant()
    def sequences_rise(self):
        numbers = [report.sequence for report in self.cell.reports[-50:]]
        assert numbers == sorted(set(numbers))


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30)
