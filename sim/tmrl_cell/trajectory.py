"""Joint positions of each episode, kept for the video: one file per episode, written at its end."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MAX_SNAPSHOTS = 10_000


@dataclass(frozen=True)
class Trajectory:
    """One episode as it moved.

    Attributes:
        qpos: All joint and object positions, shape (T, nq), float32.
        stamp_s: Simulated time of each row, shape (T,), float64, s.
    """

    qpos: NDArray[np.float32]
    stamp_s: NDArray[np.float64]


def trajectory_path(run_dir: Path, episode: int) -> Path:
    """Where the trajectory of an episode lies within its run."""
    return run_dir / "trajectories" / f"episode_{episode:05d}.npz"


def load_trajectory(path: Path) -> Trajectory:
    """Reads one episode.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a trajectory.
    """
    with np.load(path) as arrays:
        if not {"qpos", "stamp_s"} <= set(arrays.files):
            raise ValueError(f"{path} holds {', '.join(arrays.files)}; not qpos and stamp_s")
        return Trajectory(arrays["qpos"], arrays["stamp_s"])


class TrajectoryRecorder:
    """Collects snapshots since the last reset and writes those of an episode when it ends.

    Attributes:
        problem: Why the last episode could not be written; empty while all is well.
    """

    def __init__(self, run_dir: Path | None, period_s: float) -> None:
        """Keeps one snapshot per period.

        Args:
            run_dir: Directory of the run; nothing is touched before the first episode ends. None:
                nothing is kept.
            period_s: Simulated time between two snapshots, s.
        """
        self.problem = ""
        self._run_dir = run_dir
        self._period_ns = round(1e9 * period_s)
        self._episode = 0
        self._sequences: list[int] = []
        self._stamps_ns: list[int] = []
        self._snapshots: list[NDArray[np.float32]] = []

    def on_reset(self) -> None:
        """Forgets the former scene; an episode that was in progress in it ends here."""
        self._finish()
        self._forget()

    def record(self, sequence: int, stamp_ns: int, qpos: NDArray[np.float64]) -> None:
        """Keeps one snapshot, where the last one is old enough.

        Args:
            sequence: Number of the arm state that goes with it.
            stamp_ns: Simulated time, ns.
            qpos: All joint and object positions, shape (nq,).
        """
        if self._run_dir is None:
            return
        if self._stamps_ns and stamp_ns < self._stamps_ns[-1] + self._period_ns:
            return
        if len(self._snapshots) == _MAX_SNAPSHOTS:
            self._forget()
        self._sequences.append(sequence)
        self._stamps_ns.append(stamp_ns)
        self._snapshots.append(qpos.astype(np.float32))

    def on_episode(self, episode: int, *, running: bool, first_sequence: int) -> None:
        """Follows the session.

        Args:
            episode: Its number, from 1.
            running: Whether the policy may move the arm.
            first_sequence: First arm state that belongs to the episode.
        """
        if not running or episode != self._episode:
            self._finish()
        if not running or self._episode == episode:
            return
        if self._sequences and first_sequence < self._sequences[0]:
            # Old news: that episode began in a scene that has been reset meanwhile.
            return
        self._episode = episode
        keep = [at for at, sequence in enumerate(self._sequences) if sequence >= first_sequence]
        start = keep[0] if keep else len(self._sequences)
        for column in (self._sequences, self._stamps_ns, self._snapshots):
            del column[:start]

    def _forget(self) -> None:
        self._sequences.clear()
        self._stamps_ns.clear()
        self._snapshots.clear()

    def _finish(self) -> None:
        if self._run_dir and self._episode and self._snapshots:
            path = trajectory_path(self._run_dir, self._episode)
            try:
                self._write(path)
                self.problem = ""
            except OSError as error:
                self.problem = (
                    f"the trajectory of episode {self._episode} is lost: {error}; free space on "
                    "the disk of the run directory, or the video will lack the episode"
                )
        self._episode = 0

    def _write(self, path: Path) -> None:
        """Writes completely or not at all: a reader never meets half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                np.savez(
                    file,
                    qpos=np.stack(self._snapshots),
                    stamp_s=np.array(self._stamps_ns) * 1e-9,
                )
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
