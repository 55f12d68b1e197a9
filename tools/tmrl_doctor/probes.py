"""Looks at this machine: clock, wake-ups, network, disk. Judges nothing."""

import ctypes
import os
import shutil
import socket
import statistics
import struct
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from tmrl_agent.journal import Journal, JournalError
from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Outcome, SteeringSource
from tmrl_doctor.network import Discovery
from tmrl_doctor.second_process import round_trip_s
from tmrl_doctor.silence import absent_servers
from tmrl_doctor.storage import JournalSeen
from tmrl_doctor.timing import ClockSeen, JitterSeen

_LIBC = ctypes.CDLL(None, use_errno=True)
_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of <sys/timex.h>."""
_TIMEX_BYTES = 256
_FIFO_PRIORITY = 20
_MULTICAST_GROUP = "239.255.0.1"
"""Group on which DDS participants announce themselves."""
_DISCOVERY_SETTINGS = (
    "RMW_IMPLEMENTATION",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "ROS_DISCOVERY_SERVER",
    "ROS_LOCALHOST_ONLY",
    "ROS_STATIC_PEERS",
)
_COMMITS = 20
_MULTICAST_S = 0.5


def look_at_clock() -> ClockSeen:
    """Asks the kernel, whoever sets its clock; changes nothing."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = _LIBC.adjtimex(timex)
    if state < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    # struct timex: modes (int, padded), offset, freq, maxerror, esterror (long), status (int)
    _, _, _, max_error_us, _, status = struct.unpack_from("@illlli", timex)
    return ClockSeen(not status & _UNSYNCHRONISED, 1e-6 * max_error_us)


def look_at_jitter(period_s: float = 0.001, wakes: int = 2000) -> JitterSeen:
    """Lets a thread wake at absolute deadlines, under SCHED_FIFO where that is permitted."""
    late_s: list[float] = []
    granted: list[bool] = []

    def wake() -> None:
        granted.append(_ask_for_fifo())
        due_s = time.monotonic()
        for _ in range(wakes):
            due_s += period_s
            time.sleep(max(0.0, due_s - time.monotonic()))
            late_s.append(time.monotonic() - due_s)

    thread = threading.Thread(target=wake, name="jitter")
    thread.start()
    thread.join()
    p50_s, p99_s = np.percentile(late_s, (50, 99)).tolist()
    kernel = Path("/sys/kernel/realtime")
    realtime = kernel.exists() and kernel.read_text().strip() == "1"
    return JitterSeen(period_s, (p50_s, p99_s, max(late_s)), granted[0], realtime)


def _ask_for_fifo() -> bool:
    """For the calling thread only; it ends with the measurement."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_FIFO_PRIORITY))
    except PermissionError:
        return False
    return True


def look_at_discovery() -> Discovery:
    """Lets two processes of this machine find each other, and sends a datagram to a group."""
    settings = {name: os.environ[name] for name in _DISCOVERY_SETTINGS if os.environ.get(name)}
    domain = int(os.environ.get("ROS_DOMAIN_ID") or 0)
    absent = absent_servers(settings.get("ROS_DISCOVERY_SERVER", ""))
    return Discovery(domain, settings, round_trip_s(), _multicast_problem(), tuple(absent))


def _multicast_problem() -> str:
    """Why a datagram to the group comes back on no interface; empty where it does on one."""
    problems: list[str] = []
    for interface, addresses in sorted(psutil.net_if_addrs().items()):
        for address in (each.address for each in addresses if each.family == socket.AF_INET):
            try:
                _send_to_group(address)
            except OSError as error:
                problems.append(f"{interface}: {error}")
            else:
                return ""
    return "; ".join(problems) or "no interface has an IPv4 address"


def _send_to_group(address: str) -> None:
    """Sends to the group through the interface of an address, and waits for it to come back."""
    interface = socket.inet_aton(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("", 0))
        receiver.settimeout(_MULTICAST_S)
        group = socket.inet_aton(_MULTICAST_GROUP) + interface
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            sender.sendto(b"tmrl", (_MULTICAST_GROUP, receiver.getsockname()[1]))
        receiver.recv(16)


def look_at_journal(run_dir: Path) -> JournalSeen:
    """Writes a journal into a folder of its own beside the runs, and removes it again."""
    folder = _existing(run_dir)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor_", dir=folder) as made:
            return JournalSeen(folder, _median_commit_s(Path(made)))
    except (OSError, JournalError) as error:
        return JournalSeen(folder, error=str(error))


def free_space(run_dir: Path) -> tuple[Path, float]:
    """Where the runs will lie, and how much is free there, GiB."""
    folder = _existing(run_dir)
    return folder, shutil.disk_usage(folder).free / 2**30


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _median_commit_s(folder: Path) -> float:
    journal = Journal(folder / "journal.sqlite", "doctor", "doctor")
    times_s: list[float] = []
    for sequence in range(1, _COMMITS + 1):
        start_s = time.perf_counter()
        journal.append([_a_transition(sequence)], None)
        times_s.append(time.perf_counter() - start_s)
    journal.close()
    return statistics.median(times_s)


def _a_transition(sequence: int) -> Transition:
    """Of the size that a transition of pi0 with a camera has."""
    features: FloatArray = np.zeros(775, dtype=np.float32)
    return Transition(
        robot="doctor",
        session="doctor",
        sequence=sequence,
        episode=1,
        chunk=sequence,
        revision=0,
        features=features,
        z=np.zeros(32, dtype=np.float32),
        sigma=0.0,
        epsilon=np.zeros(2048, dtype=np.float32),
        steering=SteeringSource.BASE,
        reward=-1.0,
        next_features=features,
        terminated=False,
        truncated=False,
        aborted=True,
        episode_outcome=Outcome.PENDING,
        executed_actions=np.zeros((5, 7), dtype=np.float32),
        driver=np.zeros(5, dtype=np.uint8),
    )
