import dataclasses

import pytest

from tmrl_common.errors import (
    ClientBusyError,
    DeadlineExceededError,
    DecodeError,
    ErrorCode,
    HandshakeRefusedError,
    RequestError,
)
from tmrl_common.messages import ErrorReply, Hello, Ping, PolicyExpectation, Pong, Swapped, Welcome
from tmrl_common.protocol import ClientProtocol, ClientSettings, ClientState
from tmrl_common.testing.message_examples import EXAMPLE_SPEC, EXAMPLES

WELCOME = Welcome("server", "epoch-1", EXAMPLE_SPEC, 0)
ACT, CHUNK = EXAMPLES["act"], EXAMPLES["chunk"]


def new_protocol(**settings):
    hello = Hello("agent", "widowx", PolicyExpectation(action_dim=7))
    return ClientProtocol(hello, ClientSettings(**settings), now_s=0.0)


def sent(protocol, now_s=0.0):
    """Lets everything that is due go out."""
    out = []
    while (item := protocol.next_to_send(now_s)) is not None:
        protocol.mark_sent(item[0])
        out.append(item)
    return out


def ready_protocol(**settings):
    protocol = new_protocol(**settings)
    ((hello_id, _),) = sent(protocol)
    protocol.receive(hello_id, WELCOME, 0.0)
    return protocol


def outcome(protocol):
    ((_, result),) = protocol.take_results()
    return result


def test_nothing_but_hello_goes_out_before_the_welcome():
    protocol = new_protocol()
    protocol.submit(ACT, 1.0)
    ((hello_id, message),) = sent(protocol)
    assert isinstance(message, Hello)
    protocol.receive(hello_id, WELCOME, 0.1)
    ((_, message),) = sent(protocol, 0.1)
    assert type(message) is type(ACT)


def test_a_request_carries_the_time_that_is_left_when_it_goes_out():
    protocol = ready_protocol()
    protocol.submit(ACT, 1.0)
    ((_, message),) = sent(protocol, 0.4)
    assert message.budget_s == pytest.approx(0.6)


def test_answers_reach_their_requests_in_any_order():
    protocol = ready_protocol()
    first, second = protocol.submit(ACT, 1.0), protocol.submit(ACT, 1.0)
    sent(protocol)
    protocol.receive(second, CHUNK, 0.1)
    protocol.receive(first, ErrorReply(ErrorCode.NO_ACTOR, "none"), 0.2)
    (second_result, first_result) = protocol.take_results()
    assert second_result == (second, CHUNK)
    assert first_result.request_id == first
    assert isinstance(first_result.outcome, RequestError)
    assert first_result.outcome.code is ErrorCode.NO_ACTOR


def test_a_request_ends_at_its_deadline_and_its_late_answer_is_dropped():
    protocol = ready_protocol()
    request = protocol.submit(ACT, 0.5)
    sent(protocol)
    protocol.advance(0.49)
    assert protocol.take_results() == []
    protocol.advance(0.5)
    assert isinstance(outcome(protocol), DeadlineExceededError)
    protocol.receive(request, CHUNK, 0.6)
    assert protocol.take_results() == []
    assert protocol.late_replies == 1


def test_the_deadline_says_when_the_server_was_never_reached():
    protocol = new_protocol()
    protocol.submit(ACT, 0.5)
    protocol.advance(0.5)
    assert "never reached" in outcome(protocol).detail


def test_while_the_server_loads_requests_wait_and_the_deadline_says_how_far_it_is():
    protocol = new_protocol(heartbeat_s=1.0)
    protocol.submit(ACT, 1.5)
    ((hello_id, _),) = sent(protocol)
    protocol.receive(hello_id, ErrorReply(ErrorCode.LOADING, "loading 42 %"), 0.1)
    assert sent(protocol, 0.2) == [], "no flood of greetings"
    assert protocol.next_event_s() == pytest.approx(1.1)
    protocol.advance(1.1)
    ((again_id, message),) = sent(protocol, 1.1)
    assert isinstance(message, Hello)
    assert again_id != hello_id
    protocol.receive(again_id, ErrorReply(ErrorCode.LOADING, "loading 80 %"), 1.2)
    protocol.advance(1.5)
    late = outcome(protocol)
    assert isinstance(late, DeadlineExceededError)
    assert "loading 80 %" in late.detail
    assert not protocol.take_reconnect()


