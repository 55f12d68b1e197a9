"""`./tmrl doctor`: what works on this machine and what does not, with the remedy."""

import argparse
import importlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tmrl_bringup.checks import repository_root

_FREE_GIB = 2.0
_POLICY_CALLS = 20


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        ok: Whether it passed.
        detail: What was seen.
        remedy: What to do where it did not pass.
    """

    ok: bool
    detail: str
    remedy: str = ""


def check_packages() -> Finding:
    """Everything the stack is built on imports."""
    names = ("rclpy", "tmrl_msgs.msg", "torch", "mujoco", "zmq", "safetensors")
    missing: list[str] = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    remedy = "run ./tmrl setup; if it says that nothing is to be done, remove .venv first"
    return Finding(not missing, ", ".join(missing) or "all import", remedy)


def check_gpu() -> Finding:
    """Which device networks would run on; a CPU is enough for the simulation."""
    import torch

    if torch.cuda.is_available():
        return Finding(ok=True, detail=torch.cuda.get_device_name(0))
    return Finding(
        ok=True, detail=f"none; CPU with {os.cpu_count()} cores (enough for the simulated arm)"
    )


def check_rendering() -> Finding:
    """A frame of the simulated cell renders without a screen."""
    from tmrl_sim.cell import WidowXCell
    from tmrl_sim.layouts import downstream_layout

    cell = WidowXCell()
    cell.reset(downstream_layout(np.random.default_rng(0)))
    frame = cell.render("overview", 224, 224)
    cell.close()
    remedy = "install libegl1 and libgl1 (Debian, Ubuntu: apt-get install libegl1 libgl1)"
    return Finding(bool(frame.std() > 1), f"{frame.shape[1]}x{frame.shape[0]} through EGL", remedy)


def check_policy() -> Finding:
    """The shipped checkpoint loads, is whole, and answers."""
    import torch

    from tmrl_policies.flow_checkpoint import load_flow_policy

    torch.set_num_threads(1)
    policy = load_flow_policy(repository_root() / "policies/checkpoints/widowx_sim/csp").policy
    sizes = policy.config
    inputs = (
        torch.zeros(1, sizes.proprio_dim),
        torch.zeros(1, sizes.context_dim),
        torch.zeros(1),
        torch.zeros(1, sizes.context_dim),
        torch.zeros(1, sizes.horizon, sizes.action_dim),
    )
    times_s: list[float] = []
    for _ in range(_POLICY_CALLS):
        start_s = time.perf_counter()
        policy.sample(*inputs)
        times_s.append(time.perf_counter() - start_s)
    finite = bool(torch.isfinite(policy.sample(*inputs)).all())
    detail = f"a chunk takes {1e3 * float(np.median(times_s)):.1f} ms (median)"
    return Finding(finite, detail, "restore policies/checkpoints/ from the repository")


def check_discovery() -> Finding:
    """Two ROS nodes find each other over DDS on this machine and a message arrives."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from std_msgs.msg import Empty

    rclpy.init(args=[])
    try:
        talker, listener = Node("doctor_talker"), Node("doctor_listener")
        arrived: list[bool] = []
        listener.create_subscription(Empty, "doctor", lambda _: arrived.append(True), 1)
        publisher = talker.create_publisher(Empty, "doctor", 1)
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        start_s = time.monotonic()
        while not arrived and time.monotonic() - start_s < 10.0:
            publisher.publish(Empty())
            executor.spin_once(timeout_sec=0.05)
        executor.shutdown()
        for node in (talker, listener):
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    detail = (
        f"domain {domain}, {time.monotonic() - start_s:.2f} s" if arrived else "no message in 10 s"
    )
    remedy = "check the firewall for UDP on the loopback interface and ROS_DOMAIN_ID"
    return Finding(bool(arrived), detail, remedy)


def check_disk() -> Finding:
    """Runs have room: a session journals some megabytes per hour, videos more."""
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding(free_gib >= _FREE_GIB, f"{free_gib:.0f} GiB free", "free disk space")


CHECKS: dict[str, Callable[[], Finding]] = {
    "packages": check_packages,
    "GPU": check_gpu,
    "rendering": check_rendering,
    "policy checkpoint": check_policy,
    "DDS discovery": check_discovery,
    "disk": check_disk,
}


def main(argv: list[str]) -> int:
    """Runs every check; 0 when all pass, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="./tmrl doctor", description=__doc__)
    parser.parse_args(argv)
    table = Table("check", "", "what was seen", "remedy", show_lines=False)
    failed = 0
    for name, check in CHECKS.items():
        try:
            finding = check()
        except Exception as error:  # noqa: BLE001 - a doctor reports whatever is wrong
            finding = Finding(
                ok=False, detail=f"{type(error).__name__}: {error}", remedy="see the text before"
            )
        failed += not finding.ok
        mark = "[green]ok[/]" if finding.ok else "[red]failed[/]"
        table.add_row(name, mark, finding.detail, "" if finding.ok else finding.remedy)
    Console().print(table)
    return 1 if failed else 0
