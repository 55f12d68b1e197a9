"""The server as a process: its command line, its end, and what a client sees when it is killed."""

import os
import signal
import socket
import time

import numpy as np
import pytest

from tmrl_common.errors import ConfigError, DeadlineExceededError
from tmrl_common.ports import free_port
from tmrl_common.protocol import ClientSettings
from tmrl_common.transport import PolicyClient
from tmrl_common.types import SteeringLimits, SteeringSource
from tmrl_policy_server.cli import parse
from tmrl_policy_server.config import InferencePlace

LIMITS = SteeringLimits(sigma_cap=0.7, z_cap=1.5, epsilon_cap=2.0)
PATIENCE_S = 60.0


def test_killed_in_the_middle_the_client_gets_a_typed_error_and_then_recovers(
    server_process, checkpoint, endpoint, observation
):
    arguments = ("--checkpoint", checkpoint, "--bind", endpoint)
    settings = ClientSettings(heartbeat_s=0.2, lost_after_s=0.6)
    client = PolicyClient(endpoint, client="agent", robot="arm", settings=settings)

    def chunk(deadline_s, seed=1):
        return client.act(
            observation, LIMITS, SteeringSource.UNIFORM, deadline_s=deadline_s, seed=seed
        )

    with client:
        with server_process(*arguments) as first:
            first.wait_until_ready()
            before = chunk(PATIENCE_S)
            first.process.send_signal(signal.SIGKILL)
            assert first.wait_for_end() == -signal.SIGKILL
            with pytest.raises(DeadlineExceededError):
                chunk(0.5)
        with server_process(*arguments) as second:
            second.wait_until_ready()
            np.testing.assert_array_equal(chunk(PATIENCE_S).actions, before.actions)
            assert client.connected


def test_frozen_the_client_gets_a_typed_error_and_then_recovers(
    server_process, checkpoint, endpoint, observation
):
    settings = ClientSettings(heartbeat_s=0.2, lost_after_s=0.6)
    with (
        server_process("--checkpoint", checkpoint, "--bind", endpoint) as server,
        PolicyClient(endpoint, client="agent", robot="arm", settings=settings) as client,
    ):
        server.wait_until_ready()
        client.connect(deadline_s=PATIENCE_S)
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(DeadlineExceededError):
            client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=1.0)
        server.process.send_signal(signal.SIGCONT)
        client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(server_process, checkpoint, endpoint, number):
    with server_process("--checkpoint", checkpoint, "--bind", endpoint) as server:
        server.wait_until_ready()
        server.process.send_signal(number)
        assert server.wait_for_end() == 0


def wait_until_bound(endpoint):
    address = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
    ends_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(address).close()
        except ConnectionRefusedError:
            assert time.monotonic() < ends_s, "the server does not listen"
            time.sleep(0.02)


@pytest.mark.parametrize("inference", ["inline", "thread"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_while_it_still_loads(server_process, tmp_path, endpoint, number, inference):
    # A pipe into which nobody writes: whoever reads it loads for ever.
    os.mkfifo(tmp_path / "policy.json")
    arguments = ("--checkpoint", tmp_path, "--bind", endpoint, "--inference", inference)
    with server_process(*arguments) as server:
        wait_until_bound(endpoint)
        server.process.send_signal(number)
        # A shell calls it 130 and 143.
        assert server.wait_for_end() == -number
        assert server.lines == []


@pytest.mark.parametrize("inference", ["inline", "thread"])
def test_while_it_loads_a_client_hears_how_far_it_is(
    server_process, tmp_path, endpoint, observation, inference
):
    # As above: it loads until somebody writes, and what is written is no policy.
    os.mkfifo(tmp_path / "policy.json")
    arguments = ("--checkpoint", tmp_path, "--bind", endpoint, "--inference", inference)
    with (
        server_process(*arguments) as server,
        PolicyClient(endpoint, client="agent", robot="arm") as client,
    ):
        wait_until_bound(endpoint)
        with pytest.raises(DeadlineExceededError, match="not ready yet: loading 0 %"):
            client.act(observation, LIMITS, SteeringSource.BASE, deadline_s=5.0)
        (tmp_path / "policy.json").write_text("no policy")
        assert server.wait_for_end() == 2


def test_figures_for_other_machines_are_warned_of(server_process, checkpoint, endpoint):
    arguments = ("--checkpoint", checkpoint, "--bind", endpoint, "--metrics-bind")
    for host, warned in (("127.0.0.1", False), ("0.0.0.0", True)):
        address = f"{host}:{free_port()}"
        with server_process(*arguments, address) as server:
            server.wait_until_ready()
            warnings = [line for line in server.lines if "from other machines" in line]
        assert [address in line for line in warnings] == [True] * warned


def test_a_port_in_use_is_said_in_one_sentence_with_the_remedy(server_process, checkpoint):
    with socket.create_server(("127.0.0.1", 0)) as other:
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with server_process("--checkpoint", checkpoint, "--bind", endpoint) as server:
            assert server.wait_for_end() == 2
            (line,) = server.lines
    assert f"{endpoint} is in use" in line
    assert "choose another port" in line


def test_an_absent_checkpoint_is_said_in_one_sentence(server_process, tmp_path, endpoint):
    with server_process("--checkpoint", tmp_path / "absent", "--bind", endpoint) as server:
        assert server.wait_for_end() == 2
        (line,) = server.lines
    assert "there is no checkpoint at" in line


def test_settings_come_by_option_or_by_assignment():
    by_option = parse(["--checkpoint", "a", "--inference", "thread", "--max-batch", "3"])
    by_assignment = parse(
        ["--set", "checkpoint=a", "--set", "inference=thread", "--set", "max_batch=3"]
    )
    assert by_option == by_assignment
    assert by_option.server.inference is InferencePlace.THREAD
    assert by_option.server.max_batch == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--checkpoint", "a", "--max-bacth", "1"], "did you mean 'max_batch'"),
        (["--checkpoint", "a", "--set", "max_bacth=1"], "did you mean 'max_batch'"),
        (["--checkpoint", "a", "--set", "max_batch"], "not of the form NAME=VALUE"),
        (["--checkpoint", "a", "--inference", "here"], "one of auto, inline, thread"),
        (["--checkpoint", "a", "--websocket-z-cap", "wide"], "must be a number"),
        (["--checkpoint", "a", "--websocket-z-cap", "0"], "websocket_z_cap is 0"),
        (["--checkpoint", "a", "--websocket-sigma-cap", "1.1"], "websocket_sigma_cap is 1.1"),
        (["--checkpoint", "a", "--secret-key", "k"], "go together"),
        (["--threads", "1"], "'checkpoint' is missing"),
    ],
)
def test_bad_command_lines_name_the_value_and_the_remedy(arguments, reason):
    with pytest.raises(ConfigError, match=reason):
        parse(arguments)
