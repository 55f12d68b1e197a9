"""The frozen policy, as DSRL-NA's critics need it inside the learner."""

from typing import Protocol

from torch import Tensor


class LatentPolicy(Protocol):
    """Which actions a latent leads to.

    Its action chunks are cut to the h steps that are executed, flattened to (h * A,), and in
    units of the order 1, in which a network can tell actions apart.
    """

    def actions(self, features: Tensor, z: Tensor) -> Tensor:
        """The executed part of the chunks that the policy answers with at sigma = 0.

        Args:
            features: (B, S), as transitions carry them.
            z: (B, Z), initial flow noise.

        Returns:
            (B, h * A), without gradients.
        """
        ...

    def normalise(self, executed: Tensor) -> Tensor:
        """Executed actions in raw units, (B, h * A), in the units of `actions`."""
        ...
