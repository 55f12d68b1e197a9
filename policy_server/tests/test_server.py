"""The whole server on a real socket, in a thread of the test."""

import dataclasses
import threading

import msgpack
import numpy as np
import pytest
import zmq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tmrl_common.clock import SteadyClock
from tmrl_common.codec import decode, encode
from tmrl_common.errors import ErrorCode, HandshakeRefusedError, RequestError
from tmrl_common.framing import PROTOCOL_VERSION
from tmrl_common.messages import Act, Hello, PolicyExpectation
from tmrl_common.transport import PolicyClient, RouterSocket
from tmrl_common.types import SteeringLimits, SteeringSource
from tmrl_policy_server.config import ServerLimits
from tmrl_policy_server.engine import Engine
from tmrl_policy_server.inference import InlineInference
from tmrl_policy_server.server import PolicyServer

LIMITS = SteeringLimits(sigma_cap=0.7, z_cap=1.5, epsilon_cap=2.0)
PATIENCE_S = 120.0


class RunningServer:
    """A server in a thread."""

    def __init__(self, engine):
        self.engine = engine
        self._stop = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._bound.wait(PATIENCE_S)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        with RouterSocket("tcp://127.0.0.1:*") as socket:
            self.endpoint = socket.endpoint
            self.engine.warm_up()
            inference = InlineInference(self.engine, SteadyClock())
            server = PolicyServer(inference, socket, ServerLimits(max_clients=8))
            self._bound.set()
            server.run(self._stop.is_set)


@pytest.fixture
def server(make_engine):
    with RunningServer(make_engine()) as running:
        yield running


@pytest.fixture
def connect(server):
    clients = []

    def make(name="test", **arguments):
        clients.append(PolicyClient(server.endpoint, client=name, robot="arm", **arguments))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_chunk_comes_with_everything_needed_to_judge_it(server, connect, observation):
    reply = connect().act(
        observation, LIMITS, SteeringSource.UNIFORM, deadline_s=PATIENCE_S, seed=3
    )
    assert reply.actions.shape == (8, 7)
    assert reply.steering.sigma <= 0.7
    assert np.abs(reply.steering.z).max() <= 1.5
    assert reply.policy_version == "version-1"
    assert (reply.actor_version, reply.seed) == (0, 3)
    timings = reply.timings
    parts = timings.wait_s + timings.encode_s + timings.steer_s + timings.sample_s
    assert 0.0 < parts <= timings.total_s


def test_over_the_wire_and_in_process_give_the_same_chunk(
    server, connect, make_engine, observation
):
    remote = connect().act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S, seed=9)
    local = make_engine().act(observation, LIMITS, SteeringSource.BASE, seed=9)
    np.testing.assert_array_equal(remote.actions, local.actions)
    np.testing.assert_array_equal(remote.features, local.features)


def test_features_are_those_of_the_chunk(connect, observation):
    client = connect()
    reply = client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
    np.testing.assert_array_equal(client.encode(observation, deadline_s=PATIENCE_S), reply.features)


def test_mismatches_are_refused_by_name(connect):
    client = connect(expected=PolicyExpectation(action_dim=8, horizon=10, statistics_hash="x"))
    with pytest.raises(HandshakeRefusedError) as caught:
        client.connect(deadline_s=PATIENCE_S)
    for difference in ("action_dim: expected 8, served 7", "horizon", "statistics_hash"):
        assert difference in caught.value.detail


def test_a_new_actor_steers_the_next_chunk_and_a_bad_one_changes_nothing(
    connect, make_swap, observation
):
    robot, learner = connect("agent"), connect("learner")

    def chunk():
        return robot.act(observation, LIMITS, SteeringSource.ACTOR, deadline_s=PATIENCE_S, seed=1)

    def swap(version, spoil=None, **changes):
        made = make_swap(version, spoil)
        spec = dataclasses.replace(made.actor, **changes)
        return learner.swap(version, spec, made.weights.tobytes(), deadline_s=PATIENCE_S)

    with pytest.raises(RequestError) as caught:
        chunk()
    assert caught.value.code is ErrorCode.NO_ACTOR
    assert swap(1) == 1
    first = chunk()
    assert first.actor_version == 1
    for bad in (
        lambda: swap(2, lambda tensors: next(iter(tensors.values())).fill_(float("nan"))),
        lambda: swap(1 - 1),
        lambda: swap(2, z_bound=-1.0),
    ):
        with pytest.raises(RequestError) as caught:
            bad()
        assert caught.value.code is ErrorCode.ACTOR_REFUSED
        np.testing.assert_array_equal(chunk().actions, first.actions)
    assert swap(2) == 2
    second = chunk()
    assert second.actor_version == 2
    assert not np.array_equal(second.actions, first.actions)
    assert learner.ping(deadline_s=PATIENCE_S).actor_version == 2


