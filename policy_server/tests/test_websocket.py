"""openpi's own client against the real server process with the committed policy."""

import dataclasses
import math
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from openpi_client.action_chunk_broker import ActionChunkBroker
from openpi_client.websocket_client_policy import WebsocketClientPolicy
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_websocket

from tmrl_common.errors import TransportError
from tmrl_common.messages import Hello, Welcome
from tmrl_common.ports import free_port
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.transport import PolicyClient
from tmrl_common.types import Observation, Steering, SteeringLimits, SteeringSource
from tmrl_policy_server.config import ServerConfig
from tmrl_policy_server.local_peers import LocalPeers
from tmrl_policy_server.openpi_dialect import OpenpiDialect
from tmrl_policy_server.websocket_front import WebsocketFront, read_api_keys, reserve

CHECKPOINT = Path(__file__).parents[2] / "policies" / "checkpoints" / "widowx_sim" / "csp"
PATIENCE_S = 60.0
STATE = np.array([0.25, 0.0, 0.15, 0.0, 1.0], dtype=np.float32)
CONTEXT = np.array([0.3, 0.05, 0.3, -0.1], dtype=np.float32)
PLAIN = {"observation/state": STATE, "observation/context": CONTEXT, "prompt": "pick it up"}
SMALL_SPEC = dataclasses.replace(EXAMPLE_SPEC, cameras=())
KEY = "0123456789abcdef0123456789abcdef"


class Served:
    """A server process with both front ends."""

    def __init__(self, server_process):
        self.endpoint, self.port = f"tcp://127.0.0.1:{free_port()}", free_port()
        self._class = server_process
        self.process = None

    def start(self, *arguments):
        doors = ("--bind", self.endpoint, "--websocket-bind", f"127.0.0.1:{self.port}")
        self.process = self._class("--checkpoint", CHECKPOINT, *doors, *arguments)
        self.process.wait_until_ready()
        return self

    def connect(self, api_key=None):
        return WebsocketClientPolicy("127.0.0.1", self.port, api_key=api_key)

    def close(self):
        if self.process is not None:
            self.process.__exit__()


@pytest.fixture
def server(server_process):
    made = Served(server_process)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(server_process):
    """A server for the tests that leave it as it was."""
    made = Served(server_process)
    yield made.start()
    made.close()


@pytest.fixture
def openpi(shared):
    return shared.connect()


def over_zeromq(server, steering, limits, seed):
    with PolicyClient(server.endpoint, client="test", robot="widowx") as client:
        observation = Observation(STATE, CONTEXT, prompt="pick it up")
        return client.act(observation, limits, steering, deadline_s=PATIENCE_S, seed=seed)


def test_the_metadata_tell_what_is_served_and_how_to_steer(openpi):
    metadata = openpi.get_server_metadata()
    assert (metadata["action_space"], metadata["action_dim"]) == ("bridge_delta_ee_7", 7)
    assert metadata["observation"]["state"] == ["observation/state"]
    assert metadata["observation"]["context"] == "observation/context"
    assert "tmrl/sigma" in metadata["tmrl"]["keys"]
    assert metadata["tmrl"]["sigma_cap"] == 1.0


def test_a_plain_request_gets_the_policy_as_it_was_trained(openpi, shared):
    answer = openpi.infer({**PLAIN, "tmrl/seed": 5})
    wide = SteeringLimits(sigma_cap=0.0, z_cap=100.0, epsilon_cap=100.0)
    other = over_zeromq(shared, SteeringSource.BASE, wide, 5)
    np.testing.assert_array_equal(answer["actions"], other.actions)
    assert answer["tmrl/sigma"] == 0.0
    timing = answer["server_timing"]
    assert 0.0 < timing["infer_ms"] <= timing["total_ms"]


