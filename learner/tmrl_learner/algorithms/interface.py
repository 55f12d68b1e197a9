"""What the learner asks of an algorithm, and how one is made by its name."""

from collections.abc import Mapping
from typing import Protocol, cast

import torch
from torch import Tensor

from tmrl_common.algorithms import BUILT_IN, AlgorithmError, load_algorithm
from tmrl_learner.algorithms.tmrl.agent import TmrlAgent
from tmrl_learner.config import LearnerConfig, Sizes
from tmrl_policies.steering import SteeringActor, SteeringBounds


class Algorithm(Protocol):
    """Turns minibatches into a steering actor, which is all that the policy server ever sees.

    It is made as `CLASS(config.agent, sizes, seed, device)`. The same arguments and the same
    minibatches give the same actor, and `load_state(state())` changes nothing: a run that resumes
    from its checkpoint continues bit-equal.

    Attributes:
        actor: Picks z, sigma and epsilon in [-1, 1] from features; its weights are published.
        bounds: What they are scaled to.
        device: Where it computes; minibatches are moved there.
    """

    actor: SteeringActor
    bounds: SteeringBounds
    device: torch.device

    def update(self, batch: Mapping[str, Tensor]) -> dict[str, float]:
        """Does one round; returns metrics by name.

        Args:
            batch: (utd + 1) * batch_size rows of features and next_features (rows, S), z (rows, Z),
                sigma (rows, 1), epsilon (rows, E), reward and terminated (rows, 1), float32.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Returns every tensor that decides the next update."""
        ...

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned."""
        ...


_MEMBERS = ("update", "state", "load_state")


def make_algorithm(config: LearnerConfig, sizes: Sizes) -> Algorithm:
    """Makes the algorithm that a configuration names.

    Raises:
        AlgorithmError: It is not installed, or what its package offers is no algorithm.
    """
    if config.method in BUILT_IN:
        return TmrlAgent(config.agent, sizes, config.seed, config.device)
    offered = load_algorithm(config.method)
    lacking = [name for name in _MEMBERS if not callable(getattr(offered, name, None))]
    if lacking:
        raise AlgorithmError(
            f"method is {config.method!r}, and {offered!r} lacks {', '.join(lacking)}; "
            "docs/tutorials/new_algorithm.md says what an algorithm has"
        )
    return cast(Algorithm, offered(config.agent, sizes, config.seed, config.device))
