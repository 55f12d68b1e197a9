"""The frozen policy, as a learner needs it that asks which actions a latent leads to."""

from typing import Protocol, runtime_checkable

from torch import Tensor


class ActionScale(Protocol):
    """What actions are measured in, so that a network can tell them apart."""

    def normalise(self, executed: Tensor) -> Tensor:
        """Executed actions in raw units, (B, h * A), in units of the order 1."""
        ...


class LatentPolicy(ActionScale, Protocol):
    """Which actions a latent leads to without context noise, as DSRL-NA's critics need it.

    Its action chunks are cut to the h steps that are executed, flattened to (h * A,), and in
    units of the order 1, in which a network can tell actions apart.
    """

    def actions(self, features: Tensor, z: Tensor) -> Tensor:
        """The executed part of the chunks that the policy answers with at sigma = 0.

        Args:
            features: (B, S), as transitions carry them.
            z: (B, Z), initial flow noise.

        Returns:
            (B, h * A), without gradients, in the units of `normalise`.
        """
        ...


@runtime_checkable
class SteeredPolicy(LatentPolicy, Protocol):
    """The same at any sigma, as the search for a person's latent needs it."""

    @property
    def width(self) -> int:
        """H * A."""
        ...

    def steered(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """The executed part of the chunks that the policy answers with.

        Args:
            features: (B, S), as transitions carry them.
            z: (B, Z), initial flow noise.
            sigma: (B,), context timestep.
            epsilon: (B, E), context noise.

        Returns:
            (B, h * A), without gradients, in the units of `actions`.
        """
        ...
