"""What a driver says of commands in its state: by this alone a hold counts as confirmed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_arm.core import ArmCore
from tmrl_arm.driver import Fault
from tmrl_arm.loopback import LoopbackArm, LoopbackConfig
from tmrl_arm.messages import arm_state
from tmrl_arm.params import ArmConfig
from tmrl_arm.testing.rig import ROBOT, DriverRig
from tmrl_common.arm import CommandMode
from tmrl_common.testing import FakeClock

CONFIG = ArmConfig(robot=ROBOT, driver="loopback", max_recoveries=0)
TICK_S = 0.02


class Cell:
    """A core on the made-up arm, its last word, and commands that are numbered."""

    def __init__(self) -> None:
        self.clock = FakeClock(start_s=50.0)
        self.arm = LoopbackArm(LoopbackConfig(), self.clock)
        self.core = ArmCore(CONFIG, self.arm, self.clock)
        self.rig = DriverRig(driver=self.arm, let_pass=self.clock.advance)
        self.sent = 0
        self.run()

    def run(self, duration_s: float = TICK_S) -> None:
        for _ in range(max(1, round(duration_s / TICK_S))):
            report = self.core.tick()
            if report is not None:
                self.newest = report
            self.clock.advance(TICK_S)

    def send(self, **changes: object) -> None:
        self.sent += 1
        command = self.rig.pose(
            self.newest.reading, (0.05, 0.0, 0.0), duration_s=0.5, valid_for_s=0.5
        )
        known = {"arm_state_sequence": self.newest.sequence, "sequence": self.sent}
        self.core.command(replace(command, **{**known, **changes}))

    def hold(self) -> None:
        self.send(mode=CommandMode.HOLD)

    @property
    def word(self) -> tuple[int, bool]:
        return self.newest.taken, self.newest.holding


@pytest.fixture
def cell() -> Cell:
    return Cell()


def test_at_the_start_no_command_was_taken_and_the_arm_holds(cell):
    assert cell.word == (0, True)


def test_a_movement_and_the_hold_after_it_are_told_by_their_numbers(cell):
    cell.send()
    cell.run()
    assert cell.word == (1, False)
    cell.hold()
    cell.run()
    assert cell.word == (2, True)
    state = arm_state(cell.newest, ROBOT, ("joint_1",), 0, "base")
    assert (state.last_command_sequence, state.holding) == (2, True)


def test_a_movement_that_expired_and_a_way_home_that_ended_leave_a_holding_arm(cell):
    cell.send()
    cell.run(1.0)
    assert cell.word == (1, True)
    cell.core.home(lambda _: None)
    cell.run(0.1)
    assert cell.word == (1, False)
    cell.run(2.0)
    assert cell.word == (1, True)


@pytest.mark.parametrize(
    "changes", [{"gripper_opening": 1.5}, {"position_m": np.full(3, np.nan)}, {"mode": 9}]
)
def test_a_refused_command_was_taken_and_the_arm_holds(cell, changes):
    cell.send()
    cell.run(0.1)
    cell.send(**changes)
    cell.run()
    assert cell.newest.fault
    assert cell.word == (2, True)


def test_a_command_for_another_arm_is_of_another_controller_and_does_not_count(cell):
    cell.send()
    cell.send(robot="other", sequence=9000)
    cell.run()
    assert cell.word == (1, True)


def test_an_arm_out_of_reach_takes_nothing_and_nobody_says_that_it_holds(cell):
    cell.arm.cut()
    cell.run(2.0)
    cell.hold()
    cell.run(2.0)
    assert cell.word == (0, False)
    cell.arm.mend()
    cell.run(5.0)
    cell.hold()
    cell.run()
    assert cell.word == (2, True)


def test_of_a_faulty_arm_nobody_says_that_it_holds(cell):
    cell.arm.inject_fault(Fault("motor 3 is off: support the arm", may_recover_alone=False))
    cell.hold()
    cell.run()
    assert cell.word == (1, False)


def test_of_an_arm_whose_measurements_stand_still_nobody_says_that_it_holds(cell, monkeypatch):
    frozen = cell.arm.read()
    monkeypatch.setattr(cell.arm, "read", lambda: frozen)
    cell.run(2.0)
    assert "nobody knows whether the arm moves" in cell.newest.fault
    assert not cell.newest.holding


STEPS = st.sampled_from(["move", "hold", "home", "fault", "recover", "cut", "mend", "wait"])


@given(steps=st.lists(STEPS, max_size=25))
def test_an_arm_that_says_that_it_holds_does_not_move(steps):
    cell = Cell()
    acts = {
        "move": cell.send,
        "hold": cell.hold,
        "home": lambda: cell.core.home(lambda _: None),
        "fault": lambda: cell.arm.inject_fault(Fault("bad", may_recover_alone=False)),
        "recover": lambda: cell.core.recover(lambda _: None),
        "cut": cell.arm.cut,
        "mend": cell.arm.mend,
        "wait": lambda: cell.run(0.2),
    }
    for step in steps:
        acts[step]()
        before = cell.newest
        cell.run()
        said = cell.newest
        cell.run()
        if said.holding and said.sequence > before.sequence:
            moved_m = cell.newest.reading.tool_position_m - said.reading.tool_position_m
            assert np.abs(moved_m).max() == 0.0
            assert said.taken == cell.sent or step in ("cut", "mend") or cell.core.health().losses
