"""What a server adds where a chunk is made while the one before it still runs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tmrl_common.errors import ConfigError, ErrorCode, RequestError
from tmrl_common.types import FloatArray, PolicySpec
from tmrl_policies.inpainting import Committed, overlap_dim, overlap_features


class Overlap:
    """Chunks that begin with actions which are executed anyway.

    Attributes:
        spec: What is served: its features also say what those actions are.
    """

    def __init__(self, steps: int, spec: PolicySpec) -> None:
        """Takes how many there are.

        Args:
            steps: d, of each chunk that continues a running one; 0: no chunk does.
            spec: What the policy alone serves.

        Raises:
            ConfigError: Nothing of a chunk would be left.
        """
        if steps >= spec.horizon:
            raise ConfigError(
                f"overlap_steps is {steps}, and the policy's chunks have {spec.horizon} steps: "
                "give at most as many as are left after execute_steps of them"
            )
        self._steps, self._columns = steps, min(spec.z_dim, spec.action_dim)
        self._shape = (steps, spec.action_dim)
        dim = spec.features_dim + overlap_dim(steps, self._columns)
        self.spec = replace(spec, features_dim=dim)

    def check(self, committed: FloatArray) -> None:
        """Refuses actions that no chunk of this server begins with.

        Args:
            committed: Of a request; empty for a chunk that continues none.

        Raises:
            RequestError: Their shape is another one, or one of them is not finite.
        """
        if not committed.size:
            return
        if committed.shape != self._shape:
            detail = (
                f"the chunk is to begin with actions of shape {committed.shape}, this server makes "
                f"those of {self._shape}: start it with the agent's overlap_steps"
            )
            raise RequestError(ErrorCode.BAD_REQUEST, detail)
        if not np.isfinite(committed).all():
            detail = "an action that the chunk is to begin with is not finite"
            raise RequestError(ErrorCode.BAD_REQUEST, detail)

    def features(self, seen: Tensor, known: Tensor | None) -> Tensor:
        """What the steering actor sees: the observation, and what is executed anyway.

        Args:
            seen: The policy's features of the observation.
            known: Normalised, shape (d, A); None where the arm stands.
        """
        if not self._steps:
            return seen
        return torch.cat((seen, overlap_features(known, self._steps, self._columns)))

    def together(self, known: Sequence[Tensor | None]) -> Committed | None:
        """What the chunks of one pass begin with; None where chunks never overlap.

        A pass is of one kind whether or not a chunk continues another: a graph fits both.
        """
        if not self._steps:
            return None
        nothing = torch.zeros(self._steps, self._columns)
        rows = torch.stack([nothing if each is None else each for each in known])
        return Committed(rows, torch.tensor([each is not None for each in known]))
