"""One learning curve: a method fine-tunes in a benchmark for a budget of environment steps."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import torch

from tmrl_common.types import FloatArray, Steering
from tmrl_experiments.inprocess.steering import actor_steerings, uniform_steerings
from tmrl_experiments.inprocess.transition import chunk_transition
from tmrl_experiments.ogbench.benchmarks import Benchmark
from tmrl_experiments.ogbench.chunk_policies import SteeredPolicy
from tmrl_experiments.ogbench.vector import Vector, make_vector, reset_some
from tmrl_learner.atomic_file import write_atomically
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_learner.session import LearnerSession, Phase, holds_checkpoint
from tmrl_learner.tracking import RunTracker

_WARMUP_MARGINAL_FRACTION = 0.5
_EPISODES = "episodes.jsonl"
_PROGRESS = "progress.json"


@dataclass
class _Slot:
    """The running episode of one environment."""

    episode: int
    chunk: int = 0
    steps: int = 0
    sigmas: list[float] = field(default_factory=list[float])


@dataclass(frozen=True)
class FinishedEpisode:
    """One line of `episodes.jsonl`.

    Attributes:
        env_steps: Control steps of the whole run when it ended.
        task: Of the benchmark.
        success: Whether it was solved in time.
        steps: Its own control steps.
        sigma_mean: Mean context time of its chunks.
        rounds: Update rounds so far.
        wall_s: Of the run so far, without interruptions.
    """

    env_steps: int
    task: int
    success: bool
    steps: int
    sigma_mean: float
    rounds: int
    wall_s: float


class CurveRun:
    """Acts in several environments side by side, learns, and writes every episode down.

    A run that was interrupted resumes from its last checkpoint with new episodes: what was learned
    and stored since is lost, but its environment steps count.

    Args:
        benchmark: Where.
        policy: What is steered.
        config: Of the learner.
        folder: Of the run: episodes, checkpoint.
        offline: Rows of the replay buffer's offline stratum.
        environments: Side by side.
        checkpoint_every: Control steps between checkpoints.
        tracker: Receives every episode, with the learner's newest metrics.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        policy: SteeredPolicy,
        config: LearnerConfig,
        folder: Path,
        offline: Mapping[str, FloatArray] | None = None,
        *,
        environments: int,
        checkpoint_every: int,
        tracker: RunTracker | None = None,
    ) -> None:
        self._benchmark = benchmark
        self._policy = policy
        self._folder = folder
        self._checkpoint_every = checkpoint_every
        self._tracker = tracker
        self._metrics: dict[str, float] = {}
        sizes = Sizes(policy.features_dim, policy.z_dim, 0)
        self.session = LearnerSession(config, sizes, time.monotonic)
        if offline is not None:
            self.session.replay.load_offline(offline)
        self._finished = read_episodes(folder)
        checkpoint = folder / "checkpoint"
        if holds_checkpoint(checkpoint):
            self.session.load(checkpoint)
        self.env_steps = steps_made(folder)
        self._earlier_s = self._finished[-1].wall_s if self._finished else 0.0
        # A resumed run must not repeat the draws, the episodes or the sequence of the first part.
        part = self.env_steps
        self._stream = f"part-{part}"
        self._rng = np.random.default_rng((config.seed, part))
        self._generator = torch.Generator(self.session.agent.device)
        self._generator.manual_seed(config.seed * 1_000_003 + part)
        self._sequence = 0
        self._episodes = 0
        self._slots = [self._new_slot() for _ in range(environments)]

    def run(self, budget: int, on_steps: Callable[[int], object] = lambda _: None) -> None:
        """Runs until `budget` control steps were made in all.

        Args:
            budget: Over all parts of the run.
            on_steps: Called with the number of steps just made, for progress.
        """
        start_s = time.monotonic()
        environments = make_vector(self._benchmark.name, len(self._slots))
        seeds = {i: self._seed() for i in range(len(self._slots))}
        observations = reset_some(environments, seeds)
        saved_at = self.env_steps
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _EPISODES).open("a", encoding="utf-8") as ledger:
            while self.env_steps < budget:
                before = self.env_steps
                wall_s = self._earlier_s + time.monotonic() - start_s
                observations = self._step(environments, observations, ledger, wall_s)
                on_steps(self.env_steps - before)
                while self.session.updates_owed:
                    self._metrics = self.session.update()
                if self.env_steps - saved_at >= self._checkpoint_every:
                    self._save()
                    saved_at = self.env_steps
        if self.env_steps > saved_at:
            self._save()
        environments.close()

    def _save(self) -> None:
        # The steps first: a run killed between the two has made them, and lost what they taught.
        write_atomically(self._folder / _PROGRESS, json.dumps({"env_steps": self.env_steps}))
        self.session.save(self._folder / "checkpoint")

    def _step(
        self,
        environments: Vector,
        observations: FloatArray,
        ledger: IO[str],
        wall_s: float,
    ) -> FloatArray:
        """One chunk in every environment; those that ended are reset."""
        features = self._policy.features(observations)
        steerings = self._choose(features)
        chunks = self._policy.act(observations, steerings)
        after, _, terminated, truncated, infos = environments.step(chunks)
        after_features = self._policy.features(after)
        ended: dict[int, int] = {}
        for i, slot in enumerate(self._slots):
            steps = int(infos["steps"][i])
            slot.steps += steps
            self.env_steps += steps
            slot.sigmas.append(steerings[i].sigma)
            self._sequence += 1
            self.session.ingest(
                chunk_transition(
                    session=self._stream,
                    sequence=self._sequence,
                    episode=slot.episode,
                    chunk=slot.chunk,
                    features=features[i],
                    steering=steerings[i],
                    executed=chunks[i, :steps],
                    next_features=after_features[i],
                    success=bool(terminated[i]),
                    timed_out=bool(truncated[i]),
                )
            )
            slot.chunk += 1
            if terminated[i] or truncated[i]:
                episode = FinishedEpisode(
                    self.env_steps,
                    int(infos["task"][i]),
                    bool(terminated[i]),
                    slot.steps,
                    float(np.mean(slot.sigmas)),
                    self.session.counters.rounds,
                    round(wall_s, 2),
                )
                self._note(ledger, episode)
                self._slots[i] = self._new_slot()
                ended[i] = self._seed()
        return reset_some(environments, ended) if ended else after

    def _choose(self, features: FloatArray) -> list[Steering]:
        agent = self.session.agent
        if self.session.phase is Phase.WARMUP:
            count = len(features)
            return uniform_steerings(agent, count, self._rng, _WARMUP_MARGINAL_FRACTION)
        return actor_steerings(agent, features, self._generator)

    def _note(self, ledger: IO[str], episode: FinishedEpisode) -> None:
        self._finished.append(episode)
        if self._tracker is not None:
            values = {
                "success": float(episode.success),
                "success_last_30": self.success_recent,
                "sigma_mean": episode.sigma_mean,
            }
            self._tracker.log(episode.env_steps, values | self._metrics)
        ledger.write(json.dumps(asdict(episode)) + "\n")
        ledger.flush()

    def _new_slot(self) -> _Slot:
        self._episodes += 1
        return _Slot(self._episodes)

    def _seed(self) -> int:
        return int(self._rng.integers(2**31))

    @property
    def success_recent(self) -> float:
        """Share of successes over the last 30 episodes."""
        recent = self._finished[-30:]
        return sum(episode.success for episode in recent) / max(1, len(recent))


def steps_made(folder: Path) -> int:
    """Control steps of a run so far, also of episodes that had not ended at its last checkpoint."""
    episodes, progress = read_episodes(folder), folder / _PROGRESS
    ended = episodes[-1].env_steps if episodes else 0
    if not progress.exists():
        return ended
    return max(ended, int(json.loads(progress.read_text(encoding="utf-8"))["env_steps"]))


def read_episodes(folder: Path) -> list[FinishedEpisode]:
    """Episodes that a run wrote down; a last line that was cut off is left out."""
    path = folder / _EPISODES
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [FinishedEpisode(**json.loads(line)) for line in lines[:-1]]
