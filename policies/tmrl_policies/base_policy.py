"""What every frozen base policy offers to the policy server, whatever it looks at."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from tmrl_common.candidates import ActionUnits
from tmrl_common.types import FloatArray, Observation, PolicySpec
from tmrl_policies.inpainting import Committed

Seen = TypeVar("Seen")


class BasePolicy(Protocol[Seen]):
    """A frozen policy: observation and latent in, chunk of actions out. Use from one thread.

    `Seen` is an observation as the policy's own networks take it: checked, normalised, on the
    policy's device. It may carry what is worth keeping between `features` and `sample`, such as
    image tokens.
    """

    @property
    def spec(self) -> PolicySpec:
        """What is served: sizes, cameras, action space and hashes."""
        ...

    @property
    def context_smoothing(self) -> bool:
        """Whether the policy was trained with corrupted contexts; otherwise sigma must be 0."""
        ...

    def observe(self, observation: Observation) -> Seen:
        """Checks an observation and prepares it.

        Raises:
            RequestError: It does not fit the policy; the text names value, expectation and remedy.
        """
        ...

    def features(self, seen: Seen) -> Tensor:
        """What the steering actor sees, shape (features_dim,), float32 on the CPU."""
        ...

    def far_columns(self, seen: Seen) -> tuple[str, ...]:
        """Columns of the robot state that lie far outside of what the policy was trained on."""
        ...

    def draw_epsilon(self, generator: torch.Generator) -> Tensor:
        """Draws a context noise as in training, for a chunk whose context noise nobody steers.

        Args:
            generator: On the CPU. The same state of it draws the same on the same kind of device.

        Returns:
            Shape (epsilon_dim,), or (T, epsilon_dim) for a policy whose context has T tokens with a
            noise of their own each; float32.
        """
        ...

    def as_network(self, seen: Seen, actions: FloatArray) -> Tensor:
        """Actions of the rig as the network makes them.

        Args:
            seen: The observation that they follow.
            actions: Raw units of `spec.action_space`, shape (n, action_dim).

        Returns:
            Normalised, shape (n, A), float32 on the CPU: A is the smaller one of `spec.z_dim` and
            `spec.action_dim`.
        """
        ...

    def sample(
        self,
        seen: Sequence[Seen],
        sigma: Tensor,
        epsilon: Sequence[Tensor],
        noise: Tensor,
        known: Committed | None = None,
    ) -> Tensor:
        """Makes one chunk for each observation.

        Args:
            seen: B prepared observations.
            sigma: Context times in [0, 1], shape (B,), float32.
            epsilon: Context noise of each, float32: steered, shape (epsilon_dim,), or from
                `draw_epsilon`.
            noise: Initial flow noise, shape (B, horizon, z_dim), float32.
            known: First rows of the chunks, from `as_network`, where they are executed anyway.

        Returns:
            Actions in raw units of `spec.action_space`, shape (B, horizon, action_dim), float32 on
            the CPU.
        """
        ...

    def fan_out(
        self, seen: Seen, sigma: Tensor, epsilon: Sequence[Tensor], noise: Tensor
    ) -> Tensor:
        """Makes many chunks for one observation; what they share is computed once.

        Args:
            seen: A prepared observation.
            sigma: Context times in [0, 1], shape (G,), float32.
            epsilon: Context noise of each of these, as for `sample`.
            noise: R initial flow noises for each, shape (G, R, horizon, z_dim), float32.

        Returns:
            As `sample`, shape (G, R, horizon, action_dim).
        """
        ...

    @property
    def units(self) -> ActionUnits:
        """What one unit of each column of the robot's action is to the policy."""
        ...

    def warm_up_batches(self, largest: int) -> Sequence[int]:
        """Sizes of the passes to make before the first real one, in this order.

        Args:
            largest: Most observations of one pass.
        """
        ...

    def example(self) -> Observation:
        """An observation that fits, for warming up."""
        ...
