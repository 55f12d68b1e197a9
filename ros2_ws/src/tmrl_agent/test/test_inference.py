"""The thread that asks: against the real client and a server that speaks the real protocol."""

import queue
from dataclasses import replace

import numpy as np
import pytest

from tmrl_agent.inference import InferenceThread
from tmrl_agent.params import AgentConfig
from tmrl_agent.probe import Probe
from tmrl_agent.requests import (
    AskChunk,
    AskFeatures,
    ChunkAnswer,
    Connection,
    FailedAnswer,
    FeaturesAnswer,
)
from tmrl_agent.session import connect
from tmrl_agent.testing import SPEC
from tmrl_common.clock import SteadyClock
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.types import Observation, SteeringLimits, SteeringSource

WAIT_S = 120.0
SEEN = Observation(np.zeros(2, dtype=np.float32), np.zeros(1, dtype=np.float32))


def config(endpoint, **changes):
    given = {
        "robot": "widowx",
        "session": "run",
        "run_dir": "runs/run",
        "server": endpoint,
        "proprio_fields": ("tool_x", "tool_y"),
        "context_objects": ("carrot.x",),
    }
    return AgentConfig(**given | changes)


@pytest.fixture
def running():
    """Starts threads, and ends them with the test."""
    threads = []

    def start(configuration, deadline_s=WAIT_S):
        answers = queue.Queue()
        client = connect(configuration)
        thread = InferenceThread(client, deadline_s, SteadyClock(), answers.put)
        thread.start()
        threads.append(thread)
        return thread, answers

    yield start
    for thread in threads:
        thread.close()


@pytest.fixture
def server():
    with FakePolicyServer(SPEC) as made:
        yield made


def until(answers, kind):
    """The next answer of a kind; reports about the connection come whenever they like."""
    while not isinstance(answer := answers.get(timeout=WAIT_S), kind):
        pass
    return answer


def ask_chunk(request):
    limits = SteeringLimits(0.5, 2.0, 3.0)
    return AskChunk(request, SEEN, limits, SteeringSource.UNIFORM, seed=11)


def test_answers_carry_the_number_of_their_question(running, server):
    thread, answers = running(config(server.endpoint))
    thread.ask(ask_chunk(5))
    thread.ask(AskFeatures(6, SEEN))
    chunk = until(answers, ChunkAnswer)
    features = until(answers, FeaturesAnswer)
    assert (chunk.request, chunk.reply.seed, chunk.reply.actions.shape) == (5, 11, (8, 7))
    assert chunk.round_trip_s > 0.0
    assert (features.request, features.features.shape) == (6, (3,))


def test_a_probes_steering_reaches_the_server(running, server):
    thread, answers = running(config(server.endpoint))
    probe = Probe("repeated", 1.5, 0.25)
    thread.ask(replace(ask_chunk(1), source=probe))
    assert until(answers, ChunkAnswer).request == 1
    asked = server.requests[-1]
    assert asked.source is SteeringSource.EXPLICIT
    assert asked.explicit.sigma == 0.25
    np.testing.assert_array_equal(asked.explicit.z, probe.steering(SPEC, 11).z)


def test_what_is_executed_anyway_reaches_the_server(running, server):
    thread, answers = running(config(server.endpoint))
    rows = np.arange(14, dtype=np.float32).reshape(2, 7)
    thread.ask(replace(ask_chunk(1), committed=rows))
    assert until(answers, ChunkAnswer).request == 1
    np.testing.assert_array_equal(server.requests[-1].committed, rows)


def test_an_error_of_the_server_is_an_answer_with_its_sentence(running, server):
    thread, answers = running(config(server.endpoint))
    server.fail_with = RequestError(ErrorCode.NO_ACTOR, "no actor yet")
    thread.ask(ask_chunk(1))
    failed = until(answers, FailedAnswer)
    assert failed.request == 1
    assert "no actor yet" in failed.problem
    server.fail_with = None
    thread.ask(ask_chunk(2))
    assert until(answers, ChunkAnswer).request == 2


def test_the_connection_is_reported_with_what_is_served(running, server):
    _, answers = running(config(server.endpoint))
    while (connection := until(answers, Connection)).problem:
        pass
    assert connection.policy_version == "policy"


def test_an_absent_server_is_reported_without_being_asked(running):
    _, answers = running(config("tcp://127.0.0.1:9"))
    assert "no policy server" in until(answers, Connection).problem


def test_a_policy_for_another_robot_is_refused_by_name(running, server):
    _, answers = running(config(server.endpoint, proprio_fields=("tool_x",)))
    connection = until(answers, Connection)
    while "proprio_dim" not in connection.problem:
        connection = until(answers, Connection)


def test_closing_ends_a_call_under_way(running):
    thread, _ = running(config("tcp://127.0.0.1:9"), deadline_s=600.0)
    thread.ask(ask_chunk(1))


class BrokenServer:
    """Fails in a way that nobody has foreseen."""

    connected = True
    welcome = None

    def act(self, *_, **__):
        raise ZeroDivisionError("a fault of ours")

    def close(self):
        self.connected = False


def test_an_unforeseen_fault_in_the_thread_reaches_the_node():
    thread = InferenceThread(BrokenServer(), 1.0, SteadyClock(), lambda _: None)
    thread.start()
    thread.ask(ask_chunk(1))
    thread.close()
    with pytest.raises(ZeroDivisionError):
        thread.check()
