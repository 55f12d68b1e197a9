"""The desk between a journal and a learner that cannot reach each other."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.desk_messages import Offer, Parcel, Report, Wanted
from tmrl_common.errors import ErrorCode
from tmrl_common.messages import ErrorReply, Hello, PolicyExpectation
from tmrl_common.parcels import ParcelError, pack, unpack
from tmrl_common.protocol import ServerIdentity, ServerProtocol, ServerSettings
from tmrl_common.protocol.desk import DeskError, LearnerDesk
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.testing.transition_examples import example_transition
from tmrl_common.transition_cells import hash_of

NOTHING = np.zeros(0, np.uint8)


def content(text):
    return np.frombuffer(text.encode(), np.uint8)


def offer(first=0, rows="", announced=9, sender="robot", **changes):
    made = Offer("widowx", "run", sender, announced, first, announced, content(rows))
    return dataclasses.replace(made, **changes)


def report(first=0, told="", sender="learner", **changes):
    made = Report("widowx", "run", sender, first, content(told))
    return dataclasses.replace(made, **changes)


def test_what_the_learner_wants_reaches_the_robot_and_the_answer_the_learner():
    desk = LearnerDesk()
    assert desk.take(report(4, "learning"), 0.0).first == 0
    wanted = desk.take(offer(), 1.0)
    assert (wanted.first, bytes(wanted.report), wanted.age_s) == (4, b"learning", 1.0)
    assert desk.take(offer(4, "rows"), 1.1).first == 0, "it is answered"
    parcel = desk.take(report(4), 1.2)
    assert (parcel.announced, parcel.first, bytes(parcel.rows)) == (9, 4, b"rows")


def test_an_answer_that_got_lost_is_given_again_and_forgotten_once_something_else_is_wanted():
    desk = LearnerDesk()
    desk.take(report(4), 0.0)
    desk.take(offer(4, "rows"), 0.1)
    assert [desk.take(report(4), 0.2).first for _ in range(2)] == [4, 4]
    assert desk.take(report(5), 0.3).first == 0
    assert desk.take(offer(), 0.4).first == 5


def test_an_answer_to_what_is_not_wanted_any_more_is_dropped():
    desk = LearnerDesk()
    desk.take(report(7), 0.0)
    assert desk.take(offer(4, "old"), 0.1).first == 7
    assert desk.take(report(7), 0.2).first == 0


def test_a_desk_that_forgot_everything_is_told_again():
    desk = LearnerDesk()
    assert desk.take(offer(), 0.0).first == 0
    assert desk.take(report(4), 0.1).announced == 9
    assert desk.take(offer(), 0.2).first == 4


@pytest.mark.parametrize(("message", "what"), [(offer, "robot"), (report, "learner")])
def test_two_of_one_kind_are_told_apart_until_one_falls_silent(message, what):
    desk = LearnerDesk()
    desk.take(message(sender="one"), 0.0)
    with pytest.raises(DeskError, match=rf"another {what} of widowx/run spoke 1\.0 s ago: stop"):
        desk.take(message(sender="two"), 1.0)
    desk.take(message(sender="two"), 6.0)
    with pytest.raises(DeskError):
        desk.take(message(sender="one"), 6.5)
    desk.take(message(sender="one", robot="franka"), 6.5)


def test_a_negative_number_is_refused():
    with pytest.raises(DeskError, match="first is -1"):
        LearnerDesk().take(report(-1), 0.0)


def test_what_is_remembered_is_bounded():
    desk = LearnerDesk()
    for number in range(100):
        desk.take(report(1, session=f"run {number}"), 0.0)
    assert desk.take(offer(session="run 99"), 0.1).first == 1
    assert desk.take(offer(session="run 0"), 0.1).first == 0


OPERATIONS = st.lists(st.sampled_from(["robot", "learner", "lost", "restart"]), max_size=60)


@given(operations=OPERATIONS)
def test_whatever_gets_lost_the_learner_gets_every_row_once_and_in_order(operations):
    """The robot answers what it was asked, the learner asks for the next."""
    desk, journal = LearnerDesk(), list(range(1, 8))
    taken, asked_of_robot = [], 0
    for number, operation in enumerate([*operations, *["robot", "learner"] * 30]):
        now_s = 0.1 * number
        if operation == "restart":
            desk = LearnerDesk()
        elif operation in ("robot", "lost"):
            rows = (
                "".join(str(n) for n in journal[asked_of_robot - 1 :][:2]) if asked_of_robot else ""
            )
            wanted = desk.take(offer(asked_of_robot, rows, announced=7), now_s)
            # An answer of the desk may get lost; the robot then knows of no wish.
            asked_of_robot = wanted.first if operation == "robot" else 0
        else:
            first = len(taken) + 1 if len(taken) < 7 else 0
            parcel = desk.take(report(first), now_s)
            if parcel.first and parcel.first == first:
                taken += [int(digit) for digit in bytes(parcel.rows).decode()]
    assert taken == journal


def protocol():
    made = ServerProtocol(ServerIdentity("s", "e", EXAMPLE_SPEC), ServerSettings(), 0.0)
    for peer in (b"robot", b"learner"):
        made.receive(peer, 1, Hello("x", "widowx", PolicyExpectation()), 0.0)
    made.take_answers()
    return made


def answers(made):
    return [answer.message for answer in made.take_answers()]


def test_the_server_passes_it_on_at_once_beside_its_own_work():
    made = protocol()
    made.receive(b"learner", 2, report(4), 0.0)
    made.receive(b"robot", 2, offer(), 0.0)
    first, second = answers(made)
    assert isinstance(first, Parcel)
    assert isinstance(second, Wanted)
    assert second.first == 4
    assert made.waiting == ()


def test_who_did_not_greet_and_who_comes_second_is_refused():
    made = protocol()
    made.receive(b"stranger", 1, offer(), 0.0)
    made.receive(b"robot", 2, offer(), 0.0)
    made.receive(b"learner", 2, offer(sender="another"), 0.1)
    stranger, _, second = answers(made)
    assert isinstance(stranger, ErrorReply)
    assert stranger.code is ErrorCode.NO_HANDSHAKE
    assert isinstance(second, ErrorReply)
    assert "another robot of widowx/run" in second.message


def test_transitions_travel_to_the_bit():
    sent = [example_transition(number) for number in (1, 2, 3)]
    got = list(unpack(pack(sent)))
    assert [(number, problem) for number, _, problem in got] == [(1, ""), (2, ""), (3, "")]
    assert [hash_of(t) for _, t, _ in got] == [hash_of(t) for t in sent]
    assert list(unpack(pack([]))) == []


def test_a_parcel_has_as_many_as_fit_and_one_in_any_case():
    sent = [example_transition(number) for number in range(1, 20)]
    one = pack(sent[:1]).size
    assert [number for number, _, _ in unpack(pack(sent, most_bytes=9 * one // 2))] == [1, 2, 3, 4]
    assert [number for number, _, _ in unpack(pack(sent, most_bytes=1))] == [1]


@given(data=st.data())
def test_damage_is_said_and_never_taken_for_a_transition(data):
    sent = example_transition(5)
    raw = bytearray(pack([sent]).tobytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        rows = list(unpack(np.frombuffer(bytes(raw), np.uint8)))
    except ParcelError:
        return
    for number, transition, problem in rows:
        assert (
            transition is None
            or (number, hash_of(transition)) == (5, hash_of(sent))
            or (number != 5 and hash_of(transition) == hash_of(sent))
        ), "a number outside of the row may differ: the ingestion compares it"
        assert transition is not None or problem
