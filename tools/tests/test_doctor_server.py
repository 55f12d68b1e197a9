"""What the doctor sees of a policy server: one that answers, none, one that cannot start, keys."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tmrl_bringup.rig import Rig, load
from tmrl_cli.keys import main as make_key
from tmrl_common.errors import DeadlineExceededError
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.transport.curve import KeyPair, ServerSecurity, read_keys
from tmrl_doctor import server_probe
from tmrl_doctor.server import ServerSeen
from tmrl_doctor.server_probe import NoServerError, look_at_server

from .hardware_rig import TIMEOUT_S, free_port

ABSENT = "tcp://127.0.0.1:{}"


def rig(**server: str) -> Rig:
    changes = {f"policy_server.{key}": value for key, value in server.items()}
    return load("widowx").with_examples().with_overrides(changes)


def test_a_server_that_runs_is_asked_and_steered_by_nobody() -> None:
    with FakePolicyServer(EXAMPLE_SPEC) as fake:
        seen = look_at_server(rig(endpoint=fake.endpoint), may_start=False)
        kinds = {type(request).__name__ for request in fake.requests}
    assert seen.spec == EXAMPLE_SPEC
    assert min(seen.ping_s) > 0.0
    assert min(seen.encode_s) > 0.0
    assert kinds == {"Encode"}


def test_no_server_is_said_with_the_endpoint() -> None:
    endpoint = ABSENT.format(free_port())
    with pytest.raises(NoServerError, match=endpoint):
        look_at_server(rig(endpoint=endpoint), may_start=False)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    absent = rig(endpoint=ABSENT.format(free_port()), checkpoint=str(tmp_path / "absent"))
    with pytest.raises(NoServerError, match=r"does not start: .*there is no checkpoint at"):
        look_at_server(absent, may_start=True)


class Loading:
    """Stands between the doctor and a server: the first questions find it loading."""

    def __init__(self, questions: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._left, self._meanwhile = questions, meanwhile
        self._really = server_probe._ask

    def __call__(self, *asked: Any) -> ServerSeen:
        if self._left:
            self._left -= 1
            self._meanwhile()
            raise DeadlineExceededError("the server listens and has not answered yet")
        return self._really(*asked)


@pytest.fixture
def none_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object, **__: object) -> None:
        pytest.fail("a second server was started beside the one that loads")

    monkeypatch.setattr(subprocess, "Popen", start)


@pytest.mark.usefixtures("none_started")
def test_a_server_that_still_loads_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_probe, "_ask", Loading(questions=3))
    with FakePolicyServer(EXAMPLE_SPEC) as fake:
        seen = look_at_server(rig(endpoint=fake.endpoint), may_start=True)
    assert seen.spec == EXAMPLE_SPEC
    assert seen.where == fake.endpoint


@pytest.mark.usefixtures("none_started")
def test_a_server_that_ends_while_it_loads_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    endpoint = ABSENT.format(listener.getsockname()[1])
    questions = iter((lambda: None, listener.close, listener.close))
    monkeypatch.setattr(server_probe, "_ask", Loading(3, lambda: next(questions)()))
    with pytest.raises(NoServerError, match=f"{endpoint} was listened on, and is no more"):
        look_at_server(rig(endpoint=endpoint), may_start=True)


def test_the_server_that_a_doctor_started_does_not_outlive_it(tmp_path: Path) -> None:
    # A pipe into which nobody writes: the server loads for ever.
    (tmp_path / "model.safetensors").touch()
    os.mkfifo(tmp_path / "pi0.json")
    doctor = f"""
from tmrl_doctor.server_probe import look_at_server
from tmrl_bringup.rig import load
server = {{"endpoint": {ABSENT.format(free_port())!r}, "checkpoint": {str(tmp_path)!r}}}
changes = {{f"policy_server.{{key}}": value for key, value in server.items()}}
look_at_server(load("widowx").with_examples().with_overrides(changes), may_start=True)
"""
    with subprocess.Popen([sys.executable, "-c", doctor]) as parent:
        ends_s = time.monotonic() + TIMEOUT_S
        servers: list[psutil.Process] = []
        while not servers:
            children = psutil.Process(parent.pid).children()
            servers = [each for each in children if "tmrl_policy_server" in each.cmdline()]
            assert parent.poll() is None
            assert time.monotonic() < ends_s
            time.sleep(0.02)
        parent.kill()
    gone, left = psutil.wait_procs(servers, timeout=TIMEOUT_S / 10)
    for process in left:
        process.kill()
    assert gone == servers


def test_a_server_with_keys_answers_whom_it_knows(tmp_path: Path) -> None:
    for name in ("server", "robot", "stranger"):
        make_key([str(tmp_path / f"{name}.key")])
    allowed = read_keys(tmp_path / "robot.key.pub")
    security = ServerSecurity(KeyPair.load(tmp_path / "server.key"), allowed)
    with FakePolicyServer(EXAMPLE_SPEC, security=security) as fake:
        keys = {"endpoint": fake.endpoint, "server_key": str(tmp_path / "server.key.pub")}
        known = rig(**keys, client_key=str(tmp_path / "robot.key"))
        assert look_at_server(known, may_start=False).spec == EXAMPLE_SPEC
        stranger = rig(**keys, client_key=str(tmp_path / "stranger.key"))
        with pytest.raises(NoServerError, match="keys"):
            look_at_server(stranger, may_start=False)


def test_the_parameters_of_nodes_name_the_keys(tmp_path: Path) -> None:
    from tmrl_bringup.options import SessionOptions
    from tmrl_bringup.processes import describe_nodes

    remote = rig(endpoint="tcp://10.0.0.5:5760", client_key="~/a.key", server_key="~/b.key.pub")
    session = SessionOptions(run_dir=tmp_path).apply(remote)
    for node in describe_nodes(session, tmp_path):
        values = yaml.safe_load(node.parameter_file.read_text())["/**"]["ros__parameters"]
        wanted = node.name in ("agent", "learning")
        assert values.get("client_key") == (str(Path.home() / "a.key") if wanted else None)
