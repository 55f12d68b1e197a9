"""What the stack needs of this machine, whatever rig it is for."""

import importlib
import os
import shutil
import time
from pathlib import Path

import numpy as np

from tmrl_bringup.layout import repository_root
from tmrl_doctor.finding import COMPUTES_S, Check, Finding, failed, good, warning
from tmrl_doctor.silence import absent_servers

_FREE_GIB = 2.0
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_POLICY_CALLS = 20


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
    if NVIDIA_DRIVER.exists() and os.environ.get("CUDA_VISIBLE_DEVICES") is None:
        return warning(
            f"there is an NVIDIA GPU, and torch {torch.__version__} cannot use it",
            "a torch for CUDA that fits the driver (nvidia-smi names its version); see "
            "docs/guides/policy_server.md",
        )
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
    """A message of this process is heard by another one over DDS."""
    # Only here: without ROS the other checks still say something.
    from tmrl_doctor.network import Discovery, judge_discovery
    from tmrl_doctor.second_process import round_trip_s

    domain = int(os.environ.get("ROS_DOMAIN_ID") or 0)
    absent = absent_servers(os.environ.get("ROS_DISCOVERY_SERVER", ""))
    return judge_discovery(Discovery(domain, {}, round_trip_s(), None, tuple(absent)))


def check_disk() -> Finding:
    """Runs have room: a session journals some megabytes per hour, videos more."""
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    detail = f"{free_gib:.0f} GiB free"
    return good(detail) if free_gib >= _FREE_GIB else failed(detail, "free disk space")


MACHINE_CHECKS = (
    Check("packages", check_packages, limit_s=COMPUTES_S),
    Check("GPU", check_gpu, limit_s=COMPUTES_S),
    Check("rendering", check_rendering, limit_s=COMPUTES_S),
    Check("policy checkpoint", check_policy, limit_s=COMPUTES_S),
    Check("DDS discovery", check_discovery, limit_s=COMPUTES_S),
    Check("disk", check_disk),
)
"""What the demo needs. Importing the packages takes the most of it."""