def test_steering_that_is_given_is_used(openpi, shared):
    z = np.linspace(-1.0, 1.0, 4, dtype=np.float32)
    epsilon = np.linspace(1.0, -1.0, 4, dtype=np.float32)
    keys = {"tmrl/sigma": 0.5, "tmrl/z": z, "tmrl/epsilon": epsilon}
    answer = openpi.infer({**PLAIN, **keys})
    bounds = SteeringLimits(sigma_cap=1.0, z_cap=2.0, epsilon_cap=2.0)
    steering = Steering(SteeringSource.EXPLICIT, z, 0.5, epsilon)
    other = over_zeromq(shared, steering, bounds, 0)
    np.testing.assert_array_equal(answer["actions"], other.actions)
    np.testing.assert_array_equal(answer["tmrl/z"], z)
    exact = openpi.infer({**PLAIN, **keys, "tmrl/sigma": 0.0})
    assert not np.array_equal(exact["actions"], answer["actions"])


def test_steering_is_capped_as_the_server_was_configured(server):
    openpi = server.start("--websocket-sigma-cap", "0.25", "--websocket-z-cap", "0.5").connect()
    answer = openpi.infer({**PLAIN, "tmrl/sigma": 1.0, "tmrl/z": np.full(4, 3.0)})
    assert answer["tmrl/sigma"] == 0.25
    np.testing.assert_array_equal(answer["tmrl/z"], 0.5)
    answer = openpi.infer({**PLAIN, "tmrl/source": "uniform"})
    assert answer["tmrl/sigma"] <= 0.25


def test_openpis_broker_plays_the_chunk_step_by_step(openpi):
    broker = ActionChunkBroker(openpi, action_horizon=4)
    steps = [broker.infer({**PLAIN, "tmrl/seed": 1})["actions"] for _ in range(4)]
    whole = openpi.infer({**PLAIN, "tmrl/seed": 1})["actions"]
    np.testing.assert_array_equal(steps, whole[:4])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"observation/state": np.zeros(7)}, r"proprio has shape \(7,\); the policy takes \(5,\)"),
        ({"observation/state": np.full(5, np.nan)}, "not finite"),
        ({"observation/state": "left"}, "'observation/state' is str; it must be an array"),
        ({"observation/state": np.zeros((5, 1))}, r"shape \(5, 1\); it must be one row"),
        ({"prompt": 3}, "'prompt' is int; it must be text"),
        ({"tmrl/sgima": 0.5}, "did you mean 'tmrl/sigma'"),
        ({"tmrl/sigma": "high"}, "'tmrl/sigma' is str; it must be a number"),
        ({"tmrl/sigma": 1.5}, "sigma is 1.5"),
        ({"tmrl/z": np.zeros(3)}, r"z has shape \(3,\)"),
        ({"tmrl/source": "random"}, "must be one of actor, uniform, base, explicit"),
        ({"tmrl/source": "none"}, "must be one of actor, uniform, base, explicit"),
        ({"tmrl/source": "base", "tmrl/sigma": 0.5}, "leave one out"),
        ({"tmrl/source": "actor"}, "ask for 'uniform'"),
        ({"tmrl/seed": 0.5}, "'tmrl/seed' is float; it must be a whole number"),
        ({"tmrl/seed": -1}, "must lie in"),
    ],
)
def test_a_bad_request_costs_a_sentence_and_the_next_one_is_answered(openpi, change, reason):
    with pytest.raises(RuntimeError, match=reason):
        openpi.infer({**PLAIN, **change})
    assert openpi.infer(PLAIN)["actions"].shape == (16, 7)


def test_a_missing_part_is_named(openpi):
    with pytest.raises(RuntimeError, match="'observation/context' is missing"):
        openpi.infer({"observation/state": STATE})


def test_bytes_of_strangers_cost_a_sentence(shared):
    with connect_websocket(f"ws://127.0.0.1:{shared.port}") as connection:
        connection.recv()
        connection.send(b"\xc1")
        assert "not msgpack" in connection.recv()
        connection.send("hello")
        assert "an observation is binary" in connection.recv()


def test_pages_in_a_browser_cannot_connect(shared):
    page = {"origin": "https://example.com"}
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect_websocket(f"ws://127.0.0.1:{shared.port}", **page),
    ):
        pytest.fail("a page was let in")


