"""The methods that are compared: which base policy, and what the actor chooses of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_experiments.ogbench.benchmarks import CUBE_SINGLE, POINTMAZE_GIANT
from tmrl_learner.algorithms.dsrl.config import as_dsrl
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import PRESETS, LearnerConfig, ReplayConfig, ScheduleConfig


@dataclass(frozen=True)
class Method:
    """One curve.

    Attributes:
        base: Method of pre-training of the frozen policy.
        learner: "tmrl" steers z and sigma (or the guidance weight), "dsrl" z alone.
        raw_actions: The latent is the chunk itself; the base policy only normalises observations.
    """

    base: str
    learner: str
    raw_actions: bool = False


METHODS: Mapping[str, Method] = {
    "tmrl": Method("csp", "tmrl"),
    "dsrl": Method("bc", "dsrl"),
    "rlpd": Method("bc", "dsrl", raw_actions=True),
    "postbc-dsrl": Method("postbc", "dsrl"),
    "tmrl-cfg": Method("cfg", "tmrl"),
}


def method(name: str) -> Method:
    """The method called `name`.

    Raises:
        ConfigError: There is none; the message gives the nearest name.
    """
    if name not in METHODS:
        raise ConfigError(f"unknown method '{name}'; {nearest_name(name, [*METHODS])}")
    return METHODS[name]


@dataclass(frozen=True)
class RunSettings:
    """How every method is run on one benchmark. Nothing was chosen for one of them alone.

    Attributes:
        environments: Side by side.
        checkpoint_every: Control steps between two checkpoints, which an interruption may lose.
        agent: The actor-critic.
        schedule: Warm-up, and transitions for each round of updates.
        capacity: Of the replay buffer, transitions.
    """

    environments: int
    checkpoint_every: int
    agent: TmrlConfig
    schedule: ScheduleConfig
    capacity: int


# The demo's agent, made for two CPU cores (docs/decisions/0004-ogbench.md).
_AGENT = PRESETS["widowx_sim"].agent
RUN_SETTINGS: Mapping[str, RunSettings] = {
    POINTMAZE_GIANT.name: RunSettings(
        environments=128,
        checkpoint_every=500_000,
        agent=replace(_AGENT, utd=5, batch_size=256, gamma=0.99),
        # As many chunks as an episode of each environment has, drawn uniformly.
        schedule=ScheduleConfig(
            warmup_chunks=8_000, warmup_max_chunks=8_000, burst_rounds=100, chunks_per_round=20
        ),
        capacity=200_000,
    ),
    CUBE_SINGLE.name: RunSettings(
        environments=8,
        checkpoint_every=20_000,
        agent=replace(_AGENT, utd=5),
        schedule=ScheduleConfig(warmup_chunks=500, warmup_max_chunks=500, burst_rounds=100),
        capacity=100_000,
    ),
}


def learner_config(where: str, name: str, seed: int) -> LearnerConfig:
    """Settings of a method's learner: on a benchmark the same for all but for what the method is.

    Args:
        where: Name of the benchmark.
        name: Of the method.
        seed: Of the learner.
    """
    chosen, settings = method(name), RUN_SETTINGS[where]
    config = LearnerConfig(
        method=chosen.learner,
        seed=seed,
        agent=settings.agent,
        replay=ReplayConfig(capacity=settings.capacity, success_share=0.5),
        schedule=settings.schedule,
    )
    if chosen.learner == "dsrl":
        config = replace(config, agent=as_dsrl(config.agent))
    if chosen.raw_actions:
        # Demonstrations take the place of successes here: both at once would leave nothing else.
        replay = replace(config.replay, success_share=0.0, offline_share=0.5)
        config = replace(config, agent=replace(config.agent, z_bound=1.0), replay=replay)
    return config
