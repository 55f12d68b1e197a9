"""A hold counts as confirmed by the word of the arm's driver, and by nobody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.arm import CommandMode
from tmrl_common.testing.fake_clock import FakeClock
from tmrl_controller.decisions import LimitedCommand
from tmrl_controller.hold_confirmation import LONGEST_S, PendingHolds, unconfirmed
from tmrl_controller.testing import HardwareScene, LockStepScene, arm_state, holds, moves, of

NUMBERS = st.integers(0, 6)


@given(hold=NUMBERS, newest=NUMBERS, taken=NUMBERS, holding=st.booleans())
def test_it_is_confirmed_exactly_when_the_driver_has_it_and_holds(hold, newest, taken, holding):
    state = arm_state(last_command_sequence=taken, holding=holding)
    confirmed = hold <= taken <= newest and holding
    assert (unconfirmed(hold, newest, state) == "") == confirmed


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (None, "start the driver"),
        (arm_state(last_command_sequence=6), "has not taken the hold (command 7, the last"),
        (arm_state(last_command_sequence=7, holding=False), "the arm still moves"),
        (arm_state(last_command_sequence=99), "who else publishes arm/command"),
    ],
)
def test_the_sentence_names_what_is_missing_and_what_to_look_at(state, sentence):
    assert sentence in unconfirmed(7, 8, state)


class Asked:
    """Requests to hold that wait, and their answers."""

    def __init__(self):
        self.clock = FakeClock()
        self.why_not = "it moves"
        self.answers = []
        self.pending = PendingHolds(lambda: self.why_not, self.clock)


def test_the_answer_comes_with_the_confirmation_and_not_before():
    asked = Asked()
    asked.pending.add(asked.answers.append)
    asked.clock.advance(LONGEST_S / 2)
    asked.pending.look()
    assert asked.answers == []
    asked.why_not = ""
    asked.pending.look()
    asked.pending.look()
    (answer,) = asked.answers
    assert (answer.success, answer.message) == (True, "holding")


def test_what_is_confirmed_already_is_answered_at_once():
    asked = Asked()
    asked.why_not = ""
    asked.pending.add(asked.answers.append)
    assert [answer.success for answer in asked.answers] == [True]


@pytest.mark.parametrize("why_not", ["it moves", None])
def test_a_request_is_refused_after_a_bounded_time_with_the_reason(why_not):
    asked = Asked()
    asked.why_not = why_not
    asked.pending.add(asked.answers.append)
    asked.clock.advance(LONGEST_S)
    asked.pending.look()
    (answer,) = asked.answers
    assert not answer.success
    assert (
        answer.message
        == f"a hold was commanded, but {why_not or 'the controller failed: see its log'}"
    )


def test_of_several_requests_each_has_its_own_time():
    asked = Asked()
    asked.pending.add(asked.answers.append)
    asked.clock.advance(LONGEST_S / 2)
    asked.pending.add(asked.answers.append)
    asked.clock.advance(LONGEST_S / 2)
    asked.pending.look()
    assert len(asked.answers) == 1
    asked.why_not = ""
    asked.pending.look()
    assert [answer.success for answer in asked.answers] == [False, True]


def in_motion():
    scene = HardwareScene()
    scene.core.resume()
    scene.offer(execute_steps=8)
    scene.run(0.3)
    return scene


def test_on_hardware_a_hold_is_confirmed_by_the_state_that_says_so():
    scene = in_motion()
    scene.core.hold()
    assert scene.core.unconfirmed_hold()
    scene.tick(arm_answers=False)
    assert "has not taken the hold" in scene.core.unconfirmed_hold()
    scene.see()
    assert scene.core.unconfirmed_hold() == ""


def test_a_driver_that_brakes_still_does_not_confirm():
    scene = in_motion()
    scene.core.hold()
    scene.tick(arm_answers=False)
    scene.see(holding=False)
    assert "still moves" in scene.core.unconfirmed_hold()
    scene.see()
    assert scene.core.unconfirmed_hold() == ""


def test_a_driver_that_takes_nothing_does_not_confirm_though_its_states_go_on():
    scene = in_motion()
    scene.obeys = False
    scene.core.hold()
    scene.run(1.0)
    assert "has not taken the hold" in scene.core.unconfirmed_hold()


def test_a_hold_that_never_reached_the_driver_is_commanded_again_until_it_does():
    scene = HardwareScene()
    scene.obeys = False
    scene.core.hold()
    lost = holds(scene.run(1.0))
    assert 5 <= len(lost) <= 12, "again and again, and not with every tick"
    scene.obeys = True
    scene.run(0.2)
    assert scene.core.unconfirmed_hold() == ""
    assert holds(scene.run(1.0)) == [], "one that was taken is enough"


def test_a_hold_is_not_commanded_again_once_the_policy_drives():
    scene = HardwareScene()
    scene.obeys = False
    scene.core.hold()
    scene.tick()
    scene.core.resume()
    scene.offer(execute_steps=8)
    scene.tick()
    assert holds(scene.run(0.5)) == []


def test_in_lock_step_a_hold_that_was_lost_is_commanded_again():
    scene = LockStepScene()
    scene.core.hold()
    assert len(holds(scene.core.tick())) == 1
    scene.repeat()
    assert holds(scene.core.tick()) == [], "this state may have been on its way"
    scene.repeat()
    (again,) = holds(scene.core.tick())
    scene.taken = again
    scene.repeat()
    assert scene.core.unconfirmed_hold() == ""
    scene.repeat()
    scene.repeat()
    assert holds(scene.core.tick()) == []


def test_the_word_of_a_driver_from_before_this_controller_started_does_not_count():
    scene = HardwareScene()
    scene.obeys = False
    scene.see(last_command_sequence=5000)
    scene.core.hold()
    scene.tick(arm_answers=False)
    scene.see(last_command_sequence=5000)
    assert "who else publishes arm/command" in scene.core.unconfirmed_hold()


def test_a_movement_after_the_hold_takes_the_confirmation_back():
    scene = in_motion()
    scene.core.hold()
    scene.tick()
    assert scene.core.unconfirmed_hold() == ""
    scene.core.resume()
    scene.offer(sequence=2, execute_steps=8)
    scene.run(0.4)
    assert "set moving again" in scene.core.unconfirmed_hold()


def test_in_lock_step_a_hold_waits_for_the_answer_to_the_movement_before_it():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=5)
    (move,) = moves(scene.core.tick())
    scene.core.hold()
    assert of(scene.core.tick(), LimitedCommand) == [], "it would overtake the movement"
    assert "has not answered the last movement" in scene.core.unconfirmed_hold()
    scene.taken = move
    scene.advance(scene.period_s)
    (hold,) = holds(scene.core.tick())
    assert "has not taken the hold" in scene.core.unconfirmed_hold()
    scene.taken = hold
    scene.repeat()
    assert scene.core.unconfirmed_hold() == "", "though the simulated clock stands still"


def test_in_lock_step_a_movement_that_was_lost_does_not_keep_the_hold_back_for_ever():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=5)
    assert len(moves(scene.core.tick())) == 1
    scene.core.hold()
    scene.repeat()
    assert of(scene.core.tick(), LimitedCommand) == [], "this one may have been on its way"
    scene.repeat()
    (hold,) = holds(scene.core.tick())
    scene.taken = hold
    scene.repeat()
    assert scene.core.unconfirmed_hold() == ""
    scene.core.resume()
    scene.offer(sequence=2, execute_steps=1)
    assert len(moves(scene.settle())) == 1, "and the world continues from there"


OPERATIONS = st.sampled_from(
    ["hold", "resume", "estop", "clear", "chunk", "tick", "silent tick", "deaf tick", "brakes"]
)


@given(operations=st.lists(OPERATIONS, max_size=40))
def test_whatever_happens_no_hold_is_confirmed_while_the_driver_may_move_the_arm(operations):
    """The oracle is the log of what was sent, and what the driver said last."""
    scene = HardwareScene()
    chunk, said = 0, (0, True)
    for operation in operations:
        if operation == "chunk":
            chunk += 1
            scene.offer(sequence=chunk, execute_steps=8)
        elif operation.endswith("tick"):
            scene.obeys = operation != "deaf tick"
            scene.tick(arm_answers=operation == "tick")
        elif operation == "brakes":
            scene.see(holding=False)
        elif operation == "clear":
            scene.core.clear_estop("Ada")
        else:
            getattr(scene.core, operation)()
        if operation in ("tick", "brakes"):
            taken = scene.taken
            said = (taken.sequence, taken.mode is CommandMode.HOLD) if taken else (0, True)
            said = (said[0], said[1] and operation != "brakes")
        if scene.core.unconfirmed_hold() == "":
            number, holding = said
            unknown = [c for c in of(scene.log, LimitedCommand) if c.sequence >= number]
            assert holding and number > 0
            assert {command.mode for command in unknown} == {CommandMode.HOLD}
