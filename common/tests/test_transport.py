"""The shells on real sockets, against the fake server."""

import dataclasses
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zmq

from tmrl_common.codec import decode, encode
from tmrl_common.errors import (
    ClientClosedError,
    DeadlineExceededError,
    EncodeError,
    ErrorCode,
    HandshakeRefusedError,
    LocalError,
    RequestError,
    TransportError,
)
from tmrl_common.messages import Ping, PolicyExpectation, Pong
from tmrl_common.protocol import ClientSettings
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC, EXAMPLES
from tmrl_common.transport import PolicyClient, RouterSocket
from tmrl_common.types import Observation, SteeringLimits, SteeringSource

OBSERVATION = EXAMPLES["act"].observation
LIMITS = SteeringLimits(sigma_cap=1.0, z_cap=2.0, epsilon_cap=2.0)
PATIENCE_S = 60.0


def client_of(endpoint, **arguments):
    return PolicyClient(endpoint, client="test", robot="widowx", **arguments)


@pytest.fixture
def server():
    with FakePolicyServer(EXAMPLE_SPEC) as fake:
        yield fake


@pytest.fixture
def client(server):
    with client_of(server.endpoint) as connected:
        yield connected


def test_a_chunk_comes_back_with_what_was_asked_for(server, client):
    reply = client.act(OBSERVATION, LIMITS, SteeringSource.UNIFORM, deadline_s=PATIENCE_S, seed=5)
    assert reply.actions.shape == (EXAMPLE_SPEC.horizon, EXAMPLE_SPEC.action_dim)
    assert reply.seed == 5
    (received,) = server.requests
    np.testing.assert_array_equal(received.observation.proprio, OBSERVATION.proprio)
    np.testing.assert_array_equal(received.observation.images["front"], OBSERVATION.images["front"])
    assert 0.0 < received.budget_s <= PATIENCE_S


def test_chunks_without_a_seed_get_different_ones(client):
    seeds = {
        client.act(OBSERVATION, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S).seed
        for _ in range(5)
    }
    assert len(seeds) == 5


def test_explicit_steering_travels(server, client):
    steering = EXAMPLES["act"].explicit
    reply = client.act(OBSERVATION, LIMITS, steering, deadline_s=PATIENCE_S)
    np.testing.assert_array_equal(reply.steering.z, steering.z)
    assert reply.steering.sigma == steering.sigma


def test_weights_features_and_health(server, client):
    swap = EXAMPLES["swap"]
    assert client.swap(3, swap.actor, b"weights", deadline_s=PATIENCE_S) == 3
    assert server.requests[0].weights.tobytes() == b"weights"
    assert client.encode(OBSERVATION, deadline_s=PATIENCE_S).shape == (9,)
    assert client.ping(deadline_s=PATIENCE_S).actor_version == 3


def test_an_error_of_the_server_is_raised_with_its_code(server, client):
    server.fail_with = RequestError(ErrorCode.NO_ACTOR, "there is none")
    with pytest.raises(RequestError, match="there is none") as caught:
        client.act(OBSERVATION, LIMITS, SteeringSource.ACTOR, deadline_s=PATIENCE_S)
    assert caught.value.code is ErrorCode.NO_ACTOR


def test_a_mismatch_is_refused_by_name(server):
    expected = PolicyExpectation(action_space="droid_joint_velocity_8", horizon=10)
    with (
        client_of(server.endpoint, expected=expected) as client,
        pytest.raises(HandshakeRefusedError) as caught,
    ):
        client.connect(deadline_s=PATIENCE_S)
    assert "action_space: expected droid_joint_velocity_8" in caught.value.detail
    assert "horizon: expected 10" in caught.value.detail


def test_without_a_server_calls_end_at_their_deadline():
    with client_of("tcp://127.0.0.1:9") as client:
        started_s = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="never reached"):
            client.act(OBSERVATION, LIMITS, SteeringSource.BASE, deadline_s=0.2)
        assert time.monotonic() - started_s >= 0.2
        assert not client.connected


