"""A CSP-pi0 of full size, served on a CPU: 3.24 G random weights, in bfloat16 on the disk.

Writes the weights, starts the policy server on them as a user does, greets it while it loads, asks
for a chunk, and ends it in the middle of the next one. Its peak resident memory, mapped pages of
the file included, must stay within 1.15 times the weights in the type that it computes in. Takes
7 GB of disk, as much memory (twice that with `--dtype float32`), and some minutes.

The ratios compare the products of one layer in both types, at full size and at tiny size.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch.nn import functional

from tmrl_common.errors import DeadlineExceededError, TmrlError
from tmrl_common.ports import free_port
from tmrl_common.storage import prepare_folder
from tmrl_common.transport import PolicyClient
from tmrl_common.types import Observation, SteeringLimits, SteeringSource
from tmrl_policies.pi0.config import FULL, IMAGE_SIZE_PX, PRESETS, TINY, Pi0Config
from tmrl_policies.pi0.inputs.rigs import BRIDGE
from tmrl_policies.pi0.inputs.settings import DTYPES
from tmrl_policies.pi0.inputs.testing import write_companions
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.policy import usual_dtype
from tmrl_policies.pi0.weights import openpi_tensors, to_bfloat16
from tmrl_policies.pi0.weights_file import FILE_NAME

_MOST_MEMORY = 1.15
_ROOM_MB = 7000
_START_S = 3600.0
_CHUNK_S = 1200.0
_ASK_EVERY_S = 1.0
_PIECE_ELEMENTS = 1 << 24
_WIDE = SteeringLimits(sigma_cap=1.0, z_cap=2.0, epsilon_cap=2.0)
_SAFETENSORS = {torch.bfloat16: "BF16", torch.float32: "F32"}
_TURNS = 5


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; passes where memory is within its bound, the chunk finite and the end orderly."""
    options = _options(argv)
    torch.set_num_threads(options.threads)
    layers = {
        size: _layer_ms(config, torch.float32) / _layer_ms(config, torch.bfloat16)
        for size, config in (("full", FULL), ("tiny", TINY))
    }
    with _folder(options.folder) as folder:
        began_s = time.monotonic()
        weights, computed_bytes = write_checkpoint(folder, PRESETS[options.size], options.dtype)
        write_s = time.monotonic() - began_s
        served = _served(folder, options.dtype, options.threads)
    per_weights = served["peak_rss_bytes"] / computed_bytes
    finite, ended = served["chunk_is_finite"], served["exit_code"] == 0
    return {
        "ratios": {f"bfloat16_vs_float32_layer_{size}": ratio for size, ratio in layers.items()},
        "figures": {
            "dtype": options.dtype,
            "threads": options.threads,
            "weights": weights,
            "weights_bytes": computed_bytes,
            "write_s": write_s,
            "peak_rss_per_weights_bytes": per_weights,
            **served,
        },
        "passed": per_weights <= _MOST_MEMORY and finite and ended,
    }


def write_checkpoint(folder: Path, config: Pi0Config, dtype: str) -> tuple[int, int]:
    """Writes a checkpoint of random weights in bfloat16, of which only a piece is ever in memory.

    Returns:
        Number of weights, and the bytes that they take in a type.
    """
    with torch.device("meta"):
        tensors = openpi_tensors(to_bfloat16(Pi0(config)))
        computed = to_bfloat16(Pi0(config)) if dtype == "bfloat16" else Pi0(config)
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _SAFETENSORS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    with (folder / FILE_NAME).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, tensor in tensors.items():
            _write_random(file, name, tensor, generator)
    write_companions(folder, BRIDGE, config)
    sizes = [(tensor.numel(), tensor.element_size()) for tensor in computed.state_dict().values()]
    return sum(count for count, _ in sizes), sum(count * size for count, size in sizes)


def _write_random(
    file: BinaryIO, name: str, tensor: torch.Tensor, generator: torch.Generator
) -> None:
    """Values that keep the activations of a deep network of the order of one."""
    fan_in = tensor[0].numel() if tensor.dim() > 1 else 1
    std = 0.02 if "norm" in name or name.endswith("bias") else fan_in**-0.5
    left = tensor.numel()
    while left:
        count = min(left, _PIECE_ELEMENTS)
        values = torch.empty(count, dtype=tensor.dtype).normal_(0.0, std, generator=generator)
        file.write(values.view(torch.uint8).numpy())
        left -= count


