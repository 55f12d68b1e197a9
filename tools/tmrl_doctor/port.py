"""Who listens at an endpoint: nobody, something that speaks ZeroMQ, or something else."""

import contextlib
import socket
from collections.abc import Generator
from urllib.parse import urlsplit

import psutil

_CONNECT_S = 3.0
_GREETING_S = 3.0
_GREETING_BYTES = 10
"""A ZeroMQ peer begins with 0xFF, eight bytes and 0x7F as soon as somebody connects."""


def listens(endpoint: str) -> bool:
    """Whether any process does.

    Args:
        endpoint: Such as "tcp://127.0.0.1:5760" or "ipc:///tmp/socket".
    """
    try:
        with _connected(endpoint):
            return True
    except OSError:
        return False


def stranger(endpoint: str) -> str:
    """Says who listens there without speaking ZeroMQ; empty where nobody does, or all is well.

    Args:
        endpoint: As of `listens`.
    """
    try:
        with _connected(endpoint) as peer:
            greeting = _first_bytes(peer)
    except OSError:
        return ""
    if len(greeting) == _GREETING_BYTES and greeting[0] == 0xFF and greeting[-1] == 0x7F:
        return ""
    parts = urlsplit(endpoint)
    place = f"port {parts.port}" if parts.scheme == "tcp" else endpoint
    return f"something else uses {place}{_owner(parts.port) if parts.port else ''}"


@contextlib.contextmanager
def _connected(endpoint: str) -> Generator[socket.socket]:
    """A socket at an endpoint; raises OSError where nobody listens."""
    parts = urlsplit(endpoint)
    if parts.scheme == "ipc":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(endpoint.removeprefix("ipc://"))
            yield peer
    else:
        with socket.create_connection((parts.hostname, parts.port), _CONNECT_S) as peer:
            yield peer


def _first_bytes(peer: socket.socket) -> bytes:
    """What a peer sends by itself, as far as a greeting; nothing where it waits to be asked."""
    peer.settimeout(_GREETING_S)
    received = b""
    with contextlib.suppress(OSError):
        while len(received) < _GREETING_BYTES:
            more = peer.recv(_GREETING_BYTES - len(received))
            if not more:
                break
            received += more
    return received


def _owner(port: int) -> str:
    """Which process of this machine listens at a port, as far as this user may know."""
    try:
        for each in psutil.net_connections("tcp"):
            bound = each.laddr[1] if each.laddr else 0
            if each.status == psutil.CONN_LISTEN and bound == port and each.pid:
                return f" (process {each.pid}: {' '.join(psutil.Process(each.pid).cmdline())})"
    except psutil.Error:
        return ""
    return ""
