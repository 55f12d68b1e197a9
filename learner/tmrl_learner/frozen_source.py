"""How a run's learner comes to know the policy that is served."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tmrl_common.messages import Welcome
from tmrl_common.types import PolicySpec
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_learner.errors import LearnerError
from tmrl_learner.flow_actions import load_flow_actions
from tmrl_learner.run_config import RunConfig
from tmrl_learner.served_candidates import ServedCandidates
from tmrl_learner.session import LearnerSession


def sizes_of(spec: PolicySpec, method: str) -> Sizes:
    """Lengths of the learner's vectors for a policy.

    The frozen policy by itself ("base") starts from noise that differs per step of the horizon; a
    steered one repeats one row.
    """
    rows = spec.horizon if method == "base" else 1
    return Sizes(features=spec.features_dim, z=rows * spec.z_dim, epsilon=spec.epsilon_dim)


def make_session(
    config: RunConfig, learner: LearnerConfig, welcome: Welcome, steady_s: Callable[[], float]
) -> LearnerSession:
    """A session for the policy served; DSRL-NA and hindsight get a copy of it, or its candidates.

    Args:
        config: Of the run.
        learner: Its settings.
        welcome: What the server said of itself.
        steady_s: Steady clock, s.

    Raises:
        TmrlError: There is no copy, it is another policy's, or the server does not say what a
            learner from candidates needs.
    """
    spec, steps, device = welcome.spec, config.execute_steps, learner.device
    sizes = sizes_of(spec, config.method)
    if not config.asks_policy:
        return LearnerSession(learner, sizes, steady_s)
    if config.candidates:
        base = _candidates(config, welcome, device if config.method == "dsrl_na" else "cpu")
    else:
        base = load_flow_actions(Path(config.policy), spec, steps, device)
    return LearnerSession(learner, replace(sizes, actions=base.width), steady_s, base)


def _candidates(config: RunConfig, welcome: Welcome, device: str) -> ServedCandidates:
    if welcome.units is None:
        raise LearnerError(
            f"the learner has candidates={config.candidates}, and the policy server does not say "
            "what its actions are measured in: it is older than this learner, bring it up to date"
        )
    if config.execute_steps > welcome.spec.horizon:
        raise LearnerError(
            f"execute_steps is {config.execute_steps}, and a chunk of the policy served has "
            f"{welcome.spec.horizon} steps; correct the learner's execute_steps"
        )
    return ServedCandidates(welcome.units, config.candidates, config.execute_steps, device)
