import re
import socket
import stat
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace

import numpy as np
import pytest

from tmrl_common.desk_messages import Offer
from tmrl_common.errors import (
    DeadlineExceededError,
    ErrorCode,
    HandshakeRefusedError,
    RequestError,
    TransportError,
)
from tmrl_common.messages import Pong
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transport import (
    ClientSecurity,
    KeyPair,
    PolicyClient,
    RouterSocket,
    ServerSecurity,
)
from tmrl_common.transport.curve import (
    client_security,
    is_local,
    read_keys,
    server_security,
)

PATIENCE_S = 60.0


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("tcp://127.0.0.1:5760", True),
        ("tcp://127.0.0.1:*", True),
        ("tcp://localhost:5760", True),
        ("tcp://[::1]:5760", True),
        ("ipc:///run/server", True),
        ("inproc://server", True),
        ("tcp://0.0.0.0:5760", False),
        ("tcp://*:5760", False),
        ("tcp://eth0:5760", False),
        ("tcp://192.168.1.5:5760", False),
        ("tcp://localhost.example.com:5760", False),
        ("tcp://[::]:5760", False),
    ],
)
def test_what_can_be_reached_from_elsewhere(endpoint, local):
    assert is_local(endpoint) is local


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:*", "tcp://*:*"])
def test_beyond_this_machine_nobody_listens_without_keys(endpoint):
    with pytest.raises(TransportError, match="no keys are given"):
        RouterSocket(endpoint)


def test_an_allow_list_that_allows_nobody_is_refused():
    with pytest.raises(ValueError, match="allow-list is empty"):
        ServerSecurity(KeyPair.new(), frozenset())


def test_only_clients_on_the_allow_list_get_through():
    server_keys, known, unknown = KeyPair.new(), KeyPair.new(), KeyPair.new()
    security = ServerSecurity(server_keys, frozenset({known.public}))

    def client(keys):
        chosen = ClientSecurity(keys, server_keys.public) if keys else None
        return PolicyClient(server.endpoint, client="test", robot="widowx", security=chosen)

    with FakePolicyServer(EXAMPLE_SPEC, security=security) as server:
        with client(known) as welcome:
            assert isinstance(welcome.ping(deadline_s=PATIENCE_S), Pong)
        for keys, why in ((unknown, f"add {unknown.public.decode()} to"), (None, "has none: give")):
            with (
                client(keys) as stranger,
                pytest.raises(HandshakeRefusedError, match=re.escape(why)),
            ):
                stranger.ping(deadline_s=PATIENCE_S)


def test_without_keys_a_server_that_drops_every_handshake_is_taken_for_one_that_asks_for_some():
    # What a busy machine makes of it: the server hangs up before its objection is read.
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drop():
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=drop, daemon=True).start()
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with (
            PolicyClient(endpoint, client="test", robot="widowx") as stranger,
            pytest.raises(HandshakeRefusedError, match="has none: give"),
        ):
            stranger.ping(deadline_s=PATIENCE_S)


def test_keys_that_do_not_fit_are_named_on_the_side_that_has_them():
    server_keys, known, other = KeyPair.new(), KeyPair.new(), KeyPair.new()
    security = ServerSecurity(server_keys, frozenset({known.public}))

    def refused(server, server_public, why):
        chosen = ClientSecurity(known, server_public)
        with (
            PolicyClient(server.endpoint, client="test", robot="widowx", security=chosen) as client,
            pytest.raises(HandshakeRefusedError, match=why) as refusal,
        ):
            client.connect(deadline_s=PATIENCE_S)
        assert refusal.value.code is ErrorCode.KEYS_REFUSED

    with FakePolicyServer(EXAMPLE_SPEC, security=security) as server:
        refused(server, other.public, "server_key is not the public key of this server")
    with FakePolicyServer(EXAMPLE_SPEC) as server:
        refused(server, server_keys.public, "has no keys")


def test_a_machine_whose_key_is_added_gets_through_without_a_restart_of_its_own():
    server_keys, known, late = KeyPair.new(), KeyPair.new(), KeyPair.new()
    security = ServerSecurity(server_keys, frozenset({known.public}))
    with ExitStack() as stack:
        server = stack.enter_context(FakePolicyServer(EXAMPLE_SPEC, security=security))
        chosen = ClientSecurity(late, server_keys.public)
        client = stack.enter_context(
            PolicyClient(server.endpoint, client="test", robot="widowx", security=chosen)
        )
        with pytest.raises(HandshakeRefusedError, match="does not know the key"):
            client.connect(deadline_s=PATIENCE_S)
        server.close()
        again = replace(security, allowed=frozenset({known.public, late.public}))
        stack.enter_context(FakePolicyServer(EXAMPLE_SPEC, server.endpoint, again))

        def is_welcome() -> bool:
            with suppress(HandshakeRefusedError, DeadlineExceededError):
                client.connect(deadline_s=1.0)
            return client.connected

        wait_until(is_welcome, "a welcome", PATIENCE_S)


