"""The web server's thread, and the socket on which it listens."""

import errno
import socket
import threading

import uvicorn
from fastapi import FastAPI

from tmrl_common.errors import LocalError
from tmrl_console.params import PORTS

_STOP_S = 3.0
_EVERYWHERE = ("0.0.0.0", "::")
"""No address that a tablet could open: it gets this machine's name."""


class PortError(LocalError):
    """The page cannot be served at the address that was asked for."""


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket.

    Args:
        host: Address or name of this machine.
        port: 0: the lowest of `PORTS` that is free.

    Raises:
        PortError: Names what is in the way, and the remedy.
    """
    for candidate in [port] if port else PORTS:
        try:
            return _bound(host, candidate)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise PortError(_sentence(host, candidate, error)) from error
    taken = f"port {port} is" if port else f"ports {PORTS[0]} to {PORTS[-1]} are all"
    raise PortError(
        f"{taken} in use on {host}, perhaps by another session's console: end that one, or give "
        "another number, such as console.port:=8500"
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(64)
    except BaseException:
        made.close()
        raise
    return made


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"port {port} needs root; give one from 1024 on, such as console.port:=8350"
    return (
        f"console.host is {host!r}, on which this machine cannot listen ({error}): give one of its "
        "own addresses, or 127.0.0.1"
    )


class WebThread(threading.Thread):
    """Serves an application until it is closed.

    Attributes:
        address: Where the page is found.
    """

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        """Prepares the server; `start` runs it.

        Args:
            app: What is served.
            listening: On which socket; closed at the end.
        """
        super().__init__(name="web", daemon=True)
        self._listening = listening
        host, port = listening.getsockname()[:2]
        if host in _EVERYWHERE:
            host = socket.gethostname()
        self.address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                ws="websockets-sansio",
                ws_max_size=2**16,
                ws_per_message_deflate=False,
                ws_ping_interval=5.0,
                ws_ping_timeout=5.0,
                timeout_graceful_shutdown=1,
            )
        )

    def run(self) -> None:
        """Serves; runs in the thread."""
        self._server.run(sockets=[self._listening])

    def close(self) -> None:
        """Ends the server and waits for its thread."""
        self._server.should_exit = True
        if self.is_alive():
            self.join(_STOP_S)
        self._listening.close()
