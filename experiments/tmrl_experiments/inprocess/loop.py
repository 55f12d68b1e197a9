"""Acts in an injected task, turns chunks into transitions, learns.

The same learner core and the same contracts as on ROS 2 (docs/concepts/contracts.md), with function
calls in the place of topics.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch

from tmrl_common.types import FloatArray, Outcome, Steering, SteeringSource
from tmrl_experiments.inprocess.steering import (
    Drawn,
    actor_steerings,
    base_steering,
    drawn_at_random,
    uniform_steerings,
)
from tmrl_experiments.inprocess.transition import UNSTEERED, chunk_transition
from tmrl_learner.algorithms.interface import Algorithm
from tmrl_learner.devices import restore_generator
from tmrl_learner.pretrain.evaluate import Scene, TaskEnvironment
from tmrl_learner.session import LearnerSession, Phase, ShellState


class ChunkPolicy(Protocol):
    """The frozen policy, as the loop needs it."""

    @property
    def generator(self) -> torch.Generator:
        """Source of whatever the policy draws itself."""
        ...

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Horizon H and action dimension A."""
        ...

    def features(self, scene: Scene, committed: FloatArray | None = None) -> FloatArray:
        """What the steering actor sees, (S,).

        Args:
            scene: What there is to be seen.
            committed: Actions that are executed anyway before the next chunk's own ones, (d, A),
                raw units; None where there are none.
        """
        ...

    def act(
        self, scene: Scene, latent: Steering, committed: FloatArray | None = None
    ) -> FloatArray:
        """A chunk of actions, (H, A), raw units, whose first rows are the committed ones."""
        ...


class Helper(Protocol):
    """Somebody who takes the arm over, chunk by chunk."""

    def drives(self, episode: int, chunk: int) -> bool:
        """Whether the helper drives this chunk instead of the policy."""
        ...

    def act(self, episode: int, scene: Scene) -> FloatArray:
        """The helper's next action, (A,), raw units."""
        ...


@dataclass(frozen=True)
class Acting:
    """How chunks are steered where no actor decides.

    Attributes:
        warmup_marginal_fraction: Share of warm-up chunks whose sigma is the largest allowed, as in
            the policy server's settings.
        warmup_context_fraction: Share of them whose sigma is 0.
        hold: Mean number of chunks over which an explored sigma is kept, at least 1; none is kept
            beyond its episode.
        exploration: Probability with which a chunk of the actor's begins to explore sigma as the
            warm-up does; it falls with the success rate, to 0 where half of the episodes succeed.
        base_sigma: Context timestep of the frozen policy, where there is no learner.
        drawn: What is drawn at random in every chunk, whatever the actor chose.
        schedule: Sigma while the gripper is empty and while it holds something. The policy acts
            with it and the learner does not see it: a part of the world, to which z belongs.
            None: there is none.
    """

    warmup_marginal_fraction: float = 0.0
    warmup_context_fraction: float = 0.0
    hold: float = 1.0
    exploration: float = 0.0
    base_sigma: float = 0.0
    drawn: Drawn = Drawn.NOTHING
    schedule: tuple[float, float] | None = None


_AS_CHOSEN = Acting()
WINDOW = 20
"""Episodes over which success is counted."""
_MASTERED = 0.5
"""Success rate from which on nothing but the actor explores: further draws would only fail."""


@dataclass(frozen=True)
class EpisodeSummary:
    """One episode in numbers.

    Attributes:
        outcome: SUCCESS or TIMEOUT.
        wrong_object: Whether another object ended in the target's place at any time.
        steps: Control steps.
        chunks: Action chunks.
        sigma_mean: Mean context timestep over the chunks.
        source: Who picked the latent of the last chunk.
        helped_chunks: Chunks that a helper drove; the policy did not solve such an episode alone.
        sigma_holding: Mean context timestep over the chunks that began with something in the
            gripper; None where none did.
        sigma_empty: Over the others.
    """

    outcome: Outcome
    wrong_object: bool
    steps: int
    chunks: int
    sigma_mean: float
    source: SteeringSource
    helped_chunks: int = 0
    sigma_holding: float | None = None
    sigma_empty: float | None = None

    @property
    def solved(self) -> bool:
        """Whether the policy solved it, without help."""
        return self.outcome is Outcome.SUCCESS and not self.helped_chunks


