"""A simulated Franka for tests: real protocol, own process, own environment, made when first used.

franky-sim and what it stands on do not fit into the environment of this software. Theirs lies in
the user's cache folder, named after the pins in franky_sim.lock: made once (about a minute and half
a gigabyte), shared by all checkouts, safe to delete.
"""

import fcntl
import hashlib
import json
import mmap
import os
import secrets
import struct
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

_HERE = Path(__file__).resolve().parent
_LOCK_FILE = _HERE / "franky_sim.lock"
_CELL = _HERE / "franka_cell.py"
_ROW = struct.Struct("8d")
_START_S = 60.0
_STANDSTILL_S = 1.0


def own_address() -> str:
    """A loopback address that no other test on this machine uses, other checkouts' included.

    A Franka's ports are fixed, so two simulated ones differ by their addresses alone. One of four
    million is drawn instead of counted: nothing needs to be shared or given back.
    """
    number = secrets.randbelow(64 * 256 * 254)
    return f"127.{64 + number // (256 * 254)}.{number // 254 % 256}.{1 + number % 254}"


def environment() -> Path:
    """Folder of the simulator's environment; installs it where it is missing.

    Raises:
        RuntimeError: pip failed; the text is its output.
    """
    pins = _LOCK_FILE.read_bytes()
    version = "{}.{}".format(*sys.version_info[:2])
    digest = hashlib.sha256(pins + version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tmrl"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"franky-sim-{digest}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "complete"
        if not stamp.exists():
            _install(folder)
            stamp.touch()
    return folder


def _install(folder: Path) -> None:
    venv.create(folder, clear=True, symlinks=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    done = subprocess.run(
        [*command, "-r", str(_LOCK_FILE)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"cannot install the simulator of the Franka:\n{done.stderr}")


class FrankaSimulator:
    """One simulated Franka with its hand, as a process of its own.

    Attributes:
        address: Where it listens.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        """Chooses the address; `start` starts it.

        Args:
            address: A loopback address (127.x.y.z) that no other simulator uses.
        """
        self.address = address
        self._folder = tempfile.TemporaryDirectory(prefix="franka-")
        self._clock_file = Path(self._folder.name) / "clock"
        self._process: subprocess.Popen[str] | None = None
        self._clock: memoryview[float] | None = None

    def __enter__(self) -> "FrankaSimulator":
        """Starts it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Starts it and waits until it simulates.

        Raises:
            RuntimeError: It ended instead; the text is its output.
            TimeoutError: It did not within a minute.
        """
        python = environment() / "bin" / "python"
        self._clock_file.unlink(missing_ok=True)
        # Neither ROS's libraries nor our packages may shadow the simulator's own.
        clean = {"PATH": os.defpath, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [python, _CELL, self.address, self._folder.name],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean,
        )
        deadline_s = time.monotonic() + _START_S
        while not (self._clock_file.exists() and self._clock_file.stat().st_size == 8):
            self._check_start(deadline_s)
        with self._clock_file.open("rb") as file:
            shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
        self._clock = memoryview(shared).cast("d")
        while self.time_s() == 0.0:
            self._check_start(deadline_s)

    def time_s(self) -> float:
        """Time of the robot since its start, s."""
        if self._clock is None:
            raise RuntimeError("the simulator has not been started")
        return float(self._clock[0])

    def reflex(self) -> None:
        """Lets the robot stop itself as after a collision."""
        self._request("reflex")

    def set_mode(self, name: str) -> None:
        """Puts the robot into a mode: Idle, UserStopped, Guiding or Other."""
        self._request(f"mode {name}")

    def freeze(self) -> None:
        """Lets the robot fall silent, its sockets open."""
        self._request("freeze")

    def forget_hand(self) -> None:
        """Lets the hand forget its width, as after a power cut."""
        self._request("unhomed")

    def thresholds(self) -> dict[str, list[float]]:
        """The collision thresholds that the robot was given last: "torque_nm" and "force_n"."""
        return json.loads((Path(self._folder.name) / "collision.json").read_text(encoding="utf-8"))

    def velocities(self) -> NDArray[np.float64]:
        """What the joints were commanded so far while the robot moved.

        Returns:
            Shape (commands, 8): the number of the robot's state that a command answers, one state
            per ms of its time, and the joint velocities, rad/s.
        """
        written = (Path(self._folder.name) / "velocities").read_bytes()
        whole = len(written) // _ROW.size * _ROW.size
        return np.frombuffer(written[:whole]).reshape(-1, 8)

    def kill(self) -> None:
        """Ends the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _request(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the simulator is not running")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _check_start(self, deadline_s: float) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            _, text = self._process.communicate()
            raise RuntimeError(f"the simulator of the Franka ended:\n{text}")
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the simulator of the Franka did not start within {_START_S} s")
        time.sleep(0.02)


class SimulatorClock:
    """The simulator's time as a clock, so that a slow machine slows the driver down with it.

    While the simulator stands still, or is dead, the clock continues at the pace of the machine's.
    """

    def __init__(self, simulator: FrankaSimulator) -> None:
        """Takes a started simulator."""
        self._simulator = simulator
        self._now_s = 0.0
        self._last_s = simulator.time_s()
        self._moved_s = self._asked_s = time.monotonic()
        self._lock = threading.Lock()

    def now_s(self) -> float:
        """Seconds since an arbitrary moment."""
        with self._lock:
            machine_s, simulated_s = time.monotonic(), self._simulator.time_s()
            if simulated_s != self._last_s:
                # A restarted simulator begins at 0 again.
                self._now_s += max(simulated_s - self._last_s, 0.0)
                self._last_s, self._moved_s = simulated_s, machine_s
            elif machine_s - self._moved_s > _STANDSTILL_S:
                self._now_s += machine_s - self._asked_s
            self._asked_s = machine_s
            return self._now_s

    def sleep(self, duration_s: float) -> None:
        """Waits for so long by this clock."""
        ends_s = self.now_s() + duration_s
        while self.now_s() < ends_s:
            time.sleep(0.002)
