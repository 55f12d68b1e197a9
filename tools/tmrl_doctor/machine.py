"""What the stack needs of this machine, whatever rig it is for."""

import importlib
import os
import shutil
import time
from pathlib import Path

import numpy as np

from tmrl_bringup.layout import repository_root
from tmrl_doctor.finding import Check, Finding, failed, good

_FREE_GIB = 2.0
_POLICY_CALLS = 20
_DISCOVERY_S = 10.0


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
    return failed(", ".join(missing), remedy) if missing else good("all import")


def check_gpu() -> Finding:
    """Which device networks would run on; a CPU is enough for the simulation."""
    import torch

    if torch.cuda.is_available():
        return good(torch.cuda.get_device_name(0))
    return good(f"none; CPU with {os.cpu_count()} cores (enough for the simulated arm)")


def check_rendering() -> Finding:
    """A frame of the simulated cell renders without a screen."""
    from tmrl_cell.cell import WidowXCell
    from tmrl_cell.layouts import downstream_layout

    cell = WidowXCell()
    cell.reset(downstream_layout(np.random.default_rng(0)))
    frame = cell.render("overview", 224, 224)
    cell.close()
    remedy = "install libegl1 and libgl1 (Debian, Ubuntu: apt-get install libegl1 libgl1)"
    detail = f"{frame.shape[1]}x{frame.shape[0]} through EGL"
    return good(detail) if frame.std() > 1 else failed(f"{detail}, empty", remedy)


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
    if not finite:
        remedy = "restore policies/checkpoints/ from the repository"
        return failed("its actions are not finite", remedy)
    return good(f"a chunk takes {1e3 * float(np.median(times_s)):.1f} ms (median)")


def check_discovery() -> Finding:
    """Two ROS nodes find each other over DDS on this machine and a message arrives."""
    domain, found_s = os.environ.get("ROS_DOMAIN_ID", "0"), round_trip_s()
    if found_s is None:
        remedy = "check the firewall for UDP on the loopback interface and ROS_DOMAIN_ID"
        return failed(f"domain {domain}: no message in {_DISCOVERY_S:g} s", remedy)
    return good(f"domain {domain}, {found_s:.2f} s")


def round_trip_s() -> float | None:
    """Time until a message of one node reaches another one that is new, too; None: it does not."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from std_msgs.msg import Empty

    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    try:
        talker, listener = (
            Node(f"doctor_{name}", context=context) for name in ("talker", "listener")
        )
        arrived: list[bool] = []
        listener.create_subscription(Empty, "doctor", lambda _: arrived.append(True), 1)
        publisher = talker.create_publisher(Empty, "doctor", 1)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(listener)
        start_s = time.monotonic()
        while not arrived and time.monotonic() - start_s < _DISCOVERY_S:
            publisher.publish(Empty())
            executor.spin_once(timeout_sec=0.05)
        executor.shutdown()
        for node in (talker, listener):
            node.destroy_node()
    finally:
        context.try_shutdown()
    return time.monotonic() - start_s if arrived else None


def check_disk() -> Finding:
    """Runs have room: a session journals some megabytes per hour, videos more."""
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    detail = f"{free_gib:.0f} GiB free"
    return good(detail) if free_gib >= _FREE_GIB else failed(detail, "free disk space")


MACHINE_CHECKS = (
    Check("packages", check_packages, limit_s=120.0),
    Check("GPU", check_gpu, limit_s=120.0),
    Check("rendering", check_rendering, limit_s=120.0),
    Check("policy checkpoint", check_policy, limit_s=120.0),
    Check("DDS discovery", check_discovery, limit_s=30.0),
    Check("disk", check_disk),
)
"""What the demo needs. Importing the packages takes the most of it."""