def _served(folder: Path, dtype: str, threads: int) -> dict[str, Any]:
    """Starts the server, asks it, ends it, and says what was seen."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    options = {
        "--checkpoint": folder,
        "--dino": "none",
        "--device": "cpu",
        "--dtype": dtype,
        "--threads": threads,
        "--bind": endpoint,
    }
    command = [sys.executable, "-m", "tmrl_policy_server"]
    command += [str(part) for pair in options.items() for part in pair]
    log = folder / "server.log"
    began_s = time.monotonic()
    with log.open("wb") as output:
        server = subprocess.Popen(command, stderr=output)
    try:
        with PolicyClient(endpoint, client="bench", robot="bench") as client:
            answers = _wait_until_ready(client, server, log, began_s)
            ready_s, peak_ready = time.monotonic() - began_s, _peak_rss_bytes(server.pid)
            asked_s = time.monotonic()
            chunk = client.act(
                _observation(), _WIDE, SteeringSource.UNIFORM, deadline_s=_CHUNK_S, seed=1
            )
            chunk_s, peak = time.monotonic() - asked_s, _peak_rss_bytes(server.pid)
            exit_code, end_s = _ended_in_mid_pass(client, server)
    finally:
        server.kill()
        server.wait()
    return {
        "answers_while_loading": len(answers),
        "first_answer_s": answers[0][0],
        "middle_answer": answers[len(answers) // 2][1],
        "last_answer": answers[-1][1],
        "ready_s": ready_s,
        "peak_rss_ready_bytes": peak_ready,
        "peak_rss_bytes": peak,
        "chunk_s": chunk_s,
        "chunk_shape": list(chunk.actions.shape),
        "chunk_is_finite": bool(np.isfinite(chunk.actions).all()),
        "exit_code": exit_code,
        "end_s": end_s,
    }


def _wait_until_ready(
    client: PolicyClient, server: "subprocess.Popen[bytes]", log: Path, began_s: float
) -> list[tuple[float, str]]:
    """When which answer came until the welcome, seconds since the start."""
    answers: list[tuple[float, str]] = []
    while server.poll() is None:
        try:
            client.connect(deadline_s=_ASK_EVERY_S)
        except DeadlineExceededError as error:
            if "not ready yet" in error.detail:
                answers.append((time.monotonic() - began_s, error.detail.partition(": ")[2]))
            if time.monotonic() - began_s > _START_S:
                raise
        else:
            return answers
    raise RuntimeError(f"the server ended with {server.returncode}: {log.read_text()}")


def _ended_in_mid_pass(
    client: PolicyClient, server: "subprocess.Popen[bytes]"
) -> tuple[int, float]:
    """Exit code after a SIGTERM while a chunk is made, and how long the end took."""

    def ask() -> None:
        with contextlib.suppress(TmrlError):
            client.act(_observation(), _WIDE, SteeringSource.UNIFORM, deadline_s=_CHUNK_S, seed=2)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    with PolicyClient(client.endpoint, client="watch", robot="bench") as watch:
        # A tiny one may be done before it is seen.
        while asking.is_alive() and watch.ping(deadline_s=_CHUNK_S).busy_s == 0.0:
            time.sleep(0.05)
    began_s = time.monotonic()
    server.send_signal(signal.SIGTERM)
    code = server.wait(_CHUNK_S)
    return code, time.monotonic() - began_s


def _observation() -> Observation:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3), dtype=np.uint8)
    state = rng.standard_normal(BRIDGE.state_dim).astype(np.float32)
    names = dict.fromkeys(BRIDGE.camera_names, image)
    return Observation(state, np.zeros(0, np.float32), names, "put the carrot in the pot")


def _peak_rss_bytes(pid: int) -> int:
    """Largest resident memory of a process until now; Linux counts mapped files in it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


@torch.inference_mode()
def _layer_ms(config: Pi0Config, dtype: torch.dtype) -> float:
    """The products of one layer of both streams for a chunk with one camera, best of a few."""
    prefix_tokens = config.siglip.tokens + config.prompt_tokens // 2
    products = [
        (prefix_tokens, config.prefix.width, 2 * config.prefix.mlp),
        (prefix_tokens, config.prefix.mlp, config.prefix.width),
        *[(config.horizon, config.expert.width, 2 * config.expert.mlp)] * config.flow_steps,
        *[(config.horizon, config.expert.mlp, config.expert.width)] * config.flow_steps,
    ]
    operands = {
        shape: (
            torch.randn(shape[0], shape[1]).to(dtype),
            torch.randn(shape[2], shape[1]).to(dtype),
        )
        for shape in set(products)
    }
    times_s: list[float] = []
    for _ in range(_TURNS):
        began_s = time.perf_counter()
        for shape in products:
            functional.linear(*operands[shape])
        times_s.append(time.perf_counter() - began_s)
    return 1e3 * min(times_s)


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    """Where the weights go; nothing of them is left behind."""
    parent = prepare_folder(given or Path(tempfile.gettempdir()), _ROOM_MB)
    with tempfile.TemporaryDirectory(prefix="pi0_full_", dir=parent) as folder:
        yield Path(folder)


def _options(argv: list[str]) -> argparse.Namespace:
    usual = usual_dtype(torch.device("cpu"), FULL)
    parser = argparse.ArgumentParser(prog="./tmrl bench pi0-full-cpu")
    add = parser.add_argument
    add("--dtype", choices=DTYPES, default=usual, help=f"here the server takes {usual}")
    add("--threads", type=int, default=1, help="of the server's arithmetic (default: 1)")
    add("--folder", type=Path, help="where 7 GB find room; default: that of temporary files")
    add("--size", choices=sorted(PRESETS), default="full", help="tiny tries the bench itself")
    return parser.parse_args(argv)