def test_once_the_server_has_loaded_what_waits_is_sent():
    protocol = new_protocol(heartbeat_s=1.0)
    protocol.submit(ACT, 9.0)
    ((hello_id, _),) = sent(protocol)
    protocol.receive(hello_id, ErrorReply(ErrorCode.LOADING, "loading 42 %"), 0.1)
    protocol.advance(1.1)
    ((again_id, _),) = sent(protocol, 1.1)
    protocol.receive(again_id, WELCOME, 1.2)
    ((_, message),) = sent(protocol, 1.2)
    assert type(message) is type(ACT)


def test_a_server_that_dies_while_it_loads_counts_as_lost():
    protocol = new_protocol(heartbeat_s=1.0, lost_after_s=3.0)
    protocol.submit(ACT, 9.0)
    ((hello_id, _),) = sent(protocol)
    protocol.receive(hello_id, ErrorReply(ErrorCode.LOADING, "loading 42 %"), 0.1)
    protocol.advance(1.1)
    sent(protocol, 1.1)
    protocol.advance(4.2)
    assert protocol.take_reconnect()
    protocol.advance(9.0)
    assert "never reached" in outcome(protocol).detail


@pytest.mark.parametrize("asked", ["request", "ping"])
def test_a_server_that_restarted_and_loads_is_greeted_again(asked):
    protocol = ready_protocol(heartbeat_s=1.0)
    if asked == "request":
        protocol.submit(ACT, 9.0)
    protocol.advance(1.0)
    ((asked_id, _), *_) = sent(protocol, 1.0)
    protocol.receive(asked_id, ErrorReply(ErrorCode.LOADING, "loading 42 %"), 1.1)
    ((_, message),) = sent(protocol, 1.1)
    assert isinstance(message, Hello)
    assert protocol.take_results() == []


def test_an_answer_of_the_wrong_kind_is_an_error():
    protocol = ready_protocol()
    request = protocol.submit(ACT, 1.0)
    sent(protocol)
    protocol.receive(request, Swapped(1), 0.1)
    assert outcome(protocol).code is ErrorCode.MALFORMED


def test_an_answer_that_cannot_be_read_ends_its_request():
    protocol = ready_protocol()
    request = protocol.submit(ACT, 1.0)
    sent(protocol)
    error = DecodeError(ErrorCode.MALFORMED, "array 'actions' is missing", request)
    protocol.receive_undecodable(error, 0.1)
    assert outcome(protocol) is error


def test_a_refused_handshake_ends_every_request_with_the_difference():
    protocol = new_protocol()
    protocol.submit(ACT, 9.0)
    ((hello_id, _),) = sent(protocol)
    protocol.receive(hello_id, ErrorReply(ErrorCode.SPEC_MISMATCH, "action_dim: expected 7"), 0.1)
    assert protocol.state is ClientState.REFUSED
    refused = outcome(protocol)
    assert isinstance(refused, HandshakeRefusedError)
    assert "action_dim" in refused.detail
    protocol.submit(ACT, 9.0)
    protocol.advance(0.2)
    assert isinstance(outcome(protocol), HandshakeRefusedError)


def test_another_protocol_version_is_a_refused_handshake():
    protocol = new_protocol()
    protocol.submit(ACT, 9.0)
    sent(protocol)
    error = DecodeError(ErrorCode.UNSUPPORTED_VERSION, "the peer speaks version 2", 1)
    protocol.receive_undecodable(error, 0.1)
    assert isinstance(outcome(protocol), HandshakeRefusedError)


