"""Two policy servers whose network only sleeps: ours, and one of openpi's protocol.

`python session_servers.py tmrl|openpi PORT SECONDS` is one of them, until it is killed.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from no_engine import no_engine
from session_setting import ACTIONS, CAMERAS, HORIZON, STATE

from tmrl_common.ports import free_port

_STEP_M = 0.002
_READY = "ready"


def _serve_tmrl(port: int, think_s: float) -> None:
    """Our policy server with a network that sleeps."""
    from tmrl_common.clock import SteadyClock
    from tmrl_common.transport import RouterSocket
    from tmrl_policy_server.config import ServerLimits
    from tmrl_policy_server.inference import InlineInference
    from tmrl_policy_server.server import PolicyServer

    engine = no_engine(_chunk(), STATE, CAMERAS, think_s)
    with RouterSocket(f"tcp://127.0.0.1:{port}", None) as router:
        server = PolicyServer(InlineInference(engine, SteadyClock()), router, ServerLimits())
        _say_ready()
        server.run(lambda: False)


def _serve_openpi(port: int, think_s: float) -> None:
    """A server of openpi's protocol, with a network that sleeps."""
    from openpi_client import msgpack_numpy
    from websockets.asyncio.server import ServerConnection, serve

    actions = _chunk()

    async def converse(connection: ServerConnection) -> None:
        packer = msgpack_numpy.Packer()
        await connection.send(packer.pack({}))
        async for message in connection:
            msgpack_numpy.unpackb(message)
            time.sleep(think_s)
            await connection.send(packer.pack({"actions": actions}))

    async def forever() -> None:
        async with serve(converse, "127.0.0.1", port, compression=None, max_size=None) as server:
            _say_ready()
            await server.serve_forever()

    asyncio.run(forever())


def _say_ready() -> None:
    sys.stdout.write(_READY + "\n")
    sys.stdout.flush()


@contextmanager
def serving(kind: str, think_s: float) -> Iterator[int]:
    """A server process of this file; gives its port."""
    port = free_port()
    command = [sys.executable, __file__, kind, str(port), str(think_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != _READY:
                raise RuntimeError(f"the server '{kind}' did not start")
            yield port
        finally:
            process.kill()


def _chunk() -> "np.ndarray[Any, np.dtype[np.float32]]":
    """To and fro along one axis: the arm stays where it is in the mean."""
    actions = np.zeros((HORIZON, ACTIONS), dtype=np.float32)
    actions[:, 0] = np.where(np.arange(HORIZON) % 2 == 0, _STEP_M, -_STEP_M)
    actions[:, 6] = 1.0
    return actions


if __name__ == "__main__":
    kind, at, think = sys.argv[1:]
    (_serve_tmrl if kind == "tmrl" else _serve_openpi)(int(at), float(think))