def test_half_a_file_of_weights_is_refused(connect, make_swap):
    made = make_swap(1)
    half = made.weights.tobytes()[: made.weights.size // 2]
    with pytest.raises(RequestError, match=r"the actor needs \d+ bytes, \d+ came"):
        connect().swap(1, made.actor, half, deadline_s=PATIENCE_S)


class RawClient:
    """A client without a protocol machine: it sends what the test wants, when it wants it."""

    def __init__(self, endpoint):
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._context.term()

    def send(self, request_id, message):
        self._socket.send_multipart(encode(request_id, message))

    def send_bytes(self, frames):
        self._socket.send_multipart(frames)

    def receive(self):
        assert self._socket.poll(1000 * PATIENCE_S), "the server did not answer"
        return decode(self._socket.recv_multipart())

    def greet(self):
        self.send(1, Hello("raw", "arm", PolicyExpectation()))
        assert self.receive()[0] == 1


def test_the_newest_request_of_a_client_wins_and_robots_do_not_disturb_each_other(
    server, observation
):
    def act(seed):
        return Act(observation, LIMITS, SteeringSource.BASE, None, seed, PATIENCE_S)

    with RawClient(server.endpoint) as first, RawClient(server.endpoint) as second:
        first.greet()
        second.greet()
        for request_id in (2, 3, 4):
            first.send(request_id, act(request_id))
        second.send(2, act(2))
        answers = dict(first.receive() for _ in range(3))
        _, of_second = second.receive()
    # How many were superseded depends on when the server looked; never the newest, nor the other's.
    np.testing.assert_array_equal(of_second.seed, 2)
    assert answers[4].seed == 4
    for request_id in (2, 3):
        answer = answers[request_id]
        code = getattr(answer, "code", None)
        assert code is ErrorCode.SUPERSEDED or answer.seed == request_id


def test_a_request_without_time_left_is_answered_with_its_deadline(server, observation):
    with RawClient(server.endpoint) as client:
        client.greet()
        client.send(2, Act(observation, LIMITS, SteeringSource.BASE, None, 0, 0.0))
        request_id, answer = client.receive()
    assert (request_id, answer.code) == (2, ErrorCode.DEADLINE_EXPIRED)


def test_work_without_a_handshake_is_refused(server, observation):
    with RawClient(server.endpoint) as client:
        client.send(2, Act(observation, LIMITS, SteeringSource.BASE, None, 0, PATIENCE_S))
        assert client.receive()[1].code is ErrorCode.NO_HANDSHAKE


def test_garbage_does_not_end_the_server(server, connect, observation):
    client = connect()
    rng = np.random.default_rng(0)
    with RawClient(server.endpoint) as stranger:
        for length in (0, 1, 7, 64, 5000):
            frames = [rng.bytes(length) for _ in range(3)]
            stranger.send_bytes(frames)
            assert stranger.receive()[1].code in (ErrorCode.MALFORMED, ErrorCode.TOO_LARGE)
        good = encode(2, Act(observation, LIMITS, SteeringSource.BASE, None, 0, PATIENCE_S))
        stranger.send_bytes([bytes(good[0]), b"\0" * 3, *map(bytes, good[2:])])
        request_id, answer = stranger.receive()
        assert (request_id, answer.code) == (2, ErrorCode.MALFORMED)
    client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)


LAYOUTS = st.lists(
    st.tuples(
        st.sampled_from(["features", "observation/proprio", "weights", "x"]),
        st.sampled_from(["<f4", "|u1"]),
        st.lists(st.sampled_from([0, 1, 2**16, 2**30, 2**31, 2**64 - 1]), max_size=4),
    ),
    min_size=1,
    max_size=3,
)


def test_no_description_of_arrays_ends_the_server(server):
    def described(arrays, kind="ping"):
        layout = msgpack.packb((kind, arrays))
        header = {"v": PROTOCOL_VERSION, "id": 2, "layout": layout, "body": {}, "small": b""}
        return [msgpack.packb(header)]

    with RawClient(server.endpoint) as stranger:

        @settings(max_examples=100, deadline=None)
        @example([("x", "<f4", [0, 2**31, 2**31])])
        @given(LAYOUTS)
        def ask(arrays):
            stranger.send_bytes(described(arrays))
            request_id, answer = stranger.receive()
            assert (request_id, answer.code) == (2, ErrorCode.MALFORMED)

        ask()
    with RawClient(server.endpoint) as robot:
        robot.greet()


def test_a_fault_inside_the_engine_costs_one_answer_and_tells_strangers_nothing(
    server, connect, observation, monkeypatch, caplog
):
    def fail(*_):
        raise ZeroDivisionError("a secret of the implementation")

    client = connect()
    monkeypatch.setattr(Engine, "act_batch", fail)
    with pytest.raises(RequestError) as caught:
        client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
    assert caught.value.code is ErrorCode.INTERNAL
    assert "secret" not in caught.value.detail
    assert "a secret of the implementation" in caplog.text
    monkeypatch.undo()
    client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)


def test_an_observation_that_does_not_fit_is_refused_with_the_reason(connect, observation):
    wrong = dataclasses.replace(observation, context=np.zeros(2, np.float32))
    with pytest.raises(RequestError, match=r"context has shape \(2,\); the policy takes \(4,\)"):
        connect().act(wrong, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
