import dataclasses

import pytest

from tmrl_common.errors import DecodeError, ErrorCode
from tmrl_common.messages import (
    ErrorReply,
    Hello,
    Ping,
    PolicyExpectation,
    Pong,
    Swapped,
    Welcome,
)
from tmrl_common.protocol import ServerIdentity, ServerProtocol, ServerSettings
from tmrl_common.testing.message_examples import EXAMPLE_SPEC, EXAMPLES

ALICE, BOB = b"alice", b"bob"
ACT = dataclasses.replace(EXAMPLES["act"], budget_s=0.5)


def new_protocol(**settings):
    identity = ServerIdentity("server", "epoch-1", EXAMPLE_SPEC)
    return ServerProtocol(identity, ServerSettings(**settings), now_s=0.0)


def greet(protocol, *peers, **expected):
    for peer in peers:
        protocol.receive(peer, 1, Hello("agent", "widowx", PolicyExpectation(**expected)), 0.0)
    return [answer.message for answer in protocol.take_answers()]


def test_a_client_that_fits_is_welcomed():
    (welcome,) = greet(new_protocol(), ALICE, action_dim=7, action_space="bridge_delta_ee_7")
    assert isinstance(welcome, Welcome)
    assert welcome.spec == EXAMPLE_SPEC


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("action_space", "droid_joint_velocity_8"),
        ("action_dim", 8),
        ("horizon", 10),
        ("proprio_dim", 7),
        ("context_dim", 0),
        ("cameras", ("front",)),
        ("z_dim", 32),
        ("epsilon_dim", 2048),
        ("features_dim", 775),
        ("policy_version", "another"),
        ("statistics_hash", "another"),
    ],
)
def test_every_difference_is_refused_by_name_with_both_values(field, wanted):
    protocol = new_protocol()
    (refused,) = greet(protocol, ALICE, **{field: wanted})
    assert refused.code is ErrorCode.SPEC_MISMATCH
    assert refused.message == f"{field}: expected {wanted}, served {getattr(EXAMPLE_SPEC, field)}"
    protocol.receive(ALICE, 2, ACT, 0.0)
    assert protocol.take_work(0.0) == [], "a refused client gets no chunks"


def test_all_differences_are_named_at_once():
    (refused,) = greet(new_protocol(), ALICE, action_dim=8, horizon=10)
    assert "action_dim" in refused.message
    assert "horizon" in refused.message


def test_work_needs_a_handshake_and_health_does_not():
    protocol = new_protocol()
    protocol.receive(ALICE, 2, ACT, 0.0)
    protocol.receive(ALICE, 3, Ping(), 5.0)
    refused, pong = (answer.message for answer in protocol.take_answers())
    assert refused.code is ErrorCode.NO_HANDSHAKE
    assert pong == Pong("epoch-1", 0, 5.0, 0, 1)
    assert protocol.take_work(0.0) == []


def test_the_newest_observation_of_a_client_wins():
    protocol = new_protocol()
    greet(protocol, ALICE, BOB)
    for request_id in (2, 3):
        protocol.receive(ALICE, request_id, ACT, 0.0)
    protocol.receive(BOB, 2, ACT, 0.0)
    (superseded,) = protocol.take_answers()
    assert (superseded.peer, superseded.request_id) == (ALICE, 2)
    assert superseded.message.code is ErrorCode.SUPERSEDED
    assert [(work.peer, work.request_id) for work in protocol.take_work(0.1)] == [
        (ALICE, 3),
        (BOB, 2),
    ]
    assert protocol.take_work(0.1) == []


def test_an_encode_does_not_take_the_place_of_an_act():
    protocol = new_protocol()
    greet(protocol, ALICE)
    protocol.receive(ALICE, 2, ACT, 0.0)
    protocol.receive(ALICE, 3, EXAMPLES["encode"], 0.0)
    assert {work.request_id for work in protocol.take_work(0.1)} == {2, 3}


