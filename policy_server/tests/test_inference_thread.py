"""The server while the inference works in a thread of its own, at the pace of the test."""

import threading

import numpy as np
import pytest
import torch

from tmrl_common.clock import SteadyClock
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.protocol import ClientSettings
from tmrl_common.transport import PolicyClient, RouterSocket
from tmrl_common.types import SteeringLimits, SteeringSource
from tmrl_policy_server.config import ServerLimits
from tmrl_policy_server.engine import Engine
from tmrl_policy_server.inference import ThreadInference, is_abandoned
from tmrl_policy_server.server import PolicyServer

LIMITS = SteeringLimits(sigma_cap=0.7, z_cap=1.5, epsilon_cap=2.0)
PATIENCE_S = 120.0


class GatedEngine(Engine):
    """Makes chunks when the test lets it; remembers how many went together."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches = []
        self.threads = set()

    def act_batch(self, requests):
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        self.batches.append(len(requests))
        self.threads.add(threading.current_thread().name)
        return super().act_batch(requests)

    def hold(self):
        self.entered.clear()
        self.gate.clear()


class ThreadedServer:
    """A server in a thread, its inference in another."""

    def __init__(self, make, limits):
        self._stop = threading.Event()
        self._socket = RouterSocket("tcp://127.0.0.1:*")
        self.endpoint = self._socket.endpoint
        self._inference = ThreadInference(make, SteadyClock(), self._socket.wake)
        self._server = PolicyServer(self._inference, self._socket, limits)
        self._thread = threading.Thread(target=self._server.run, args=(self._stop.is_set,))
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join()
        self._inference.close()
        self._socket.close()


@pytest.fixture
def engines():
    return []


@pytest.fixture
def engine(engines):
    return lambda: engines[0]


@pytest.fixture
def start(make_engine, engines):
    servers = []

    def make(**limits):
        plain = make_engine()
        engines.append(GatedEngine(plain._policy, plain._config))

        def warm():
            engines[0].warm_up()
            return engines[0]

        servers.append(ThreadedServer(warm, ServerLimits(**limits)))
        return servers[-1]

    yield make
    for server in servers:
        engines[0].gate.set()
        server.close()


@pytest.fixture
def connect():
    clients = []

    def make(server, name="test", **arguments):
        clients.append(PolicyClient(server.endpoint, client=name, robot="arm", **arguments))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


class Asking:
    """A request for a chunk in progress in a thread."""

    def __init__(self, client, observation, seed, deadline_s=PATIENCE_S):
        self.result = None
        self._arguments = (client, observation, seed, deadline_s)
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self):
        client, observation, seed, deadline_s = self._arguments
        try:
            self.result = client.act(
                observation, LIMITS, SteeringSource.BASE, deadline_s=deadline_s, seed=seed
            )
        except RequestError as error:
            self.result = error

    def wait(self):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.result


def test_pings_are_answered_during_inference_and_tell_for_how_long_it_runs(
    start, connect, engine, observation
):
    server = start()
    robot, learner = connect(server, "agent"), connect(server, "learner")
    assert learner.ping(deadline_s=PATIENCE_S).busy_s == 0.0
    engine().hold()
    asking = Asking(robot, observation, 1)
    assert engine().entered.wait(PATIENCE_S)
    first = learner.ping(deadline_s=PATIENCE_S).busy_s
    second = learner.ping(deadline_s=PATIENCE_S).busy_s
    assert 0.0 < first < second
    engine().gate.set()
    assert asking.wait().seed == 1
    assert learner.ping(deadline_s=PATIENCE_S).busy_s == 0.0


def test_a_hung_inference_does_not_look_like_a_lost_server(start, connect, engine, observation):
    server = start()
    settings = ClientSettings(heartbeat_s=0.05, lost_after_s=0.3)
    robot = connect(server, settings=settings)
    epoch = robot.connect(deadline_s=PATIENCE_S).epoch
    engine().hold()
    asking = Asking(robot, observation, 1)
    assert engine().entered.wait(PATIENCE_S)
    while robot.ping(deadline_s=PATIENCE_S).busy_s < 1.0:
        assert robot.connected
    engine().gate.set()
    assert asking.wait().seed == 1, "the request was neither lost nor sent twice"
    assert robot.welcome.epoch == epoch
    assert engine().batches[-1:] == [1]


def test_robots_that_ask_while_a_pass_runs_go_through_the_next_one_together(
    start, connect, engine, observation
):
    server = start(batch_window_s=0.0)
    replies = _ask_while_a_pass_runs(server, connect, engine, observation)
    assert [reply.seed for reply in replies] == [10, 0, 1, 2]
    assert engine().batches[-2:] == [1, 3]
    for reply in replies[1:]:
        alone = engine().act(observation, LIMITS, SteeringSource.BASE, seed=reply.seed)
        np.testing.assert_allclose(reply.actions, alone.actions, rtol=1e-4, atol=1e-5)


def test_a_pass_takes_no_more_robots_than_it_may(start, connect, engine, observation):
    server = start(batch_window_s=0.0, max_batch=2)
    replies = _ask_while_a_pass_runs(server, connect, engine, observation)
    assert [reply.seed for reply in replies] == [10, 0, 1, 2]
    assert engine().batches[-3:] == [1, 2, 1]


def test_a_newer_observation_replaces_one_that_waits_for_the_pass_under_way(
    start, connect, engine, observation
):
    server = start()
    robot, other = connect(server, "agent"), connect(server, "other")
    engine().hold()
    first = Asking(other, observation, 1)
    assert engine().entered.wait(PATIENCE_S)
    stale = Asking(robot, observation, 2)
    _wait_until_waiting(server, 1)
    fresh = Asking(robot, observation, 3)
    assert stale.wait().code is ErrorCode.SUPERSEDED
    engine().gate.set()
    assert (first.wait().seed, fresh.wait().seed) == (1, 3)


def test_what_expired_during_a_pass_is_not_computed(start, connect, engine, observation):
    server = start()
    robot, other = connect(server, "agent"), connect(server, "other")
    for client in (robot, other):
        client.connect(deadline_s=PATIENCE_S)
    engine().hold()
    first = Asking(other, observation, 1)
    assert engine().entered.wait(PATIENCE_S)
    with pytest.raises(Exception, match="no answer in time"):
        robot.act(observation, LIMITS, SteeringSource.BASE, deadline_s=0.2)
    computed = sum(engine().batches)
    engine().gate.set()
    assert first.wait().seed == 1
    robot.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
    assert sum(engine().batches) == computed + 2


def test_all_networks_run_in_the_one_thread_that_warmed_them_up(
    start, connect, engine, observation
):
    client = connect(start())
    client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
    assert engine().threads == {"inference"}


def test_thread_and_inline_give_the_same_chunk(start, connect, make_engine, observation):
    client = connect(start())
    there = client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S, seed=4)
    here = make_engine().act(observation, LIMITS, SteeringSource.BASE, seed=4)
    np.testing.assert_array_equal(there.actions, here.actions)


def test_a_new_actor_comes_between_two_passes(start, connect, engine, make_swap, observation):
    server = start()
    robot, learner = connect(server, "agent"), connect(server, "learner")
    engine().hold()
    asking = Asking(robot, observation, 1)
    assert engine().entered.wait(PATIENCE_S)
    swap = make_swap(1)
    swapping = threading.Thread(
        target=learner.swap,
        args=(1, swap.actor, swap.weights.tobytes()),
        kwargs={"deadline_s": PATIENCE_S},
    )
    swapping.start()
    _wait_until_waiting(server, 1)
    assert learner.ping(deadline_s=PATIENCE_S).actor_version == 0
    engine().gate.set()
    swapping.join()
    assert asking.wait().actor_version == 0
    assert learner.ping(deadline_s=PATIENCE_S).actor_version == 1


def test_what_keeps_the_engine_from_being_made_is_raised_where_it_was_asked_for():
    def fail():
        raise ValueError("the weights are somewhere else")

    with pytest.raises(ValueError, match="somewhere else"):
        ThreadInference(fail, SteadyClock(), lambda: None)


def test_a_pass_that_does_not_end_is_known_to_be_abandoned(start, connect, engine, observation):
    server = start()
    robot = connect(server, "agent")
    engine().hold()
    asking = Asking(robot, observation, 1)
    assert engine().entered.wait(PATIENCE_S)
    server._inference.close()
    assert is_abandoned()
    engine().gate.set()
    asking.wait()
    server._inference._thread.join(PATIENCE_S)
    assert not is_abandoned()


def _ask_while_a_pass_runs(server, connect, engine, observation):
    """Replies to one robot, and to three more that came to wait while its pass ran."""
    robots = [connect(server, f"robot {number}") for number in range(4)]
    for robot in robots:
        robot.connect(deadline_s=PATIENCE_S)
    engine().hold()
    first = Asking(robots[0], observation, 10)
    assert engine().entered.wait(PATIENCE_S)
    later = [Asking(robot, observation, seed) for seed, robot in enumerate(robots[1:])]
    _wait_until_waiting(server, 3)
    engine().gate.set()
    return [asking.wait() for asking in (first, *later)]


def _wait_until_waiting(server, requests):
    """Until so many requests wait at the server."""
    reached = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if len(server._server._protocol.waiting) >= requests:
            return
        reached.wait(0.01)
    pytest.fail(f"{requests} requests did not come to wait")


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield
