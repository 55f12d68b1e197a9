"""What the doctor sees of a policy server: one that answers, none, one that cannot start, keys."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import yaml

from tmrl_bringup.link import ServerLink
from tmrl_bringup.rig import Rig, load
from tmrl_cli.keys import main as make_key
from tmrl_common.errors import DeadlineExceededError
from tmrl_common.ports import free_port
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.transport.curve import KeyPair, ServerSecurity, read_keys
from tmrl_common.transport.server import RouterSocket
from tmrl_doctor import port, server_probe
from tmrl_doctor.server import ServerSeen
from tmrl_doctor.server_probe import NoServerError, look_at_server
from tmrl_policy_server.door import LoadingDoor

from .hardware_rig import TIMEOUT_S

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

    def __init__(
        self,
        questions: int,
        meanwhile: Callable[[], None] = lambda: None,
        says: Callable[[int], str] = lambda _: "",
    ) -> None:
        self._left, self._meanwhile, self._says = questions, meanwhile, says
        self._really = server_probe._ask

    def __call__(self, *asked: Any) -> ServerSeen:
        if self._left:
            self._left -= 1
            self._meanwhile()
            said = self._says(self._left)
            raise DeadlineExceededError("the server listens and has not answered yet", said)
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
    monkeypatch.setattr(server_probe, "stranger", lambda _: "")
    monkeypatch.setattr(server_probe, "_ask", Loading(3, lambda: next(questions)()))
    with pytest.raises(NoServerError, match=f"{endpoint} was listened on, and is no more"):
        look_at_server(rig(endpoint=endpoint), may_start=True)


class Steps:
    """A clock of its own for each look at the time: every one is a minute later."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += 60.0
        return self._now_s


@pytest.mark.usefixtures("none_started")
def test_a_server_that_gets_further_is_waited_for_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    loading = Loading(50, says=lambda left: f"loading {100 - 2 * left} %")
    monkeypatch.setattr(server_probe, "_ask", loading)
    monkeypatch.setattr(server_probe, "time", SimpleNamespace(monotonic=Steps()))
    endpoint = "tcp://127.0.0.1:1"
    link = ServerLink(endpoint)
    seen = ServerSeen("there", EXAMPLE_SPEC, (1.0,), (1.0,))
    loading._really = lambda *_: seen
    asked = server_probe._ask_until_loaded(link, "there", lambda: "", heard.append)
    assert asked == seen
    assert heard[:2] == ["loading 2 %", "loading 4 %"]
    assert len(heard) == 50


def test_a_server_that_gets_no_further_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_probe, "_ask", Loading(50, says=lambda _: "loading 7 %"))
    monkeypatch.setattr(server_probe, "time", SimpleNamespace(monotonic=Steps()))
    link = ServerLink("tcp://127.0.0.1:1")
    with pytest.raises(NoServerError, match="got no further in 240 s"):
        server_probe._ask_until_loaded(link, "there", lambda: "", lambda _: None)


def test_a_door_that_loads_is_heard_and_is_no_stranger() -> None:
    sentences = iter(f"loading {percent} %" for percent in itertools.count(3))
    with (
        RouterSocket("tcp://127.0.0.1:*") as door,
        LoadingDoor(door, lambda: next(sentences)),
    ):
        assert port.stranger(door.endpoint) == ""
        with pytest.raises(DeadlineExceededError) as caught:
            server_probe._ask(ServerLink(door.endpoint), "there", 1.0)
    assert caught.value.loading.startswith("loading ")


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff" * 64, b"220 mail\r\n"])
def test_something_else_on_the_port_is_named(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = other.accept()
                    connection.sendall(says)
                    kept.append(connection)

        kept: list[socket.socket] = []
        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NoServerError, match=f"something else uses port {number}") as caught:
            look_at_server(rig(endpoint=ABSENT.format(number)), may_start=True)
        other.close()
    assert f"process {os.getpid()}" in str(caught.value)
    for connection in kept:
        connection.close()


def test_something_else_behind_a_socket_file_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "socket"))
        other.listen()
        assert "something else uses ipc://" in port.stranger(f"ipc://{tmp_path}/socket")


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:{}", "ipc:///no/such/socket"])
def test_nobody_is_no_stranger(endpoint: str) -> None:
    there = endpoint.format(free_port())
    assert port.stranger(there) == ""
    assert not port.listens(there)


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
        with pytest.raises(NoServerError, match="does not know the key of this machine: add"):
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
