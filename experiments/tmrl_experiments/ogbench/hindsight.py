"""Chunks of a recording with goals in hindsight: what was reached later is what was wanted."""

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tmrl_common.types import FloatArray
from tmrl_experiments.ogbench.benchmarks import Benchmark
from tmrl_experiments.ogbench.recording import Recording, RecordingError
from tmrl_policies.flow_policy import PolicyBatch

_HELD_OUT_FRACTION = 0.05
_VALIDATION_ROWS = 4096
_STATISTICS_ROWS = 50_000
_FIXED_SEED = 1
_REACHED_GOAL_DISCOUNT = 0.99
"""Of goals for reinforcement, whatever policies are conditioned on: a goal that every row
has reached at once teaches no values."""


class OfflineTransitions(NamedTuple):
    """Transitions from demonstrations.

    Attributes:
        observations: Robot state and context, (N, P + C), raw units.
        actions: Executed actions, (N, h, A).
        next_observations: (N, P + C), with the same goal.
        reached: Whether the goal was reached with the chunk, (N,): the episode ends there.
    """

    observations: FloatArray
    actions: FloatArray
    next_observations: FloatArray
    reached: NDArray[np.bool_]


class HindsightSource:
    """Draws (robot state, context, chunk) from the familiar part of a recording.

    Rows are cut into runs: pieces of one episode inside the training region. A chunk starts in a
    run, and its goal lies in the same one, a geometrically distributed number of steps ahead
    (`Benchmark.goal_discount`), at most at the run's end: no observation and no goal is ever from
    outside the region. The actions of a chunk are what was done from there, also where they carry
    the cube across the border.

    Args:
        recording: Whole episodes.
        benchmark: Names the region, the horizon and the split into state and context.
        seed: Of the choice of the held-out runs.

    Raises:
        RecordingError: No run is as long as a chunk.
    """

    def __init__(self, recording: Recording, benchmark: Benchmark, seed: int) -> None:
        self._recording = recording
        self._benchmark = benchmark
        starts, ends = _runs(benchmark.familiar(recording), recording.episode_ends)
        last_start = recording.episode_ends - benchmark.horizon
        last_start = last_start[np.searchsorted(recording.episode_ends, ends)]
        usable = np.minimum(ends - 1, last_start + 1) > starts
        starts, ends, last_start = starts[usable], ends[usable], last_start[usable]
        if len(starts) < 2:
            raise RecordingError(
                f"{benchmark.recording} has {len(starts)} runs in the training region from which a "
                f"chunk of {benchmark.horizon} steps starts; at least 2 are needed: record more "
                "episodes"
            )
        held_out = np.random.default_rng(seed).random(len(starts)) < _HELD_OUT_FRACTION
        held_out[np.argmin(held_out)] = False
        held_out[-1] |= not held_out.any()
        stops = np.minimum(ends - 1, last_start + 1)
        self._training = _rows_of(starts[~held_out], stops[~held_out])
        self._held_out = _rows_of(starts[held_out], stops[held_out])
        self._run_end = np.zeros(len(recording.actions), np.int64)
        for start, end in zip(starts, ends, strict=True):
            self._run_end[start:end] = end

    @property
    def rows(self) -> int:
        """Number of rows at which a training chunk starts."""
        return len(self._training)

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        """A training batch with fresh goals: (size, P), (size, C), (size, H, A)."""
        return self._draw(self._training, size, generator)

    def validation(self) -> PolicyBatch:
        """The same held-out rows and goals at every call."""
        generator = torch.Generator().manual_seed(_FIXED_SEED)
        return self._draw(self._held_out, _VALIDATION_ROWS, generator)

    def statistics(self) -> PolicyBatch:
        """Training rows with goals, the same at every call."""
        generator = torch.Generator().manual_seed(_FIXED_SEED)
        return self._draw(self._training, _STATISTICS_ROWS, generator)

    def episodes(self) -> torch.Tensor:
        """Number of the run of each row of `statistics`, (N,), int64."""
        generator = torch.Generator().manual_seed(_FIXED_SEED)
        discount = self._benchmark.goal_discount
        rows, _ = self._draw_rows(self._training, _STATISTICS_ROWS, generator, discount)
        return torch.from_numpy(self._run_end[rows])

    def sha256(self) -> str:
        """Hash of everything that decides what is drawn, hexadecimal."""
        digest = hashlib.sha256(repr(self._benchmark).encode())
        for array in (self._recording.observations, self._recording.actions, self._training):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def transitions(self, size: int, seed: int) -> OfflineTransitions:
        """Executed parts of training chunks as an agent in raw action space would have made them.

        Args:
            size: Number N of transitions, drawn with replacement.
            seed: Of the draw.
        """
        generator = torch.Generator().manual_seed(seed)
        rows, goals = self._draw_rows(self._training, size, generator, _REACHED_GOAL_DISCOUNT)
        steps = self._benchmark.execute_steps
        after = np.minimum(rows + steps, self._run_end[rows] - 1)
        return OfflineTransitions(
            self._joined(rows, goals),
            self._recording.actions[rows[:, None] + np.arange(steps)],
            self._joined(after, goals),
            goals <= after,
        )

    def _joined(self, rows: NDArray[np.int64], goals: NDArray[np.int64]) -> FloatArray:
        observations = self._recording.observations
        return np.concatenate(
            self._benchmark.scene(observations[rows], observations[goals]), axis=-1
        )

    def _draw(
        self, candidates: NDArray[np.int64], size: int, generator: torch.Generator
    ) -> PolicyBatch:
        discount = self._benchmark.goal_discount
        rows, goals = self._draw_rows(candidates, size, generator, discount)
        observations = self._recording.observations
        proprio, context = self._benchmark.scene(observations[rows], observations[goals])
        steps = rows[:, None] + np.arange(self._benchmark.horizon)
        return PolicyBatch(
            torch.from_numpy(np.ascontiguousarray(proprio)),
            torch.from_numpy(np.ascontiguousarray(context)),
            torch.from_numpy(self._recording.actions[steps]),
        )

    def _draw_rows(
        self,
        candidates: NDArray[np.int64],
        size: int,
        generator: torch.Generator,
        discount: float,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows, and for each the row that was its goal in hindsight."""
        picks = torch.randint(len(candidates), (size,), generator=generator).numpy()
        uniform = torch.rand(size, generator=generator, dtype=torch.float64).numpy()
        rows = candidates[picks]
        last = self._run_end[rows] - 1
        if discount == 1.0:
            return rows, last
        # A discount of 0 is the limit: one step ahead.
        with np.errstate(divide="ignore"):
            steps = np.floor(np.log1p(-uniform) / np.log(discount))
        return rows, np.minimum(rows + 1 + steps.astype(np.int64), last)


def _runs(
    familiar: NDArray[np.bool_], episode_ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row and last row plus one of every piece of an episode that is familiar throughout."""
    previous = np.concatenate(([False], familiar[:-1]))
    following = np.concatenate((familiar[1:], [False]))
    first_of_episode = np.zeros(len(familiar), np.bool_)
    first_of_episode[np.concatenate(([0], episode_ends[:-1]))] = True
    last_of_episode = np.zeros(len(familiar), np.bool_)
    last_of_episode[episode_ends - 1] = True
    starts = np.flatnonzero(familiar & (~previous | first_of_episode))
    ends = np.flatnonzero(familiar & (~following | last_of_episode)) + 1
    return starts, ends


def _rows_of(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every row from a start to before its stop: there a whole chunk fits, and a goal behind it."""
    return np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)])
