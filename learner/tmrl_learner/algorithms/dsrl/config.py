"""DSRL as a configuration of the shared agent.

DSRL steers a frozen policy through its initial noise alone. That is TMRL without the heads for
sigma and epsilon, so it shares actor, critics and updates instead of repeating them. So does the
same on a context-smoothed policy whose sigma is held at one value: the rival of a learned sigma.
"""

from dataclasses import replace

from tmrl_learner.algorithms.tmrl.config import TmrlConfig


def as_dsrl(config: TmrlConfig) -> TmrlConfig:
    """The same hyper-parameters with z as the only head: sigma is 0, epsilon drawn at random."""
    return replace(config, sigma_head=False, epsilon_head=False, sigma_max=0.0)


def as_fixed_sigma(config: TmrlConfig) -> TmrlConfig:
    """The same with z as the only head and sigma at `sigma_max` in every chunk."""
    return replace(config, sigma_head=False, epsilon_head=False)
