"""Two policy servers whose network only sleeps: ours, and one of openpi's protocol.

`python session_servers.py tmrl|openpi PORT SECONDS` is one of them, until it is killed.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from session_setting import ACTIONS, CAMERAS, HORIZON, STATE

from tmrl_common.ports import free_port

_STEP_M = 0.002
_READY = "ready"


def _serve_tmrl(port: int, think_s: float) -> None:
    """Our policy server with a network that sleeps."""
    from tmrl_common.clock import SteadyClock
    from tmrl_common.messages import Act, ChunkReply, Timings
    from tmrl_common.transport import RouterSocket
    from tmrl_common.types import FloatArray, Observation, PolicySpec, Steering
    from tmrl_policy_server.config import ServerLimits
    from tmrl_policy_server.engine import Engine
    from tmrl_policy_server.inference import InlineInference
    from tmrl_policy_server.server import PolicyServer

    actions, nothing = _chunk(), np.zeros(0, dtype=np.float32)
    features, z = np.zeros(STATE, dtype=np.float32), np.zeros(ACTIONS, dtype=np.float32)

    class Sleeping(Engine):
        """Sleeps, then answers every request with the same chunk."""

        def __init__(self) -> None:
            self.spec = PolicySpec(
                action_space="bridge_delta_ee_7",
                action_dim=ACTIONS,
                horizon=HORIZON,
                proprio_dim=STATE,
                context_dim=0,
                cameras=CAMERAS,
                z_dim=ACTIONS,
                epsilon_dim=1,
                features_dim=STATE,
                policy_version="none",
                statistics_hash="none",
            )

        def act_batch(self, requests: Sequence[Act]) -> list[Any]:
            time.sleep(think_s)
            times = Timings(0.0, 0.0, 0.0, think_s, think_s)
            return [
                ChunkReply(
                    actions=actions,
                    steering=Steering(request.source, z, 0.0, nothing),
                    features=features,
                    policy_version="none",
                    actor_version=0,
                    seed=request.seed,
                    timings=times,
                )
                for request in requests
            ]

        def encode(self, observation: Observation) -> FloatArray:
            return features

    with RouterSocket(f"tcp://127.0.0.1:{port}", None) as router:
        inference = InlineInference(Sleeping(), SteadyClock())
        server = PolicyServer(inference, router, ServerLimits())
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