def test_after_a_refusal_it_greets_again_and_works_once_the_server_fits():
    protocol = new_protocol()
    ((hello_id, _),) = sent(protocol)
    protocol.receive(hello_id, ErrorReply(ErrorCode.SPEC_MISMATCH, "horizon"), 0.1)
    assert sent(protocol, 0.2) == []
    protocol.advance(3.2)
    ((hello_id, message),) = sent(protocol, 3.2)
    assert isinstance(message, Hello)
    protocol.receive(hello_id, WELCOME, 3.3)
    assert protocol.state is ClientState.READY


def test_a_quiet_server_is_pinged_and_an_answer_keeps_it():
    protocol = ready_protocol()
    protocol.advance(1.0)
    ((ping_id, message),) = sent(protocol, 1.0)
    assert isinstance(message, Ping)
    protocol.advance(2.0)
    assert sent(protocol, 2.0) == []
    protocol.receive(ping_id, Pong("epoch-1", 0, 1.0, 0, 0), 2.1)
    protocol.advance(3.05)
    assert protocol.state is ClientState.READY
    assert not protocol.take_reconnect()
    assert protocol.late_replies == 0


def test_a_silent_server_is_greeted_anew_on_a_fresh_connection():
    protocol = ready_protocol()
    protocol.submit(ACT, 9.0)
    sent(protocol)
    protocol.advance(3.0)
    assert protocol.take_reconnect()
    assert not protocol.take_reconnect()
    ((hello_id, message),) = sent(protocol, 3.0)
    assert isinstance(message, Hello)
    protocol.receive(hello_id, WELCOME, 3.1)
    ((_, message),) = sent(protocol, 3.1)
    assert type(message) is type(ACT), "the request that is still in time goes out again"


@pytest.mark.parametrize("noticed_by", ["request", "ping"])
def test_a_restarted_server_is_greeted_anew(noticed_by):
    protocol = ready_protocol()
    if noticed_by == "request":
        request = protocol.submit(ACT, 9.0)
        sent(protocol)
        protocol.receive(request, ErrorReply(ErrorCode.NO_HANDSHAKE, "hello first"), 0.1)
    else:
        protocol.advance(1.0)
        ((ping_id, _),) = sent(protocol, 1.0)
        protocol.receive(ping_id, Pong("epoch-2", 0, 1.0, 0, 0), 1.1)
    ((_, message),) = sent(protocol, 1.2)
    assert isinstance(message, Hello)


def test_the_policy_of_the_first_welcome_is_demanded_from_then_on():
    protocol = ready_protocol()
    protocol.advance(3.0)
    ((_, hello),) = sent(protocol, 3.0)
    assert hello.expected == PolicyExpectation.exactly(EXAMPLE_SPEC)


def test_requests_under_way_are_bounded():
    protocol = ready_protocol(max_pending=2)
    protocol.submit(ACT, 1.0)
    protocol.submit(ACT, 1.0)
    with pytest.raises(ClientBusyError, match="2 requests"):
        protocol.submit(ACT, 1.0)
    protocol.advance(1.0)
    protocol.submit(ACT, 2.0)


def test_it_tells_when_it_has_to_be_asked_again():
    protocol = ready_protocol()
    assert protocol.next_event_s() == pytest.approx(1.0)
    protocol.submit(ACT, 0.3)
    assert protocol.next_event_s() == pytest.approx(0.3)


def test_heartbeats_have_to_be_more_frequent_than_losses():
    with pytest.raises(ValueError, match="heartbeat_s is 3"):
        ClientSettings(heartbeat_s=3.0, lost_after_s=3.0)


def test_expectations_cover_every_field_of_the_specification():
    assert dataclasses.asdict(PolicyExpectation.exactly(EXAMPLE_SPEC)) == dataclasses.asdict(
        EXAMPLE_SPEC
    )
