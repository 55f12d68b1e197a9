"""The modes: every way between them, and none that is not in the table."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tmrl_common.chunks import ControllerMode
from tmrl_controller.mode import TRANSITIONS, Event, ModeMachine, ModeRefusedError
from tmrl_controller.testing import MORE_EXAMPLES

WAYS = {
    ControllerMode.HOLD: [],
    ControllerMode.POLICY: [Event.RESUME],
    ControllerMode.TELEOP: [Event.TAKEOVER],
    ControllerMode.ESTOP: [Event.ESTOP],
    ControllerMode.FAULT: [Event.FAULT],
}
ALLOWED = {
    ControllerMode.HOLD: {
        Event.HOLD: ControllerMode.HOLD,
        Event.RESUME: ControllerMode.POLICY,
        Event.TAKEOVER: ControllerMode.TELEOP,
        Event.ESTOP: ControllerMode.ESTOP,
        Event.FAULT: ControllerMode.FAULT,
    },
    ControllerMode.POLICY: {
        Event.HOLD: ControllerMode.HOLD,
        Event.RESUME: ControllerMode.POLICY,
        Event.TAKEOVER: ControllerMode.TELEOP,
        Event.ESTOP: ControllerMode.ESTOP,
        Event.FAULT: ControllerMode.FAULT,
    },
    ControllerMode.TELEOP: {
        Event.HOLD: ControllerMode.HOLD,
        Event.HANDBACK: ControllerMode.POLICY,
        Event.ESTOP: ControllerMode.ESTOP,
        Event.FAULT: ControllerMode.FAULT,
    },
    ControllerMode.ESTOP: {
        Event.ESTOP: ControllerMode.ESTOP,
        Event.CLEAR_ESTOP: ControllerMode.HOLD,
        Event.FAULT: ControllerMode.ESTOP,
    },
    ControllerMode.FAULT: {
        Event.HOLD: ControllerMode.HOLD,
        Event.ESTOP: ControllerMode.ESTOP,
        Event.FAULT: ControllerMode.FAULT,
    },
}
"""A fault in e-stop or fault is heard and changes nothing."""


def do(machine, event):
    actions = {
        Event.HOLD: lambda: machine.hold("asked", ""),
        Event.RESUME: machine.resume,
        Event.TAKEOVER: lambda: machine.take_over("gamepad"),
        Event.HANDBACK: machine.hand_back,
        Event.ESTOP: lambda: machine.estop("pressed"),
        Event.CLEAR_ESTOP: lambda: machine.clear_estop("Ada"),
        Event.FAULT: lambda: machine.fault("motor hot"),
    }
    actions[event]()


def machine_in(mode):
    machine = ModeMachine()
    for event in WAYS[mode]:
        do(machine, event)
    assert machine.mode is mode
    return machine


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("mode", ControllerMode)
def test_every_event_in_every_mode_does_what_the_page_says(mode, event):
    machine = machine_in(mode)

    if event in ALLOWED[mode]:
        do(machine, event)
        assert machine.mode is ALLOWED[mode][event]
    else:
        with pytest.raises(ModeRefusedError, match=machine.remedy):
            do(machine, event)
        assert machine.mode is mode


def test_the_numbers_of_the_modes_are_those_of_the_message():
    assert {mode.name: mode.value for mode in ControllerMode} == {
        "HOLD": 0,
        "POLICY": 1,
        "TELEOP": 2,
        "ESTOP": 3,
        "FAULT": 4,
    }


def test_only_resume_and_handback_let_the_policy_drive():
    ways = {event for (_, event), mode in TRANSITIONS.items() if mode is ControllerMode.POLICY}

    assert ways == {Event.RESUME, Event.HANDBACK}


def test_a_latched_stop_never_leads_straight_to_motion():
    following = {
        TRANSITIONS[key]
        for key in TRANSITIONS
        if key[0] in (ControllerMode.ESTOP, ControllerMode.FAULT)
    }

    assert following <= {ControllerMode.HOLD, ControllerMode.ESTOP}


@pytest.mark.parametrize("operator", ["", "  ", "\t\n"])
def test_the_estop_is_cleared_only_by_somebody_with_a_name(operator):
    machine = machine_in(ControllerMode.ESTOP)

    with pytest.raises(ModeRefusedError, match="operator is empty"):
        machine.clear_estop(operator)
    assert machine.mode is ControllerMode.ESTOP


def test_the_name_of_who_cleared_the_estop_is_shown():
    machine = machine_in(ControllerMode.ESTOP)

    machine.clear_estop(" Ada ")

    assert machine.reason == "e-stop cleared by Ada"


def test_a_fault_stays_until_its_cause_is_gone():
    machine = machine_in(ControllerMode.FAULT)

    with pytest.raises(ModeRefusedError, match="motor 3 is off"):
        machine.hold("asked", "motor 3 is off")
    assert machine.mode is ControllerMode.FAULT
    machine.hold("asked", "")
    assert machine.mode is ControllerMode.HOLD


def test_the_reason_of_a_latch_is_the_first_one():
    machine = machine_in(ControllerMode.HOLD)

    machine.estop("smoke")
    machine.estop("pressed again")

    assert machine.reason == "smoke"


class Modes(RuleBasedStateMachine):
    """Random people and faults; the latches must hold."""

    def __init__(self):
        super().__init__()
        self.machine = ModeMachine()
        self.estop_latched = False
        self.fault_latched = False

    def attempt(self, action):
        try:
            action()
        except ModeRefusedError:
            return False
        return True

    @rule(problem=st.sampled_from(["", "motor 3 is off"]))
    def hold(self, problem):
        done = self.attempt(lambda: self.machine.hold("asked", problem))
        assert done == (not self.estop_latched and not (self.fault_latched and problem))
        self.fault_latched = self.fault_latched and not done

    @rule()
    def resume(self):
        self.attempt(self.machine.resume)

    @rule()
    def take_over(self):
        self.attempt(lambda: self.machine.take_over("gamepad"))

    @rule()
    def hand_back(self):
        self.attempt(self.machine.hand_back)

    @rule()
    def estop(self):
        self.machine.estop("pressed")
        self.estop_latched, self.fault_latched = True, False

    @rule(operator=st.sampled_from(["", " ", "Ada"]))
    def clear_estop(self, operator):
        done = self.attempt(lambda: self.machine.clear_estop(operator))
        assert done == (self.estop_latched and bool(operator.strip()))
        self.estop_latched = self.estop_latched and not done

    @rule()
    def fault(self):
        self.machine.fault("motor hot")
        self.fault_latched = not self.estop_latched

    @invariant()
    def latches_hold(self):
        assert (self.machine.mode is ControllerMode.ESTOP) == self.estop_latched
        assert (self.machine.mode is ControllerMode.FAULT) == self.fault_latched

    @invariant()
    def a_reason_and_a_remedy_are_known(self):
        assert self.machine.reason
        assert self.machine.remedy


TestModes = Modes.TestCase
TestModes.settings = settings(max_examples=100 * MORE_EXAMPLES, stateful_step_count=30)
