"""The figures that Prometheus reads."""

import dataclasses
import socket
import urllib.request

import numpy as np
import pytest

from tmrl_common.errors import ErrorCode, TransportError
from tmrl_common.messages import ErrorReply, Ping
from tmrl_common.ports import free_port
from tmrl_common.testing.message_examples import EXAMPLES
from tmrl_common.transport import PolicyClient
from tmrl_common.types import SteeringLimits, SteeringSource
from tmrl_policy_server.prometheus import PrometheusMeter

LIMITS = SteeringLimits(sigma_cap=0.7, z_cap=1.5, epsilon_cap=2.0)
PATIENCE_S = 60.0


@pytest.fixture
def meter():
    return PrometheusMeter(lambda: 2.5)


def value(meter, name, **labels):
    return meter.registry.get_sample_value(name, labels)


def test_requests_are_counted_by_kind_and_outcome(meter):
    meter.asked(b"a", 1, EXAMPLES["act"])
    meter.asked(b"b", 1, EXAMPLES["act"])
    meter.asked(b"b", 2, Ping())
    assert value(meter, "tmrl_queue_depth") == 3.0
    meter.answered(b"a", 1, EXAMPLES["chunk"])
    meter.answered(b"b", 1, ErrorReply(ErrorCode.SUPERSEDED, "a newer one came"))
    meter.answered(b"b", 2, EXAMPLES["pong"])
    meter.answered(b"c", 0, ErrorReply(ErrorCode.MALFORMED, "no message"))
    for kind, outcome in (
        ("act", "ok"),
        ("act", "superseded"),
        ("ping", "ok"),
        ("unreadable", "malformed"),
    ):
        assert value(meter, "tmrl_requests_total", kind=kind, outcome=outcome) == 1.0
    assert value(meter, "tmrl_queue_depth") == 0.0


def test_the_stages_of_a_chunk_are_told(meter):
    meter.asked(b"a", 1, EXAMPLES["act"])
    meter.answered(b"a", 1, EXAMPLES["chunk"])
    timings = EXAMPLES["chunk"].timings
    for stage in ("wait", "encode", "steer", "sample", "total"):
        told = value(meter, "tmrl_stage_seconds_sum", stage=stage)
        assert told == getattr(timings, f"{stage}_s")


def test_batches_actor_and_the_work_under_way_are_told(meter):
    meter.batch(3)
    meter.answered(b"a", 1, EXAMPLES["swapped"])
    assert value(meter, "tmrl_batch_size_sum") == 3.0
    assert value(meter, "tmrl_actor_version") == 13.0
    assert value(meter, "tmrl_busy_seconds") == 2.5


def test_a_server_process_answers_prometheus(server_process, checkpoint, endpoint, observation):
    address = f"127.0.0.1:{free_port()}"
    arguments = ("--checkpoint", checkpoint, "--bind", endpoint, "--metrics-bind", address)
    with (
        server_process(*arguments) as server,
        PolicyClient(endpoint, client="agent", robot="arm") as client,
    ):
        server.wait_until_ready()
        client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            text = answer.read().decode()
    for line in (
        'tmrl_requests_total{kind="act",outcome="ok"} 1.0',
        "tmrl_batch_size_count 1.0",
        "tmrl_actor_version 0.0",
        "tmrl_busy_seconds 0.0",
    ):
        assert line in text


def test_a_port_in_use_is_said_in_one_sentence(meter):
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(TransportError, match="cannot serve metrics on"),
    ):
        meter.listen(f"127.0.0.1:{other.getsockname()[1]}")


@pytest.mark.parametrize("bind", ["9464", "127.0.0.1", "127.0.0.1:http"])
def test_addresses_have_a_host_and_a_port(meter, bind):
    with pytest.raises(TransportError, match="HOST:PORT"):
        meter.listen(bind)


def test_columns_of_far_states_are_counted(meter):
    far = dataclasses.replace(EXAMPLES["chunk"], far_state="tool_x, tool_y")
    for request_id, answer in enumerate((far, EXAMPLES["chunk"])):
        meter.asked(b"a", request_id, EXAMPLES["act"])
        meter.answered(b"a", request_id, answer)
    counted = [value(meter, "tmrl_far_states_total", column=c) for c in ("tool_x", "tool_y")]
    assert counted == [1.0, 1.0]


def test_counting_costs_no_memory_per_request(meter):
    for request_id in np.arange(1000):
        meter.asked(b"a", int(request_id), Ping())
        meter.answered(b"a", int(request_id), EXAMPLES["pong"])
    assert value(meter, "tmrl_queue_depth") == 0.0
