"""Control steps per second of CPU time in the maze: side by side, and one environment at a time."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from tmrl_common.types import FloatArray
from tmrl_experiments.inprocess.flow_base import FlowBase
from tmrl_experiments.inprocess.loop import InProcessLoop
from tmrl_experiments.ogbench.benchmarks import CUBE_SINGLE, POINTMAZE_GIANT
from tmrl_experiments.ogbench.chunk_policies import FlowChunks
from tmrl_experiments.ogbench.curves import CurveRun
from tmrl_experiments.ogbench.environment import ChunkedTask
from tmrl_experiments.ogbench.methods import RUN_SETTINGS, learner_config
from tmrl_experiments.ogbench.pretraining import policy_shape
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_learner.pretrain.evaluate import Scene
from tmrl_learner.session import LearnerSession
from tmrl_policies.flow_policy import FlowPolicy

_SEED = 100


class SingleMaze:
    """The benchmark's environment, an action at a time, as the loop in one process takes it."""

    max_steps = POINTMAZE_GIANT.max_steps

    def __init__(self) -> None:
        self._task = ChunkedTask(POINTMAZE_GIANT.name)

    def reset(self, seed: int) -> Scene:
        """Starts an episode of the next task."""
        observation, _ = self._task.reset(seed=seed)
        return self._scene(observation, success=False)

    def step(self, action: FloatArray) -> Scene:
        """Executes one action, (2,)."""
        observation, _, success, _, _ = self._task.step(action[None])
        return self._scene(observation, success=success)

    def _scene(self, observation: FloatArray, *, success: bool) -> Scene:
        return Scene(observation[:0], observation, success, wrong_object=False)


def steps_per_cpu_s(env_steps: int) -> dict[str, float]:
    """Measures both runners while they learn, with TMRL on a policy that goes where z points.

    One environment at a time learns as each run did until version 0.2.0: a round of updates after
    every chunk, with the settings that the cube still has. No trained policy is needed: it costs as
    much as an untrained one, whose chunks are its noise.

    Args:
        env_steps: Of the runner side by side after its warm-up; the other makes a tenth of them.
    """
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        policy = (
            FlowPolicy(policy_shape(POINTMAZE_GIANT, "csp"))
            .eval()
            .requires_grad_(requires_grad=False)
        )
    return {
        "env_steps_per_cpu_s": _side_by_side(policy, env_steps),
        "env_steps_per_cpu_s_one_at_a_time": _one_at_a_time(policy, env_steps // 10),
    }


def _learning_soon(config: LearnerConfig) -> LearnerConfig:
    """With the shortest warm-up: what is measured comes after it."""
    schedule = replace(config.schedule, warmup_chunks=1, warmup_max_chunks=1, burst_rounds=0)
    return replace(config, schedule=schedule)


def _side_by_side(policy: FlowPolicy, env_steps: int) -> float:
    where, settings = POINTMAZE_GIANT, RUN_SETTINGS[POINTMAZE_GIANT.name]
    chunks = FlowChunks(policy, where, 0.0, torch.Generator().manual_seed(_SEED))
    config = _learning_soon(learner_config(where.name, "tmrl", _SEED))
    with tempfile.TemporaryDirectory() as folder:
        run = CurveRun(
            where,
            chunks,
            config,
            Path(folder),
            environments=settings.environments,
            checkpoint_every=settings.checkpoint_every,
        )
        run.run(2 * settings.environments * where.execute_steps)
        before, start_s = run.env_steps, time.process_time()
        run.run(before + env_steps)
        return (run.env_steps - before) / (time.process_time() - start_s)


def _one_at_a_time(policy: FlowPolicy, env_steps: int) -> float:
    base = FlowBase(policy, _SEED)
    config = _learning_soon(learner_config(CUBE_SINGLE.name, "tmrl", _SEED))
    sizes = Sizes(base.features_dim, POINTMAZE_GIANT.action_dim, 0)
    session = LearnerSession(config, sizes, time.monotonic)
    steps = POINTMAZE_GIANT.execute_steps
    loop = InProcessLoop(base, SingleMaze(), session, _SEED, steps)
    loop.run_episode()
    made, start_s = 0, time.process_time()
    while made < env_steps:
        made += loop.run_episode().steps
    return made / (time.process_time() - start_s)
