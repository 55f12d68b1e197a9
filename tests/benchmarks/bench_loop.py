"""What ROS 2 costs: the acting loop over real nodes against the same loop in one process.

Both run the frozen policy on the simulated WidowX, on the same layouts, without learning, in turns,
so that a busy machine slows both alike. The ROS side has what the in-process side lacks: six
processes, DDS, ZeroMQ, the safety layer, the journal.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from tmrl_bringup.layout import repository_root
from tmrl_cell.cell import WidowXCell
from tmrl_demo.report import read_history
from tmrl_experiments.inprocess.flow_base import FlowBase
from tmrl_experiments.inprocess.loop import InProcessLoop
from tmrl_experiments.widowx.task import PickTask
from tmrl_policies.flow_checkpoint import load_flow_policy

_CHECKPOINT = repository_root() / "policies/checkpoints/widowx_sim/csp"
_POLL_S = 0.01
_TIMEOUT_S = 300.0


def _in_process_steps_per_s(episodes: int, seed: int) -> float:
    """Control steps per second of the loop in this process."""
    policy = FlowBase(load_flow_policy(_CHECKPOINT).policy, seed)
    loop = InProcessLoop(policy, PickTask(WidowXCell(), "sausage"), None, seed)
    loop.run_episode()
    start_s = time.perf_counter()
    steps = sum(loop.run_episode().steps for _ in range(episodes))
    return steps / (time.perf_counter() - start_s)


def _labelled(run_dir: Path) -> int:
    ledger = run_dir / "episodes.jsonl"
    return ledger.read_text().count('"labelled"') if ledger.exists() else 0


def _ros_steps_per_s(episodes: int, seed: int) -> float:
    """Control steps per second of a demo session, from its first label to its last."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder, "run")
        arguments = ["demo", "--headless", "--no-video", "--method", "base"]
        arguments += ["--episodes", str(episodes + 1), "--seed", str(seed)]
        command = [sys.executable, "-m", "tmrl_cli.cli", *arguments, "--run-dir", str(run_dir)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            stamps_s: dict[int, float] = {}
            deadline_s = time.monotonic() + _TIMEOUT_S
            while process.poll() is None and time.monotonic() < deadline_s:
                stamps_s.setdefault(_labelled(run_dir), time.perf_counter())
                time.sleep(_POLL_S)
            if process.wait(timeout=1.0) != 0:
                raise RuntimeError(f"the session failed; see {run_dir}/logs")
        history = read_history(run_dir, "widowx")
        steps = sum(episode.steps for episode in history.episodes[1:])
        return steps / (stamps_s[episodes + 1] - stamps_s[1])


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; `ros_vs_inprocess` is the share of the in-process speed that remains over ROS."""
    parser = argparse.ArgumentParser(prog="./tmrl bench loop")
    parser.add_argument("--episodes", type=int, default=15, help="per round (default: 15)")
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turns (default: 3)")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    in_process: list[float] = []
    ros: list[float] = []
    for seed in range(options.rounds):
        in_process.append(_in_process_steps_per_s(options.episodes, seed))
        ros.append(_ros_steps_per_s(options.episodes, seed))
    ratios = [there / here for there, here in zip(ros, in_process, strict=True)]
    return {
        "ratios": {"ros_vs_inprocess": statistics.median(ratios)},
        "figures": {
            "inprocess_steps_per_s": statistics.median(in_process),
            "ros_steps_per_s": statistics.median(ros),
            "inprocess_ms_per_step": 1e3 / statistics.median(in_process),
            "ros_ms_per_step": 1e3 / statistics.median(ros),
            "episodes_per_round": options.episodes,
            "rounds": options.rounds,
        },
    }
