"""Which actions a latent leads to: a copy of the frozen flow policy inside the learner."""

import copy
from pathlib import Path

import torch
from torch import Tensor

from tmrl_common.types import PolicySpec
from tmrl_learner.errors import LearnerError
from tmrl_policies.action_transform import UNIT_OF_OTHERS, robot_columns
from tmrl_policies.flow_checkpoint import load_flow_policy
from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policies.inpainting import Committed

_REMEDY = "use the method tmrl or dsrl without hindsight, which need no copy of the policy"


class FlowActions:
    """The actions of a latent, as a `SteeredPolicy`.

    Args:
        policy: In evaluation mode, without gradients; it is copied.
        execute_steps: h, steps of each chunk that are executed.
        device: Torch device of the learner.
        columns: Column of the robot's action for each of the policy's; None where they are the
            same.
        action_dim: A, columns of the robot's action; 0 where they are the policy's.
        overlap_steps: d, rows of a chunk that are the last ones of the chunk before; the features
            then end with them (`tmrl_policies.inpainting.overlap_features`).
    """

    def __init__(
        self,
        policy: FlowPolicy,
        execute_steps: int,
        device: str,
        columns: tuple[int, ...] | None = None,
        action_dim: int = 0,
        overlap_steps: int = 0,
    ) -> None:
        self._policy = copy.deepcopy(policy).to(device)
        self._steps, self._overlap = execute_steps, overlap_steps
        self._columns = list(columns or range(policy.config.action_dim))
        self._action_dim = action_dim or policy.config.action_dim

    @property
    def width(self) -> int:
        """See `SteeredPolicy`."""
        return self._steps * self._action_dim

    def actions(self, features: Tensor, z: Tensor) -> Tensor:
        """See `LatentPolicy`; columns that the policy does not make are 0."""
        epsilon = z.new_zeros(len(z), self._policy.config.context_dim)
        return self.steered(features, z, z.new_zeros(len(z)), epsilon)

    @torch.no_grad()
    def steered(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """See `SteeredPolicy`; columns that the policy does not make are 0."""
        policy, config = self._policy, self._policy.config
        seen = config.proprio_dim + config.context_dim
        proprio, context = features[:, : config.proprio_dim], features[:, config.proprio_dim : seen]
        known = self._committed(features[:, seen:])
        rows = z.view(len(z), -1, config.action_dim)
        chunks = policy.sample(
            policy.proprio_normaliser.restore(proprio),
            policy.context_normaliser.restore(context),
            sigma,
            epsilon,
            rows.expand(-1, config.horizon, -1),
            known,
        )
        own = chunks[:, : self._steps]
        if known is not None:
            later = chunks[:, self._overlap : self._overlap + self._steps]
            own = torch.where(known.there[:, None, None], later, own)
        judged = features.new_zeros(len(features), self._steps, self._action_dim)
        judged[..., self._columns] = policy.action_normaliser.normalise(own)
        return judged.flatten(1)

    def _committed(self, tail: Tensor) -> Committed | None:
        """What the end of the features says of the rows that are executed anyway."""
        if not self._overlap:
            return None
        rows = tail[:, :-1].reshape(len(tail), self._overlap, self._policy.config.action_dim)
        return Committed(rows, tail[:, -1] > 0.5)

    def normalise(self, executed: Tensor) -> Tensor:
        """See `LatentPolicy`."""
        steps = executed.reshape(len(executed), self._steps, self._action_dim)
        judged = steps / UNIT_OF_OTHERS
        judged[..., self._columns] = self._policy.action_normaliser.normalise(
            steps[..., self._columns]
        )
        return judged.flatten(1)


def load_flow_actions(
    folder: Path, spec: PolicySpec, execute_steps: int, device: str
) -> FlowActions:
    """Reads the policy that a server serves.

    Args:
        folder: Of its checkpoint, on this machine.
        spec: What the server serves.
        execute_steps: h, steps of each chunk that are executed.
        device: Torch device of the learner.

    Raises:
        LearnerError: It is no flow policy, or another one than the server's.
        CheckpointError: Its files are damaged.
    """
    if not (folder / "policy.safetensors").is_file():
        raise LearnerError(
            f"the learner needs a copy of the frozen policy, for the method dsrl_na or for "
            f"hindsight, and {folder} (policy) holds no flow policy: a pi0 cannot be sampled here; "
            f"learn from the candidates that its server hands out (candidates), or {_REMEDY}"
        )
    loaded = load_flow_policy(folder)
    if loaded.version != spec.policy_version:
        raise LearnerError(
            f"the flow policy in {folder} (policy) is {loaded.version[:12]}, the policy server "
            f"serves {spec.policy_version[:12]}: give the learner the folder that is served, or "
            f"{_REMEDY}"
        )
    shape = loaded.policy.config
    columns = robot_columns(shape.action_dim, spec.action_space)
    tail = spec.features_dim - shape.proprio_dim - shape.context_dim
    overlap_steps = max(tail - 1, 0) // shape.action_dim
    if columns is None or overlap_steps + execute_steps > spec.horizon:
        raise LearnerError(
            f"the policy makes chunks of {spec.horizon} x {shape.action_dim} numbers, which do not "
            f"become {execute_steps} steps (execute_steps) after {overlap_steps} in common of "
            f"{spec.action_space}; correct the learner's execute_steps, or {_REMEDY}"
        )
    dims = columns, spec.action_dim, overlap_steps
    return FlowActions(loaded.policy, execute_steps, device, *dims)
