"""The methods that are compared: which base policy, and what the actor chooses of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_learner.algorithms.dsrl.config import as_dsrl
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


# The demo's preset with half of its updates and the paper's warm-up: sizes for two CPU cores
# (docs/decisions/0004-ogbench.md). Nothing was chosen for one of the methods alone.
_AGENT = replace(PRESETS["widowx_sim"].agent, utd=5)
_SCHEDULE = ScheduleConfig(warmup_chunks=500, warmup_max_chunks=500, burst_rounds=100)


def learner_config(name: str, seed: int) -> LearnerConfig:
    """Settings of a method's learner: the same for all but for what the method is.

    Args:
        name: Of the method.
        seed: Of the learner.
    """
    chosen = method(name)
    config = LearnerConfig(
        method=chosen.learner,
        seed=seed,
        agent=_AGENT,
        replay=ReplayConfig(capacity=100_000, success_share=0.5),
        schedule=_SCHEDULE,
    )
    if chosen.learner == "dsrl":
        config = replace(config, agent=as_dsrl(config.agent))
    if chosen.raw_actions:
        # Demonstrations take the place of successes here: both at once would leave nothing else.
        replay = replace(config.replay, success_share=0.0, offline_share=0.5)
        config = replace(config, agent=replace(config.agent, z_bound=1.0), replay=replay)
    return config
