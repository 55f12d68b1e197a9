"""What the wire costs: our client and server against openpi's, with a policy that costs nothing.

The same request (two 224x224 RGB images and a state of 7) and the same answer (32x7 float32) over
loopback TCP, each server in a process of its own, in turns within one run so that a busy machine
slows all alike. Ours is everything around the engine: `PolicyClient`, codec, protocol and server,
with and without encryption. Theirs is `openpi_client` against a server that speaks its protocol as
openpi's own does: metadata first, then one msgpack message in and one out, without compression or
limit of size.

The first request of a turn takes twice as long for everybody. In turns of 100 it would be the p99
by itself; by default a turn has 500.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from no_engine import no_engine
from server_processes import serve_openpi, serve_tmrl, serving

_IMAGE, _STATE, _HORIZON, _ACTIONS = (224, 224, 3), 7, 32, 7
_CAMERAS = ("exterior", "wrist")
_PATIENCE_S = 60.0
_WARM_UP = 200

Infer = Callable[[], Any]


def observation() -> Any:
    """What both are asked with, as our message."""
    from tmrl_common.types import Observation

    rng = np.random.default_rng(0)
    return Observation(
        proprio=rng.standard_normal(_STATE).astype(np.float32),
        context=np.zeros(0, dtype=np.float32),
        images={name: rng.integers(0, 255, _IMAGE, dtype=np.uint8) for name in _CAMERAS},
    )


def _serve_tmrl(port: int, keys: Path | None) -> None:
    """Our server; with encryption where there are keys."""
    from tmrl_common.transport import KeyPair, ServerSecurity
    from tmrl_common.transport.curve import read_keys

    security = None
    if keys is not None:
        allowed = read_keys(keys / "client.pub")
        security = ServerSecurity(KeyPair.load(keys / "server"), allowed)
    engine = no_engine(np.zeros((_HORIZON, _ACTIONS), dtype=np.float32), _STATE, _CAMERAS)
    serve_tmrl(port, engine, security)


def _serve_openpi(port: int) -> None:
    """A server of openpi's websocket protocol."""
    actions = np.zeros((_HORIZON, _ACTIONS), dtype=np.float32)

    def infer(seen: dict[str, Any]) -> dict[str, Any]:
        began_s = time.monotonic()
        assert seen["observation/wrist_image_left"].shape == _IMAGE
        infer_ms = 1e3 * (time.monotonic() - began_s)
        return {"actions": actions, "server_timing": {"infer_ms": infer_ms}}

    serve_openpi(port, infer)


def _tmrl_client(stack: ExitStack, keys: Path | None) -> Infer:
    from tmrl_common.transport import ClientSecurity, KeyPair, PolicyClient
    from tmrl_common.transport.curve import read_key
    from tmrl_common.types import SteeringLimits, SteeringSource

    port = stack.enter_context(serving(__file__, "tmrl", *([] if keys is None else [keys])))
    security = None
    if keys is not None:
        security = ClientSecurity(KeyPair.load(keys / "client"), read_key(keys / "server.pub"))
    client = stack.enter_context(
        PolicyClient(f"tcp://127.0.0.1:{port}", client="bench", robot="none", security=security)
    )
    limits = SteeringLimits(sigma_cap=1.0, z_cap=10.0, epsilon_cap=10.0)
    seen, base = observation(), SteeringSource.BASE
    return lambda: client.act(seen, limits, base, deadline_s=_PATIENCE_S, seed=0).actions


def _openpi_client(stack: ExitStack) -> Infer:
    from openpi_client.websocket_client_policy import WebsocketClientPolicy

    port = stack.enter_context(serving(__file__, "openpi"))
    client = WebsocketClientPolicy("127.0.0.1", port)
    seen = observation()
    request = {
        "observation/exterior_image_1_left": seen.images["exterior"],
        "observation/wrist_image_left": seen.images["wrist"],
        "observation/state": seen.proprio,
    }
    return lambda: client.infer(request)["actions"]


def _measure(clients: dict[str, Infer], requests: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every request, the clients in turns."""
    for infer in clients.values():
        for _ in range(_WARM_UP):
            assert infer().shape == (_HORIZON, _ACTIONS)
    times_ms: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(rounds):
        for name, infer in clients.items():
            for _ in range(requests // rounds):
                began_s = time.perf_counter()
                infer()
                times_ms[name].append(1e3 * (time.perf_counter() - began_s))
    return times_ms


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; the ratios are openpi's time through ours."""
    parser = argparse.ArgumentParser(prog="./tmrl bench wire")
    parser.add_argument("--requests", type=int, default=2000, help="of each (default: 2000)")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each (default: 4)")
    options = parser.parse_args(argv)
    from tmrl_common.transport import KeyPair

    with ExitStack() as stack:
        keys = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("server", "client"):
            KeyPair.new().save(keys / name)
        clients = {
            "openpi": _openpi_client(stack),
            "tmrl": _tmrl_client(stack, None),
            "tmrl_curve": _tmrl_client(stack, keys),
        }
        times_ms = _measure(clients, options.requests, options.rounds)
    p50 = {name: statistics.median(values) for name, values in times_ms.items()}
    p99 = {name: float(np.percentile(values, 99)) for name, values in times_ms.items()}
    figures: dict[str, float] = {"requests": float(len(times_ms["tmrl"]))}
    for name in clients:
        figures[f"{name}_p50_ms"], figures[f"{name}_p99_ms"] = p50[name], p99[name]
    return {
        "ratios": {
            "wire_p50": p50["openpi"] / p50["tmrl"],
            "wire_p99": p99["openpi"] / p99["tmrl"],
            "wire_curve_p50": p50["openpi"] / p50["tmrl_curve"],
        },
        "figures": figures,
    }


def _main(kind: str, port: str, *keys: str) -> None:
    if kind == "openpi":
        _serve_openpi(int(port))
    else:
        _serve_tmrl(int(port), Path(keys[0]) if keys else None)


if __name__ == "__main__":
    _main(*sys.argv[1:])
