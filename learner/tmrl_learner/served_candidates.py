"""What stands in the place of a copy of the frozen policy: candidates that its server handed out.

They lie in the transitions (`tmrl_common.candidates`); here is how many there are, and what their
actions are measured in.
"""

import torch
from torch import Tensor

from tmrl_common.candidates import ActionUnits
from tmrl_policies.torch_seam import from_numpy


class ServedCandidates:
    """How candidates are read.

    Args:
        units: Of the policy's actions, from the server's welcome.
        count: K, candidates of each transition.
        execute_steps: h, steps of each chunk that are executed.
        device: Torch device of the learner.

    Attributes:
        count: K.
        width: h * A, for A numbers of a robot's action.
    """

    def __init__(self, units: ActionUnits, count: int, execute_steps: int, device: str) -> None:
        self.count = count
        self.width = execute_steps * units.std.size
        self._mean = from_numpy(units.mean.copy()).to(device).repeat(execute_steps)
        self._std = from_numpy(units.std.copy()).to(device).repeat(execute_steps)

    def normalise(self, executed: Tensor) -> Tensor:
        """See `ActionScale`; any number of dimensions before the last."""
        return (executed - self._mean) / self._std

    def normalised(self, actions: Tensor) -> Tensor:
        """Candidates' actions (..., K * h * A) as (..., K, h * A), in those units."""
        return self.normalise(torch.unflatten(actions, -1, (-1, self.width)))