def test_a_key_of_one_robot_speaks_for_no_other(tmp_path):
    pairs = {name: KeyPair.new() for name in ("server", "left", "learner")}
    for name, pair in pairs.items():
        pair.save(tmp_path / name)
    allowed = tmp_path / "allowed"
    allowed.write_bytes(
        pairs["left"].public + b" lab bench robot=left\n" + pairs["learner"].public + b" gpu\n"
    )
    security = server_security(tmp_path / "server", allowed)

    def client(keys, robot):
        chosen = ClientSecurity(keys, pairs["server"].public)
        return PolicyClient(server.endpoint, client="test", robot=robot, security=chosen)

    with FakePolicyServer(EXAMPLE_SPEC, security=security) as server:
        with client(pairs["left"], "left") as arm:
            assert isinstance(arm.ping(deadline_s=PATIENCE_S), Pong)
            for_another = Offer("right", "run", "a", 0, 0, 0, np.zeros(0, np.uint8))
            with pytest.raises(RequestError, match=r"key is that of robot left.*speaks for right"):
                arm.offer(for_another, deadline_s=PATIENCE_S)
            arm.offer(replace(for_another, robot="left"), deadline_s=PATIENCE_S)
        refusal = pytest.raises(HandshakeRefusedError, match=r"robot:=left.*robot=right")
        with client(pairs["left"], "right") as thief, refusal:
            thief.connect(deadline_s=PATIENCE_S)
        for robot in ("left", "right"):
            with client(pairs["learner"], robot) as learner:
                learner.connect(deadline_s=PATIENCE_S)


@pytest.mark.parametrize("words", ["robt=left", "robot=", "robot=wx-left", "key=5"])
def test_what_may_be_a_misspelt_owner_is_refused(tmp_path, words):
    KeyPair.new().save(tmp_path / "server")
    (tmp_path / "allowed").write_bytes(KeyPair.new().public + f" {words}\n".encode())
    with pytest.raises(TransportError, match=f"says {words} after a key; it may say robot=NAME"):
        server_security(tmp_path / "server", tmp_path / "allowed")


def test_keys_on_disk(tmp_path):
    pair = KeyPair.new()
    pair.save(tmp_path / "server.key")
    assert KeyPair.load(tmp_path / "server.key") == pair
    assert read_keys(tmp_path / "server.key.pub") == {pair.public}
    assert stat.S_IMODE((tmp_path / "server.key").stat().st_mode) == 0o600
    assert pair.secret.decode() not in repr(pair)
    with pytest.raises(FileExistsError):
        KeyPair.new().save(tmp_path / "server.key")


def test_allow_lists_may_hold_comments_and_nothing_but_keys(tmp_path):
    keys = [KeyPair.new().public for _ in range(2)]
    path = tmp_path / "allowed"
    path.write_bytes(b"# robots\n\n" + keys[0] + b" widowx\n" + keys[1] + b"\n")
    assert read_keys(path) == set(keys)
    path.write_bytes(b"short\n")
    with pytest.raises(TransportError, match="5 characters"):
        read_keys(path)
    with pytest.raises(TransportError, match="cannot be read"):
        read_keys(tmp_path / "absent")


def test_a_client_takes_its_keys_from_files_and_both_of_them(tmp_path):
    mine, servers = tmp_path / "robot.key", tmp_path / "server.key"
    KeyPair.new().save(mine)
    KeyPair.new().save(servers)
    security = client_security(str(mine), f"{servers}.pub")
    assert security.keys == KeyPair.load(mine)
    assert security.server_public == KeyPair.load(servers).public
    assert client_security("", "") is None
    with pytest.raises(TransportError, match="client_key and server_key go together"):
        client_security(str(mine), "")
    with pytest.raises(TransportError, match=r"other\.pub cannot be read"):
        client_security(str(mine), str(tmp_path / "other.pub"))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_secret_key_that_others_may_open_is_refused_with_the_remedy(tmp_path, mode):
    path = tmp_path / "robot.key"
    KeyPair.new().save(path)
    path.chmod(mode)
    with pytest.raises(TransportError, match=f"has mode {mode:04o}.*chmod 600 {path}"):
        KeyPair.load(path)
    path.chmod(0o600)
    KeyPair.load(path)
