"""Who steers the next chunk, within which caps, and from which seed."""

import numpy as np

from tmrl_agent.events import ControllerView
from tmrl_agent.params import CONTROLLERS_CAP, AgentConfig
from tmrl_agent.probe import Probe, probe_of
from tmrl_common.candidates import CandidateRequest
from tmrl_common.types import MAX_SEED, SteeringLimits, SteeringSource

_SOURCES = {
    "warmup": SteeringSource.UNIFORM,
    "training": SteeringSource.ACTOR,
    "base": SteeringSource.BASE,
}
"""Phase of the learner -> who steers."""


def source(config: AgentConfig, learner_phase: str, episode: int) -> SteeringSource | Probe:
    """Who steers, or how a probe does.

    Args:
        config: Says who steers before the learner has said where it stands, and what is probed.
        learner_phase: As in tmrl_msgs/LearnerStatus; empty until then.
        episode: Of the chunk, counts from 1.
    """
    if config.probe:
        return probe_of(config.probe, episode) or SteeringSource.UNIFORM
    return _SOURCES.get(learner_phase, SteeringSource(config.unknown_learner_source))


def limits(config: AgentConfig, controller: ControllerView, attempt: int) -> SteeringLimits:
    """The controller's caps; those of a test only at the first attempt.

    Args:
        config: May hold caps to test the controller with.
        controller: Its caps.
        attempt: How often the controller has refused in a row.
    """
    sigma_cap, z_cap = config.request_sigma_cap, config.request_z_cap
    if sigma_cap == CONTROLLERS_CAP or attempt > 0:
        sigma_cap = controller.sigma_cap
    if z_cap == CONTROLLERS_CAP or attempt > 0:
        z_cap = controller.z_cap
    epsilon_cap = min(config.epsilon_cap, controller.epsilon_cap)
    return SteeringLimits(sigma_cap, z_cap, epsilon_cap)


def candidates(
    config: AgentConfig, controller: ControllerView | None, seed: int, *, of_chunk: bool
) -> CandidateRequest | None:
    """Which candidates to ask for beside a chunk or features; None for none.

    Args:
        config: Says how many, and beside what.
        controller: Its caps hold for them, too; without it nobody knows what may be chosen.
        seed: Of the draw.
        of_chunk: Whether a chunk is asked for; otherwise features.
    """
    always = config.candidates_for == "chunks"
    if controller is None or not config.candidates or (of_chunk and not always):
        return None
    caps = limits(config, controller, attempt=1)
    return CandidateRequest(config.candidates, config.execute_steps, caps, seed, by_actor=always)


def seed(session_seed: int, episode: int, chunk: int, attempt: int) -> int:
    """Seed of a chunk in [0, MAX_SEED], the same whenever the same chunk is asked for again."""
    state = np.random.SeedSequence((session_seed, episode, chunk, attempt))
    return int(state.generate_state(1, np.uint64)[0]) & MAX_SEED
