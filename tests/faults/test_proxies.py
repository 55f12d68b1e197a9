"""The proxies: what passes arrives whole, and each disturbance is what its name says."""

import socket
import threading
from collections.abc import Iterator

import pytest
import zmq

from tmrl_common.ports import free_port

from .message_proxy import MessageProxy
from .plan import COMMAND, PARTS, Disturbance, Kind, draw
from .tcp_proxy import TcpProxy

TIMEOUT_S = 20.0


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything again; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    while data := client.recv(65_536):
                        client.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def say(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    heard = b""
    while len(heard) < len(data):
        heard += client.recv(65_536)
    return heard


@pytest.mark.parametrize("disturbance", [None, Disturbance.DELAY, Disturbance.PIECES])
def test_bytes_arrive_whole_and_in_order(echo: int, disturbance: Disturbance | None) -> None:
    port = free_port()
    data = bytes(range(256)) * 40
    with TcpProxy(port, echo, 0) as proxy:
        proxy.disturb(disturbance)
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
            assert say(client, data) == data


def test_a_stall_keeps_the_connection_and_loses_nothing(echo: int) -> None:
    port = free_port()
    with (
        TcpProxy(port, echo, 0) as proxy,
        socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client,
    ):
        assert say(client, b"before") == b"before"
        proxy.disturb(Disturbance.STALL)
        client.sendall(b"meanwhile")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(TIMEOUT_S)
        proxy.disturb(None)
        assert client.recv(65_536) == b"meanwhile"


def test_a_cut_ends_connections_and_refuses_others_until_it_is_over(echo: int) -> None:
    port = free_port()
    with TcpProxy(port, echo, 0) as proxy:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
            assert say(client, b"before") == b"before"
            proxy.disturb(Disturbance.CUT)
            assert ended(client)
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
            assert ended(client)
        proxy.disturb(None)
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
            assert say(client, b"after") == b"after"


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


class Talk:
    """A client behind the proxy, and a server that answers when it is asked to."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", door: int, server: int) -> None:
        self.server = context.socket(zmq.ROUTER)
        self.server.bind(f"tcp://127.0.0.1:{server}")
        self.client = context.socket(zmq.DEALER)
        self.client.connect(f"tcp://127.0.0.1:{door}")
        for each in (self.server, self.client):
            each.setsockopt(zmq.LINGER, 0)
            each.setsockopt(zmq.RCVTIMEO, int(1e3 * TIMEOUT_S))

    def ask(self, *questions: bytes) -> None:
        """The server answers each question with itself."""
        for question in questions:
            self.client.send_multipart([question, b"body"])
            self.server.send_multipart(self.server.recv_multipart())

    def hear(self, count: int) -> list[bytes]:
        """First frames of so many answers."""
        return [self.client.recv_multipart()[0] for _ in range(count)]


@pytest.fixture
def talk() -> Iterator[tuple[Talk, MessageProxy]]:
    door, server = free_port(), free_port()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    talk = Talk(context, door, server)
    with MessageProxy(door, server, 0) as proxy:
        yield talk, proxy
    context.destroy(linger=0)


def test_answers_come_back_to_who_asked(talk: tuple[Talk, MessageProxy]) -> None:
    conversation, _ = talk
    conversation.ask(b"1", b"2")
    assert conversation.hear(2) == [b"1", b"2"]


def test_an_answer_comes_twice(talk: tuple[Talk, MessageProxy]) -> None:
    conversation, proxy = talk
    conversation.ask(b"0")
    proxy.disturb(Disturbance.DOUBLED_ANSWERS)
    conversation.ask(b"1")
    assert conversation.hear(3) == [b"0", b"1", b"1"]


def test_an_answer_comes_after_the_next_one(talk: tuple[Talk, MessageProxy]) -> None:
    conversation, proxy = talk
    proxy.disturb(Disturbance.SWAPPED_ANSWERS)
    conversation.ask(b"1", b"2")
    assert conversation.hear(2) == [b"2", b"1"]


def test_late_answers_all_come(talk: tuple[Talk, MessageProxy]) -> None:
    conversation, proxy = talk
    proxy.disturb(Disturbance.LATE_ANSWERS)
    names = [str(number).encode() for number in range(20)]
    conversation.ask(*names)
    heard = conversation.hear(20)
    assert sorted(heard) == sorted(names)
    assert heard != names, "their order changes"


def test_a_seed_draws_the_same_faults_again_and_every_part_in_turn() -> None:
    faults = draw(7, 20)
    assert faults == draw(7, 20) != draw(8, 20)
    kills = [fault.target for fault in faults if fault.kind is Kind.KILL]
    assert len(kills) == 20
    assert {kills.count(part) for part in PARTS} == {2, 3}
    assert COMMAND in kills
    assert len(faults) == 40
