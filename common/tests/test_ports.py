"""Ports that stay free until the server that shall have them starts."""

import socket
from pathlib import Path

import pytest

from tmrl_common.ports import free_port


def test_a_port_is_none_that_an_outgoing_connection_may_take(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("25000\t60999\n")
    ports = [free_port(tmp_path / "range") for _ in range(50)]
    assert all(20_000 <= port < 25_000 for port in ports)
    assert len(set(ports)) > 25, "processes that look at the same time find different ones"


@pytest.mark.parametrize("text", ["1024 65000", "garbage", ""])
def test_a_port_is_found_whatever_the_system_says(tmp_path: Path, text: str) -> None:
    (tmp_path / "range").write_text(text)
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port(tmp_path / "range")))
    assert free_port(tmp_path / "absent") > 0


def test_a_port_that_somebody_listens_on_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("21000 60999")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port(tmp_path / "range")))
        taken.listen()
        port = taken.getsockname()[1]
        assert all(free_port(tmp_path / "range") != port for _ in range(100))
