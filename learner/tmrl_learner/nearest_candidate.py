"""Hindsight without a copy of the frozen policy: the nearest of the candidates explains a segment.

The search is the server's: it drew the candidates when it saw what the person saw. Each stands for
one context noise only, so luck cannot be ruled out as the search in a copy does
(`tmrl_learner.hindsight`).
"""

from dataclasses import replace

import numpy as np
import torch

from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray
from tmrl_learner.config import HindsightConfig
from tmrl_learner.hindsight import driven_by_hand
from tmrl_learner.replay.transition import actions_row
from tmrl_learner.served_candidates import ServedCandidates
from tmrl_policies.steering import SteeringBounds
from tmrl_policies.torch_seam import from_numpy

_ROUNDING = 1e-5


class NearestCandidate:
    """Takes only what the actor can choose again.

    Args:
        config: How near is near enough.
        served: How the candidates are read; on the CPU.
        bounds: Of the actor.
        sigma_head: Whether the actor chooses sigma.
    """

    def __init__(
        self,
        config: HindsightConfig,
        served: ServedCandidates,
        bounds: SteeringBounds,
        *,
        sigma_head: bool,
    ) -> None:
        self._config = config
        self._served = served
        self._bounds = bounds
        self._sigma_head = sigma_head

    def explain(self, transition: Transition) -> Transition:
        """See `tmrl_learner.hindsight.HindsightLatents.explain`."""
        width, count = self._served.width, transition.candidate_sigma.size
        if not (count and driven_by_hand(transition, width)):
            return transition
        z = transition.candidate_z.reshape(count, -1)
        distances = np.where(
            self._choosable(z, transition.candidate_sigma), self._distances(transition), np.inf
        )
        best = int(distances.argmin())
        if distances[best] > self._config.tolerance:
            return transition
        sigma = min(float(transition.candidate_sigma[best]), self._bounds.sigma_max)
        return replace(transition, z=z[best].copy(), sigma=sigma, epsilon=np.zeros(0, np.float32))

    def _distances(self, transition: Transition) -> FloatArray:
        """Root mean squares over the steps that were driven, (K,)."""
        executed = from_numpy(actions_row(transition, self._served.width))
        actions = self._served.normalised(from_numpy(transition.candidate_actions.copy()))
        apart = actions - self._served.normalise(executed)
        driven = transition.executed_actions.size
        return torch.sqrt(apart[:, :driven].square().mean(dim=1)).numpy()

    def _choosable(self, z: FloatArray, sigma: FloatArray) -> FloatArray:
        """Whether a candidate lies where the actor can go: the server may not have known yet."""
        bounds = self._bounds
        inside = np.abs(z).max(axis=1) <= bounds.z_bound + _ROUNDING
        low = 0.0 if self._sigma_head else bounds.sigma_max
        return inside & (sigma >= low - _ROUNDING) & (sigma <= bounds.sigma_max + _ROUNDING)
