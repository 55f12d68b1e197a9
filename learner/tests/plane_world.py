"""What the tests of critics of actions share: a plane, a policy in it, and small networks."""

import numpy as np
import torch
from torch import Tensor

from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import Sizes
from tmrl_learner.testing import FEATURES

STEPS, COLUMNS = 2, 2
SIZES = Sizes(features=FEATURES, z=2, epsilon=0, actions=STEPS * COLUMNS)
GOAL = np.array([0.6, -0.5], np.float32)
"""The action that is rewarded best; half a unit of raw action is one unit for the critics."""
AGENT = TmrlConfig(
    sigma_head=False,
    z_bound=1.0,
    hidden=32,
    critics=2,
    batch_size=64,
    utd=4,
    learning_rate=3e-3,
)


class Turned:
    """A policy that turns z by a quarter and repeats it for two steps, at any sigma."""

    width = STEPS * COLUMNS

    def actions(self, features: Tensor, z: Tensor) -> Tensor:
        turned = torch.stack([z[:, 1], -z[:, 0]], dim=-1)
        return torch.cat([turned, turned], dim=-1) / 0.5

    def steered(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        return self.actions(features, z)

    def normalise(self, executed: Tensor) -> Tensor:
        return executed / 0.5