def test_several_clients_of_both_kinds_get_their_own_answers(shared):
    wrong = []

    def ask(seed):
        openpi = shared.connect()
        for _ in range(10):
            if openpi.infer({**PLAIN, "tmrl/seed": seed})["tmrl/seed"] != seed:
                wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    wide = SteeringLimits(sigma_cap=0.0, z_cap=100.0, epsilon_cap=100.0)
    assert over_zeromq(shared, SteeringSource.BASE, wide, 7).seed == 7
    for thread in threads:
        thread.join()
    assert wrong == []


def test_with_api_keys_only_who_shows_one_may_connect(server, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"# of the lab\n{KEY}\n")
    server.start("--websocket-keys", keys)
    for wrong in (None, "another-key-of-some-length"):
        with pytest.raises(InvalidStatus, match="401"):
            server.connect(wrong)
    assert server.connect(KEY).infer(PLAIN)["actions"].shape == (16, 7)


def test_health_answers_over_plain_http(shared):
    with urllib.request.urlopen(f"http://127.0.0.1:{shared.port}/healthz") as answer:
        assert (answer.status, answer.read()) == (200, b"OK\n")


def test_a_client_finds_the_server_again_after_it_was_killed(server):
    request = {**PLAIN, "tmrl/seed": 1}
    before = server.start().connect().infer(request)["actions"]
    server.process.process.kill()
    server.process.wait_for_end()
    server.process.__exit__()
    np.testing.assert_array_equal(server.start().connect().infer(request)["actions"], before)


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"])
def test_other_machines_are_refused_without_keys(bind):
    with pytest.raises(TransportError, match="no API keys are given"):
        reserve(bind, ())


def test_with_keys_other_machines_are_let_in():
    reserve("0.0.0.0:0", (KEY,)).close()


def test_a_port_in_use_is_said_in_one_sentence():
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(TransportError, match="cannot listen on"),
    ):
        reserve(f"127.0.0.1:{other.getsockname()[1]}", ())


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1", "127.0.0.1:http", ":8000"])
def test_addresses_have_a_host_and_a_port(bind):
    with pytest.raises(TransportError, match="HOST:PORT"):
        reserve(bind, (KEY,))


@pytest.mark.parametrize(
    ("content", "reason"), [("# nothing\n", "holds no API key"), ("short\n", "can be guessed")]
)
def test_files_of_keys_that_protect_nothing_are_refused(tmp_path, content, reason):
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(TransportError, match=reason):
        read_api_keys(path)


def test_a_hung_inference_is_told_and_does_not_keep_a_client_for_ever():
    busy = [0.0]
    peers = LocalPeers(lambda: None)
    dialect = OpenpiDialect(EXAMPLE_SPEC, ServerConfig("a").websocket_caps, 0.2)
    front = WebsocketFront(reserve("127.0.0.1:0", ()), peers, dialect, lambda: busy[0])
    address = f"http://127.0.0.1:{front.address[1]}/healthz"
    try:
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
        for busy_s, sentence in ((60.0, b"running for 60 s"), (math.inf, b"the GPU has failed")):
            busy[0] = busy_s
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(address)
            assert caught.value.code == 503
            assert sentence in caught.value.read()
    finally:
        front.close()


def test_a_request_that_takes_too_long_is_ended_with_a_sentence():
    front, stop = None, threading.Event()
    arrived = threading.Event()
    peers = LocalPeers(arrived.set)

    def server():
        """Greets, and never makes a chunk."""
        while not stop.is_set():
            arrived.wait(0.1)
            arrived.clear()
            for peer, request_id, message, _ in peers.take():
                if isinstance(message, Hello):
                    peers.deliver(peer, request_id, Welcome("server", "epoch", SMALL_SPEC, 0))

    thread = threading.Thread(target=server)
    thread.start()
    dialect = OpenpiDialect(SMALL_SPEC, ServerConfig("a").websocket_caps, 1.0)
    front = WebsocketFront(reserve("127.0.0.1:0", ()), peers, dialect, lambda: 7.0, deadline_s=1.0)
    try:
        client = WebsocketClientPolicy("127.0.0.1", front.address[1])
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"no chunk within 1\.0 s.*running for 7\.0 s"):
                client.infer(PLAIN)
    finally:
        front.close()
        stop.set()
        thread.join()