def test_swaps_come_before_the_chunks_that_shall_use_them():
    protocol = new_protocol()
    greet(protocol, ALICE, BOB)
    protocol.receive(ALICE, 2, ACT, 0.0)
    protocol.receive(BOB, 2, EXAMPLES["swap"], 0.0)
    assert [work.peer for work in protocol.take_work(0.0)] == [BOB, ALICE]


def test_expired_work_is_answered_instead_of_done():
    protocol = new_protocol()
    greet(protocol, ALICE)
    protocol.receive(ALICE, 2, ACT, 1.0)
    assert protocol.take_work(1.5) == []
    (expired,) = protocol.take_answers()
    assert expired.message.code is ErrorCode.DEADLINE_EXPIRED


@pytest.mark.parametrize("budget_s", [-1.0, 0.0, float("nan")])
def test_a_request_without_time_left_is_not_done(budget_s):
    protocol = new_protocol()
    greet(protocol, ALICE)
    protocol.receive(ALICE, 2, dataclasses.replace(ACT, budget_s=budget_s), 0.0)
    assert protocol.take_work(0.0) == []


def test_answers_are_no_requests():
    protocol = new_protocol()
    protocol.receive(ALICE, 2, Swapped(1), 0.0)
    (answer,) = protocol.take_answers()
    assert answer.message.code is ErrorCode.UNKNOWN_KIND


def test_broken_messages_are_answered_and_logged_once(caplog):
    protocol = new_protocol()
    for _ in range(5):
        protocol.receive_undecodable(ALICE, DecodeError(ErrorCode.MALFORMED, "bad", 9))
    answers = protocol.take_answers()
    assert all(answer.message == ErrorReply(ErrorCode.MALFORMED, "bad") for answer in answers)
    assert [answer.request_id for answer in answers] == [9] * 5
    assert len(caplog.records) == 1


def test_the_client_that_was_quiet_longest_is_forgotten_first():
    protocol = new_protocol(max_clients=2)
    greet(protocol, b"1", b"2")
    protocol.receive(b"1", 2, ACT, 0.0)
    greet(protocol, b"3")
    protocol.receive(b"1", 3, ACT, 0.0)
    protocol.receive(b"2", 3, ACT, 0.0)
    refused = [a.peer for a in protocol.take_answers() if a.message.code is ErrorCode.NO_HANDSHAKE]
    assert refused == [b"2"]


def test_a_batch_takes_the_oldest_chunks_and_leaves_the_others_waiting():
    protocol = new_protocol()
    greet(protocol, ALICE, BOB)
    protocol.receive(BOB, 2, ACT, 0.0)
    protocol.receive(ALICE, 2, ACT, 0.1)
    protocol.receive(ALICE, 3, EXAMPLES["encode"], 0.1)
    first = protocol.take_work(0.2, most_acts=1)
    assert [(work.peer, work.request_id) for work in first] == [(ALICE, 3), (BOB, 2)]
    assert [work.peer for work in protocol.waiting] == [ALICE]
    (second,) = protocol.take_work(0.3, most_acts=1)
    assert second.peer == ALICE


def test_what_expires_while_a_batch_is_full_is_answered_too():
    protocol = new_protocol()
    greet(protocol, ALICE, BOB)
    protocol.receive(ALICE, 2, dataclasses.replace(ACT, budget_s=10.0), 0.0)
    protocol.receive(BOB, 2, ACT, 0.0)
    (work,) = protocol.take_work(1.0, most_acts=1)
    assert work.peer == ALICE
    (expired,) = protocol.take_answers()
    assert (expired.peer, expired.message.code) == (BOB, ErrorCode.DEADLINE_EXPIRED)


def test_health_tells_for_how_long_the_work_under_way_has_been_running():
    protocol = new_protocol()
    protocol.busy_since_s = 3.0
    protocol.receive(ALICE, 3, Ping(), 5.0)
    protocol.busy_since_s = None
    protocol.receive(ALICE, 4, Ping(), 6.0)
    busy, idle = (answer.message for answer in protocol.take_answers())
    assert (busy.busy_s, idle.busy_s) == (2.0, 0.0)