class _Seen(NamedTuple):
    """What a chunk is decided on.

    Attributes:
        scene: The observation.
        committed: Actions that are executed between it and the chunk's own ones, (d, A); None for
            none.
    """

    scene: Scene
    committed: FloatArray | None = None


class _Executed(NamedTuple):
    """What was done of a chunk.

    Attributes:
        actions: Shape (steps, A).
        scenes: What each led to.
        by_policy: Whether the policy acted, and not the helper.
    """

    actions: FloatArray
    scenes: list[Scene]
    by_policy: bool


class InProcessLoop:
    """Runs episodes one after the other.

    Args:
        policy: The frozen policy.
        task: Where to act.
        session: The learner; None runs the frozen policy as it is.
        seed: Of layouts and of what is drawn while acting.
        execute_steps: Steps of each chunk that are executed.
        acting: How chunks are steered where no actor decides.
        helper: Takes the arm over now and then; None: nobody does.
        overlap_steps: Steps of a chunk that are still executed while the next one is decided, below
            `execute_steps`; 0: the arm stands still meanwhile.
    """

    def __init__(
        self,
        policy: ChunkPolicy,
        task: TaskEnvironment,
        session: LearnerSession | None,
        seed: int,
        execute_steps: int = 5,
        acting: Acting = _AS_CHOSEN,
        helper: Helper | None = None,
        overlap_steps: int = 0,
    ) -> None:
        self._policy = policy
        self._task = task
        self._session = session
        self._seed = seed
        self._execute_steps = execute_steps
        self._acting = acting
        self._helper = helper
        self._overlap = overlap_steps
        self._rng = np.random.default_rng(seed)
        device = "cpu" if session is None else session.agent.device
        self._generator = torch.Generator(device).manual_seed(seed)
        self._episode = 0
        self._sequence = 0
        self._kept_sigma: float | None = None
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self.metrics: dict[str, float] = {}
        """Of the newest update round, by name."""

    def run_episode(self) -> EpisodeSummary:
        """Runs one episode and every update round that it makes due."""
        self._episode += 1
        self._kept_sigma = None
        scene = self._task.reset(self._seed * 100_000 + self._episode)
        steps, sigmas, wrong, helped = 0, list[float](), False, 0
        with_load, without = list[float](), list[float]()
        source, seen = SteeringSource.BASE, _Seen(scene)
        while not scene.success and steps < self._task.max_steps:
            latent = self._choose(self._policy.features(*seen), len(sigmas))
            source, acted = latent.source, self._scheduled(seen.scene, latent)
            (with_load if seen.scene.holding else without).append(acted.sigma)
            done = self._execute(seen, scene, acted, self._task.max_steps - steps)
            scene = done.scenes[-1]
            steps += len(done.actions)
            wrong = wrong or any(each.wrong_object for each in done.scenes)
            helped += latent is UNSTEERED
            timed_out = steps == self._task.max_steps
            following = self._next_seen(done, len(sigmas) + 1)
            self._learn(len(sigmas), seen, latent, done, following, timed_out=timed_out)
            sigmas.append(acted.sigma)
            seen = following
        outcome = Outcome.SUCCESS if scene.success else Outcome.TIMEOUT
        self._recent.append(scene.success)
        means = [float(np.mean(each)) if each else None for each in (with_load, without)]
        mean = float(np.mean(sigmas))
        return EpisodeSummary(outcome, wrong, steps, len(sigmas), mean, source, helped, *means)

    def _execute(self, seen: _Seen, scene: Scene, latent: Steering, most_steps: int) -> _Executed:
        """Executes a chunk, the policy's or the helper's, until the task is solved.

        Args:
            seen: What the chunk was decided on.
            scene: What there is now, when its first own action is due.
            latent: How it is steered.
            most_steps: Longest time until the end of the episode.
        """
        by_policy = latent is not UNSTEERED
        chunk = self._policy.act(seen.scene, latent, seen.committed) if by_policy else None
        first = 0 if seen.committed is None else len(seen.committed)
        executed, scenes = list[FloatArray](), list[Scene]()
        for step in range(min(self._execute_steps, most_steps)):
            executed.append(self._helped_action(scene) if chunk is None else chunk[first + step])
            scene = self._task.step(executed[-1])
            scenes.append(scene)
            if scene.success:
                break
        return _Executed(np.stack(executed), scenes, by_policy)

    def _next_seen(self, done: _Executed, chunk: int) -> _Seen:
        """What the next chunk is decided on: where chunks overlap, some steps before the end.

        At the end of an episode, and where somebody takes over, it is what there is then.
        """
        takes_over = self._helper is not None and self._helper.drives(self._episode, chunk)
        is_whole = len(done.actions) == self._execute_steps and not done.scenes[-1].success
        if not self._overlap or not (done.by_policy and is_whole) or takes_over:
            return _Seen(done.scenes[-1])
        return _Seen(done.scenes[-1 - self._overlap], done.actions[-self._overlap :])

    def _helped_action(self, scene: Scene) -> FloatArray:
        assert self._helper is not None, "a chunk without steering and without a helper"
        return self._helper.act(self._episode, scene)

    def state(self) -> ShellState:
        """Everything that `load_state` needs, between two episodes."""
        tensors = {
            "acting_generator": self._generator.get_state(),
            "policy_generator": self._policy.generator.get_state(),
        }
        metadata = {
            "episode": self._episode,
            "sequence": self._sequence,
            "draws": self._rng.bit_generator.state,
            "recent": [*self._recent],
        }
        return ShellState(tensors, metadata)

    def load_state(self, state: ShellState) -> None:
        """Restores what `state` returned: the next episode is the one that followed then."""
        restore_generator(self._generator, state.tensors["acting_generator"])
        self._policy.generator.set_state(state.tensors["policy_generator"])
        self._episode = state.metadata["episode"]
        self._sequence = state.metadata["sequence"]
        self._rng.bit_generator.state = state.metadata["draws"]
        self._recent.extend(state.metadata.get("recent", ()))

    def _scheduled(self, scene: Scene, latent: Steering) -> Steering:
        schedule = self._acting.schedule
        if schedule is None or latent is UNSTEERED:
            return latent
        return replace(latent, sigma=schedule[scene.holding])

    def _choose(self, features: FloatArray, chunk: int) -> Steering:
        if self._helper is not None and self._helper.drives(self._episode, chunk):
            return UNSTEERED
        if self._session is None:
            return base_steering(self._policy.noise_shape, self._rng, self._acting.base_sigma)
        agent, acting = self._session.agent, self._acting
        if self._session.phase is Phase.WARMUP:
            chosen = self._explored(agent)
            if acting.hold > 1.0:
                chosen = self._kept(agent, chosen, 1.0)
        else:
            chosen = actor_steerings(agent, features[None], self._generator)[0]
            if acting.exploration:
                left = max(0.0, 1.0 - sum(self._recent) / (_MASTERED * WINDOW))
                chosen = self._kept(agent, chosen, acting.exploration * left)
        return drawn_at_random(acting.drawn, chosen, agent, self._rng)

    def _explored(self, agent: Algorithm) -> Steering:
        shares = self._acting.warmup_marginal_fraction, self._acting.warmup_context_fraction
        return uniform_steerings(agent, 1, self._rng, *shares)[0]

    def _kept(self, agent: Algorithm, chosen: Steering, begins: float) -> Steering:
        """Puts an explored sigma in the place of the chosen one, and keeps it for some chunks.

        What a sigma is good for shows after several chunks in a row: one alone moves the arm
        a little.

        Args:
            agent: Its heads and bounds.
            chosen: What is to be done otherwise.
            begins: Probability with which exploring begins where nothing is being explored.
        """
        if self._kept_sigma is not None and self._rng.random() < 1.0 / self._acting.hold:
            self._kept_sigma = None
        if self._kept_sigma is None and self._rng.random() < begins:
            self._kept_sigma = self._explored(agent).sigma
        return chosen if self._kept_sigma is None else replace(chosen, sigma=self._kept_sigma)

    def _learn(
        self,
        chunk: int,
        seen: _Seen,
        latent: Steering,
        done: _Executed,
        following: _Seen,
        *,
        timed_out: bool,
    ) -> None:
        if self._session is None:
            return
        self._sequence += 1
        success = done.scenes[-1].success
        if timed_out and not success:
            following = _Seen(done.scenes[-1])
        transition = chunk_transition(
            session="inprocess",
            sequence=self._sequence,
            episode=self._episode,
            chunk=chunk,
            features=self._policy.features(*seen),
            steering=latent,
            executed=done.actions,
            next_features=self._policy.features(*following),
            success=success,
            timed_out=timed_out,
            delay_steps=0 if seen.committed is None else len(seen.committed),
        )
        self._session.ingest(transition)
        while self._session.updates_owed:
            self.metrics = self._session.update()