def test_a_server_that_comes_back_serves_again():
    settings = ClientSettings(heartbeat_s=0.1, lost_after_s=0.3)
    with FakePolicyServer(EXAMPLE_SPEC) as first:
        endpoint = first.endpoint
        client = client_of(endpoint, settings=settings)
        first_epoch = client.connect(deadline_s=PATIENCE_S).epoch
    with client:
        with pytest.raises(DeadlineExceededError):
            client.act(OBSERVATION, LIMITS, SteeringSource.BASE, deadline_s=0.5)
        assert not client.connected
        with FakePolicyServer(EXAMPLE_SPEC, endpoint):
            client.act(OBSERVATION, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
            assert client.welcome.epoch != first_epoch


def test_a_server_that_comes_back_with_another_policy_is_refused():
    with FakePolicyServer(EXAMPLE_SPEC) as first:
        endpoint = first.endpoint
        client = client_of(endpoint)
        client.connect(deadline_s=PATIENCE_S)
    other = dataclasses.replace(EXAMPLE_SPEC, policy_version="another")
    with (
        client,
        FakePolicyServer(other, endpoint),
        pytest.raises(HandshakeRefusedError, match="policy_version"),
    ):
        client.act(OBSERVATION, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)


def test_calls_from_several_threads_get_their_own_answers(client):
    with ThreadPoolExecutor(2) as threads:
        pings = [threads.submit(client.ping, deadline_s=PATIENCE_S) for _ in range(20)]
        features = client.encode(OBSERVATION, deadline_s=PATIENCE_S)
    assert features.shape == (9,)
    assert all(isinstance(ping.result(), Pong) for ping in pings)


def test_what_cannot_be_encoded_is_raised_where_it_was_asked(client):
    wrong = Observation(np.zeros(5), np.zeros(4, np.float32))
    with pytest.raises(EncodeError, match="observation/proprio"):
        client.act(wrong, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
    assert client.ping(deadline_s=PATIENCE_S)


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_call_needs_a_deadline_that_will_come(client, deadline_s):
    with pytest.raises(LocalError, match="deadline_s is"):
        client.ping(deadline_s=deadline_s)


def test_a_libzmq_with_known_holes_is_refused(monkeypatch):
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 4))
    with pytest.raises(TransportError, match=r"4\.3\.5 or newer is needed"):
        client_of("tcp://127.0.0.1:9")
    with pytest.raises(TransportError, match=r"4\.3\.5 or newer is needed"):
        RouterSocket("tcp://127.0.0.1:*")


def test_a_closed_client_says_so():
    client = client_of("tcp://127.0.0.1:9")
    failures = []

    def ask():
        try:
            client.ping(deadline_s=PATIENCE_S)
        except ClientClosedError as error:
            failures.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    client.close()
    client.close()
    waiting.join()
    assert len(failures) == 1
    with pytest.raises(ClientClosedError):
        client.ping(deadline_s=PATIENCE_S)


def test_garbage_costs_an_answer_and_nothing_else(server, client):
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        stranger.connect(server.endpoint)
        for frames in ([b""], [b"\xff" * 50], [b"\x81"], [b"a", b"b", b"c"]):
            stranger.send_multipart(frames)
            assert stranger.poll(1000 * PATIENCE_S)
            _, message = decode(stranger.recv_multipart())
            assert message.code is ErrorCode.MALFORMED
        stranger.send_multipart(encode(8, Ping()))
        assert stranger.poll(1000 * PATIENCE_S)
        assert decode(stranger.recv_multipart())[0] == 8
    assert client.ping(deadline_s=PATIENCE_S)


def test_bytes_that_are_not_even_zeromq_do_no_harm(server, client):
    host, port = server.endpoint.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 64)
        assert client.ping(deadline_s=PATIENCE_S)


def test_a_port_in_use_is_named_with_the_remedy(server):
    with pytest.raises(TransportError, match="is in use") as caught:
        RouterSocket(server.endpoint)
    assert server.endpoint in str(caught.value)
    assert "another port" in str(caught.value)


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://127.0.0.1"])
def test_endpoints_that_are_none_are_refused(endpoint):
    with pytest.raises(TransportError, match="cannot"):
        client_of(endpoint)
