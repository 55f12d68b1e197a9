"""Demonstrations for pre-training: the scripted expert always puts the carrot into the pot."""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tmrl_cell.cell import WidowXCell
from tmrl_cell.episode import ExpertEpisode, run_expert
from tmrl_cell.expert import Expert
from tmrl_cell.layouts import pretraining_layout
from tmrl_cell.readings import Cell

TARGET = "carrot"
POLICY_ACTION_COLUMNS = (0, 1, 2, 6)
"""Columns of the 7-d action that vary in this task: dx, dy, dz [m] and the gripper opening."""


@dataclass(frozen=True)
class Demonstrations:
    """Successful episodes, row after row; N rows in E episodes."""

    proprio: NDArray[np.float32]
    """Shape (N, 5), see `tmrl_cell.observation.proprio`."""
    context: NDArray[np.float32]
    """Shape (N, C): see `tmrl_cell.observation.context`, or `tmrl_cell.plate`."""
    actions: NDArray[np.float32]
    """Shape (N, 4): dx, dy, dz [m], gripper opening."""
    episode_starts: NDArray[np.int64]
    """Shape (E,): first row of each episode."""
    episode_lengths: NDArray[np.int64]
    """Shape (E,): rows of each episode."""
    attempts: int
    """Episodes rolled; attempts minus E failed and were left out."""

    def save(self, path: Path) -> None:
        """Writes a compressed npz; a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                proprio=self.proprio,
                context=self.context,
                actions=self.actions,
                episode_starts=self.episode_starts,
                episode_lengths=self.episode_lengths,
                attempts=np.int64(self.attempts),
            )
        os.replace(partial, path)


def generate(episodes: int, seed: int, *, cell: Cell | None = None) -> Demonstrations:
    """Rolls the expert until `episodes` episodes succeeded, with a progress bar.

    Episode i of a seed is the same whatever the number of episodes.

    Args:
        episodes: Number of successful episodes, at least 1.
        seed: Seed of layouts and expert.
        cell: Where to roll; a new `WidowXCell` if absent.

    Raises:
        ValueError: `episodes` is below 1.
        RuntimeError: The expert failed in most of its attempts.
    """
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}; ask for at least 1")
    cell = cell or WidowXCell()
    kept: list[ExpertEpisode] = []
    attempts = 0
    with tqdm(total=episodes, desc="demonstrations", unit="episode") as progress:
        while len(kept) < episodes:
            rng = np.random.default_rng((seed, attempts))
            episode = run_expert(cell, pretraining_layout(rng), Expert(rng, TARGET), TARGET)
            attempts += 1
            if episode.success:
                kept.append(episode)
                progress.update()
            check_expert(len(kept), attempts)
    return joined(kept, attempts)


def check_expert(succeeded: int, attempts: int) -> None:
    """Refuses to continue with an expert that fails most of the time.

    Args:
        succeeded: Of its attempts.
        attempts: So far; fewer than 20 say nothing.

    Raises:
        RuntimeError: Less than half of them did.
    """
    if attempts >= 20 and succeeded < attempts / 2:
        raise RuntimeError(
            f"the expert failed in {attempts - succeeded} of {attempts} attempts; "
            "the cell and the expert do not fit together"
        )


def joined(episodes: list[ExpertEpisode], attempts: int) -> Demonstrations:
    """Returns the rows of all episodes, one after the other.

    Args:
        episodes: Successful ones.
        attempts: Episodes rolled to get them.
    """
    lengths = np.array([len(episode.actions) for episode in episodes], dtype=np.int64)
    actions = np.concatenate([episode.actions for episode in episodes])
    return Demonstrations(
        proprio=np.concatenate([episode.proprio for episode in episodes]),
        context=np.concatenate([episode.context for episode in episodes]),
        actions=np.ascontiguousarray(actions[:, POLICY_ACTION_COLUMNS]),
        episode_starts=np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64),
        episode_lengths=lengths,
        attempts=attempts,
    )


def main() -> None:
    """Generate a data set from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tmrl_cell.demonstrations",
        description="Record the scripted expert putting the carrot into the pot.",
    )
    parser.add_argument("--episodes", type=int, default=800, help="successful episodes to record")
    parser.add_argument("--seed", type=int, default=0, help="seed of layouts and expert")
    parser.add_argument("--out", type=Path, required=True, help="npz file to write")
    arguments = parser.parse_args()
    demonstrations = generate(arguments.episodes, arguments.seed)
    demonstrations.save(arguments.out)
    sys.stdout.write(
        f"{arguments.out}: {len(demonstrations.episode_lengths)} episodes, "
        f"{len(demonstrations.actions)} steps; expert success "
        f"{arguments.episodes}/{demonstrations.attempts}\n"
    )


if __name__ == "__main__":
    main()
