"""What a learning session is made of, by its method and by how it knows the frozen policy."""

from typing import Protocol

from tmrl_common.transitions import Transition
from tmrl_learner.algorithms.dsrl_na.agent import DsrlNaAgent
from tmrl_learner.algorithms.dsrl_na.from_candidates import CandidateDsrlNaAgent
from tmrl_learner.algorithms.interface import Algorithm, make_algorithm
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_learner.errors import LearnerError
from tmrl_learner.frozen_policy import LatentPolicy, SteeredPolicy
from tmrl_learner.hindsight import HindsightLatents
from tmrl_learner.nearest_candidate import NearestCandidate
from tmrl_learner.served_candidates import ServedCandidates

Frozen = LatentPolicy | ServedCandidates
"""How a learner knows the frozen policy: by a copy of it, or by what its server hands out."""


class Hindsight(Protocol):
    """Finds the latent of what a person drove."""

    def explain(self, transition: Transition) -> Transition:
        """The transition with the latent that explains it; as it came where none does."""
        ...


def make_agent(config: LearnerConfig, sizes: Sizes, base: Frozen | None) -> Algorithm:
    """The algorithm of a method.

    Raises:
        LearnerError: It needs the frozen policy, and knows it in no way.
    """
    if config.method != "dsrl_na":
        return make_algorithm(config, sizes)
    if base is None or sizes.actions < 1:
        raise LearnerError(
            "dsrl_na needs a copy of the frozen policy in the learner's process, and the length of "
            "what is executed of its chunks: set policy and execute_steps, or candidates for a "
            "policy that cannot be copied"
        )
    agent, seed, device = config.agent, config.seed, config.device
    if isinstance(base, ServedCandidates):
        return CandidateDsrlNaAgent(agent, sizes, seed, device, base)
    return DsrlNaAgent(agent, config.dsrl_na, sizes, seed, device, base)


def make_hindsight(
    config: LearnerConfig, sizes: Sizes, base: Frozen | None, agent: Algorithm
) -> Hindsight | None:
    """Finds latents for people's segments; None where that is off.

    Raises:
        LearnerError: It needs the frozen policy, and knows it in no way, or not well enough.
    """
    heads = config.agent.sigma_head, config.agent.epsilon_head
    if not config.hindsight.candidates or config.method == "dsrl_na":
        return None
    if isinstance(base, ServedCandidates):
        if heads[1]:
            raise LearnerError(
                f"hindsight.candidates is {config.hindsight.candidates}, agent.epsilon_head is "
                "true, and the candidates of a policy server have no context noise to learn: set "
                "agent.epsilon_head=false, or hindsight.candidates=0"
            )
        return NearestCandidate(config.hindsight, base, agent.bounds, sigma_head=heads[0])
    if not isinstance(base, SteeredPolicy):
        raise LearnerError(
            f"hindsight.candidates is {config.hindsight.candidates}, and the search needs a copy "
            "of the frozen policy in the learner's process: set policy and execute_steps, "
            "candidates for a policy that cannot be copied, or hindsight.candidates=0"
        )
    return HindsightLatents(
        config.hindsight,
        base,
        agent.bounds,
        sizes.z,
        sizes.epsilon,
        heads,
        config.seed,
        config.device,
    )
