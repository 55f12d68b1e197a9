"""Policy servers as processes of a benchmark's file: ours, and one of openpi's protocol."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tmrl_common.ports import free_port

_READY = "ready"


@contextmanager
def serving(file: str, kind: str, *words: str | Path) -> Iterator[int]:
    """Runs `python FILE KIND PORT WORDS`, which serves until it is killed; gives the port.

    Raises:
        RuntimeError: It did not start.
    """
    port = free_port()
    command = [sys.executable, file, kind, str(port), *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != _READY:
                raise RuntimeError(f"the server '{kind}' did not start")
            yield port
        finally:
            process.kill()


def serve_tmrl(port: int, engine: Any, security: Any = None) -> None:
    """Our server around an engine; with encryption where there is a `ServerSecurity`."""
    from tmrl_common.clock import SteadyClock
    from tmrl_common.transport import RouterSocket
    from tmrl_policy_server.config import ServerLimits
    from tmrl_policy_server.inference import InlineInference
    from tmrl_policy_server.server import PolicyServer

    with RouterSocket(f"tcp://127.0.0.1:{port}", security) as router:
        server = PolicyServer(InlineInference(engine, SteadyClock()), router, ServerLimits())
        _say_ready()
        server.run(lambda: False)


def serve_openpi(port: int, infer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A server of openpi's websocket protocol, as openpi's own does it: metadata first."""
    from openpi_client import msgpack_numpy
    from websockets.asyncio.server import ServerConnection, serve

    async def converse(connection: ServerConnection) -> None:
        packer = msgpack_numpy.Packer()
        await connection.send(packer.pack({}))
        async for message in connection:
            await connection.send(packer.pack(infer(msgpack_numpy.unpackb(message))))

    async def forever() -> None:
        async with serve(converse, "127.0.0.1", port, compression=None, max_size=None) as server:
            _say_ready()
            await server.serve_forever()

    asyncio.run(forever())


def _say_ready() -> None:
    sys.stdout.write(_READY + "\n")
    sys.stdout.flush()
