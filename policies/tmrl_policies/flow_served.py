"""The small flow policies as the policy server takes them.

The features, which the steering actor sees, are the normalised robot state followed by the
normalised context.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.candidates import ActionUnits
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.types import FloatArray, Observation, PolicySpec
from tmrl_policies.action_transform import UNIT_OF_OTHERS, action_transform
from tmrl_policies.far_state import StateWatch
from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policies.inpainting import Committed
from tmrl_policies.torch_seam import from_numpy


class SeenState(NamedTuple):
    """An observation without images.

    Attributes:
        proprio: Robot state in raw units, shape (1, P), float32.
        context: Context in raw units, shape (1, C), float32.
        far: Columns of the robot state that are far from the training data.
    """

    proprio: Tensor
    context: Tensor
    far: tuple[str, ...] = ()


def check_numbers(observation: Observation, spec: PolicySpec) -> None:
    """Refuses a robot state or a context that does not fit a policy.

    Raises:
        RequestError: Names the value and what the policy takes.
    """
    for name, values, length in (
        ("proprio", observation.proprio, spec.proprio_dim),
        ("context", observation.context, spec.context_dim),
    ):
        if values.shape != (length,):
            detail = f"{name} has shape {values.shape}; the policy takes ({length},)"
            raise RequestError(ErrorCode.BAD_REQUEST, detail)
        if not np.isfinite(values).all():
            detail = f"{name} holds a number that is not finite: {values.tolist()}"
            raise RequestError(ErrorCode.BAD_REQUEST, detail)


class ServedFlowPolicy:
    """A `tmrl_policies.base_policy.BasePolicy` made from a flow policy. Use from one thread.

    Attributes:
        spec: What is served.
        context_smoothing: Whether it was trained with corrupted contexts.
    """

    def __init__(self, policy: FlowPolicy, policy_version: str, transform: str) -> None:
        """Takes a policy in evaluation mode.

        Args:
            policy: The flow policy.
            policy_version: Content hash of its checkpoint.
            transform: How its actions become the robot's; see `tmrl_policies.action_transform`.

        Raises:
            ConfigError: There is no such transform, or it does not fit the policy.
        """
        shape = policy.config
        self._policy = policy
        self._transform = action_transform(transform, shape.action_dim)
        self.context_smoothing = shape.context_smoothing
        known = policy.proprio_normaliser
        columns = [f"column {place}" for place in range(shape.proprio_dim)]
        self._watch = StateWatch(columns, known.mean.numpy(), known.std.numpy())
        self.spec = PolicySpec(
            action_space=self._transform.action_space,
            action_dim=self._transform.action_dim,
            horizon=shape.horizon,
            proprio_dim=shape.proprio_dim,
            context_dim=shape.context_dim,
            cameras=(),
            z_dim=shape.action_dim,
            epsilon_dim=shape.context_dim,
            features_dim=shape.proprio_dim + shape.context_dim,
            policy_version=policy_version,
            statistics_hash=policy.statistics_hash(),
        )

    def observe(self, observation: Observation) -> SeenState:
        """Checks an observation and takes it over.

        Raises:
            RequestError: It does not fit the policy; the text names value, expectation and remedy.
        """
        check_numbers(observation, self.spec)
        if observation.images:
            detail = f"images of {sorted(observation.images)} came; the policy takes none"
            raise RequestError(ErrorCode.BAD_REQUEST, detail)
        return self._seen(observation.proprio, observation.context)

    def _seen(self, proprio: FloatArray, context: FloatArray) -> SeenState:
        """What was checked, shapes (P,) and (C,), as the networks take it."""
        # The arrays may be read-only views on a received frame, which torch does not wrap.
        return SeenState(
            from_numpy(np.array(proprio))[None],
            from_numpy(np.array(context))[None],
            self._watch.far_columns(proprio),
        )

    def features(self, seen: SeenState) -> Tensor:
        """What the steering actor sees, shape (features_dim,), float32."""
        parts = (
            self._policy.proprio_normaliser.normalise(seen.proprio),
            self._policy.context_normaliser.normalise(seen.context),
        )
        return torch.cat(parts, dim=-1)[0]

    def far_columns(self, seen: SeenState) -> tuple[str, ...]:
        """Columns of the robot state that are far from the training data, by their numbers."""
        return seen.far

    def draw_epsilon(self, generator: torch.Generator) -> Tensor:
        """One vector: the context is one."""
        return torch.randn(self.spec.epsilon_dim, generator=generator)

    def as_network(self, seen: SeenState, actions: FloatArray) -> Tensor:
        """The columns that the policy makes, normalised; see `BasePolicy.as_network`."""
        del seen
        columns = actions[:, list(self._transform.columns)]
        return self._policy.action_normaliser.normalise(from_numpy(columns))

    def sample(
        self,
        seen: Sequence[SeenState],
        sigma: Tensor,
        epsilon: Sequence[Tensor],
        noise: Tensor,
        known: Committed | None = None,
    ) -> Tensor:
        """Makes one chunk for each observation; see `BasePolicy.sample`."""
        chunks = self._policy.sample(
            torch.cat([one.proprio for one in seen]),
            torch.cat([one.context for one in seen]),
            sigma,
            torch.stack([*epsilon]),
            noise,
            known,
        )
        return from_numpy(self._transform.apply(chunks.numpy()))

    def fan_out(
        self, seen: SeenState, sigma: Tensor, epsilon: Sequence[Tensor], noise: Tensor
    ) -> Tensor:
        """Makes many chunks for one observation; see `BasePolicy.fan_out`."""
        each = noise.shape[1]
        chunks = self.sample(
            [seen] * (len(sigma) * each),
            sigma.repeat_interleave(each),
            [one for one in epsilon for _ in range(each)],
            noise.flatten(0, 1),
        )
        return chunks.reshape(*noise.shape[:3], -1)

    @property
    def units(self) -> ActionUnits:
        """Those of its normaliser; of columns that it does not make, a fixed one."""
        known = self._policy.action_normaliser
        mean = np.zeros(self.spec.action_dim, np.float32)
        std = np.full(self.spec.action_dim, UNIT_OF_OTHERS, np.float32)
        columns = list(self._transform.columns)
        mean[columns], std[columns] = known.mean.numpy(), known.std.numpy()
        return ActionUnits(mean, std)

    def warm_up_batches(self, largest: int) -> Sequence[int]:
        """A few alone, as the first ones of a thread are slow, then each number together."""
        return [1, 1, *range(1, largest + 1)]

    def example(self) -> Observation:
        """The means of the training data."""
        return Observation(
            self._policy.proprio_normaliser.mean.numpy(),
            self._policy.context_normaliser.mean.numpy(),
        )
