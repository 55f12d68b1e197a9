"""A GPU that fails, or is too small: who is answered what, and how the process ends."""

import math
import signal
import threading

import pytest
import torch

from tmrl_common.clock import SteadyClock
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import Act
from tmrl_common.protocol import Admitted
from tmrl_common.transport import PolicyClient
from tmrl_common.types import SteeringLimits, SteeringSource
from tmrl_policy_server.accelerator import has_failed, lacks_memory
from tmrl_policy_server.cli import EXIT_CANNOT_START, EXIT_GPU_FAILED, main
from tmrl_policy_server.engine import Engine
from tmrl_policy_server.inference import InlineInference, busy_s

LIMITS = SteeringLimits(sigma_cap=0.7, z_cap=1.5, epsilon_cap=2.0)
PATIENCE_S = 60.0


def accelerator_error(code, sentence):
    error = torch.AcceleratorError(sentence)
    error.error_code = code
    return error


ILLEGAL_ACCESS = accelerator_error(700, "CUDA error: an illegal memory access was encountered")
NO_MEMORY = accelerator_error(2, "CUDA error: out of memory")
TOO_LARGE = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nMore")


@pytest.fixture
def fail(monkeypatch):
    """Makes the engine fail at these passes, counted from 1 with the warm-up's; None for all."""

    def make(error, at=None):
        passes, really = [], Engine.act_batch

        def act_batch(engine, requests):
            passes.append(len(requests))
            if at is None or len(passes) in at:
                raise error
            return really(engine, requests)

        monkeypatch.setattr(Engine, "act_batch", act_batch)

    return make


@pytest.fixture(autouse=True)
def _survive_signals():
    """A server that ended too early leaves the tests' own process to the signal meant for it."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


class Robot(threading.Thread):
    """Asks for chunks one after the other, and then for the server's end."""

    def __init__(self, endpoint, observation, chunks):
        super().__init__(daemon=True)
        self._endpoint, self._observation, self._chunks = endpoint, observation, chunks
        self.answers = []
        self.start()

    def run(self):
        with PolicyClient(self._endpoint, client="agent", robot="arm") as client:
            client.connect(deadline_s=PATIENCE_S)
            for _ in range(self._chunks):
                self.answers.append(self._ask(client))
        signal.raise_signal(signal.SIGTERM)

    def _ask(self, client):
        try:
            return client.act(self._observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
        except RequestError as error:
            return error


def serve(checkpoint, endpoint, *arguments):
    """Exit code of a server whose warm-up takes three passes."""
    settings = ("--checkpoint", checkpoint, "--bind", endpoint, "--max-batch", 1, *arguments)
    return main([str(each) for each in settings])


def test_only_a_lack_of_memory_leaves_a_gpu_usable():
    assert [lacks_memory(each) for each in (NO_MEMORY, TOO_LARGE)] == [True, True]
    assert [has_failed(each) for each in (NO_MEMORY, TOO_LARGE, ValueError())] == [False] * 3
    assert has_failed(ILLEGAL_ACCESS)
    assert not lacks_memory(ILLEGAL_ACCESS)


@pytest.mark.parametrize("inference", ["inline", "thread"])
def test_a_gpu_that_fails_costs_an_answer_and_ends_the_server_for_its_supervisor(
    fail, checkpoint, endpoint, observation, inference, caplog
):
    fail(ILLEGAL_ACCESS, at={5})
    robot = Robot(endpoint, observation, chunks=2)
    code = serve(checkpoint, endpoint, "--inference", inference)
    robot.join(PATIENCE_S)
    assert code == EXIT_GPU_FAILED
    assert code != EXIT_CANNOT_START, "the supervisor would not start it again"
    served, refused = robot.answers
    assert served.actions.size
    assert refused.code is ErrorCode.INTERNAL
    assert "GPU failed" in refused.detail
    assert "illegal memory access" not in refused.detail
    assert "illegal memory access" in caplog.text


def test_too_little_memory_for_one_request_leaves_the_server_up(
    fail, checkpoint, endpoint, observation
):
    fail(TOO_LARGE, at={4})
    robot = Robot(endpoint, observation, chunks=2)
    assert serve(checkpoint, endpoint) == 0
    robot.join(PATIENCE_S)
    refused, served = robot.answers
    assert refused.code is ErrorCode.INTERNAL
    assert served.actions.size


def test_after_a_failure_of_the_gpu_the_server_looks_busy_for_ever(fail, make_engine, observation):
    fail(ILLEGAL_ACCESS)
    clock = SteadyClock()
    inference = InlineInference(make_engine(), clock)
    assert busy_s(inference, clock) == 0.0
    act = Act(observation, LIMITS, SteeringSource.BASE, None, 0, PATIENCE_S)
    inference.begin([Admitted(b"peer", 1, act, clock.now_s())])
    assert busy_s(inference, clock) == math.inf


@pytest.mark.parametrize(
    ("error", "code", "said", "remedy"),
    [
        (TOO_LARGE, EXIT_CANNOT_START, "Tried to allocate 20.00 GiB.", "lower 'max_batch'"),
        (NO_MEMORY, EXIT_CANNOT_START, "CUDA error: out of memory", "nvidia-smi"),
        (ILLEGAL_ACCESS, EXIT_GPU_FAILED, "illegal memory access", "set 'graphs' to false"),
    ],
)
def test_a_gpu_on_which_the_policy_does_not_start_is_said_in_one_sentence_with_the_remedy(
    fail, checkpoint, endpoint, caplog, error, code, said, remedy
):
    fail(error)
    assert serve(checkpoint, endpoint) == code
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert said in record.message
    assert remedy in record.message
    assert record.exc_info is None
