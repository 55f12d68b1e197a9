"""The critic ensemble: N independent critics, evaluated together.

The steering actor lives in `tmrl_policies.steering`, because the policy server runs it too.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_learner.algorithms.tmrl.mish import mish

SIGMA_EMBEDDING = 64
LAYER_NORM_EPSILON = 1e-5
MAX_FREQUENCY_RAD = 4.0
FREQUENCY_RANGE = 100.0


def embed_sigma(sigma: Tensor) -> Tensor:
    """Sinusoidal embedding of the context timestep, smooth over its range.

    The fastest sine turns less than once over [0, 1]. With the usual frequencies of diffusion
    timesteps (up to 100 radians over the range) Q had bumps in sigma on which the actor's gradient
    got stuck, far from the sigma at which episodes succeeded (docs/results/tuning.md).

    Args:
        sigma: (B, 1), in [0, 1].

    Returns:
        (B, 64): sines, then cosines, of sigma at 32 frequencies from 4 to 0.04 radians.
    """
    half = SIGMA_EMBEDDING // 2
    exponents = torch.arange(half, device=sigma.device, dtype=sigma.dtype) / (half - 1)
    phase = sigma * MAX_FREQUENCY_RAD * FREQUENCY_RANGE**-exponents
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def critic_inputs(features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
    """What a critic sees, side by side.

    Args:
        features: (B, S).
        z: (B, Z).
        sigma: (B, 1).
        epsilon: (B, E).

    Returns:
        (B, S + Z + 64 + E).
    """
    return torch.cat([features, z, embed_sigma(sigma), epsilon], dim=-1)


class CriticEnsemble(nn.Module):
    """Q_i(s, z, sigma, epsilon), i = 1..N: MLPs with LayerNorm and Mish.

    All members read the same input, so the first layer is one matrix product with their weights
    side by side, stored (in, N * hidden); the later layers are batched products, stored
    (N, in, out).

    Args:
        features_dim: S.
        z_dim: Z.
        epsilon_dim: E, 0 where epsilon is not chosen.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers.
        critics: N.
    """

    def __init__(
        self,
        features_dim: int,
        z_dim: int,
        epsilon_dim: int,
        hidden: int,
        layers: int,
        critics: int,
    ) -> None:
        super().__init__()
        self._side_by_side = (critics, hidden)
        inputs = features_dim + z_dim + SIGMA_EMBEDDING + epsilon_dim
        self.first_weight = _uniform(inputs, critics * hidden, fan_in=inputs)
        self.first_bias = _uniform(critics * hidden, fan_in=inputs)
        outputs = [hidden] * (layers - 1) + [1]
        self.weights = nn.ParameterList(
            _uniform(critics, hidden, o, fan_in=hidden) for o in outputs
        )
        self.biases = nn.ParameterList(_uniform(critics, 1, o, fan_in=hidden) for o in outputs)
        self.gains = nn.ParameterList(torch.ones(critics, 1, hidden) for _ in outputs)
        self.shifts = nn.ParameterList(torch.zeros(critics, 1, hidden) for _ in outputs)

    def forward(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Values of all members.

        Args:
            features: (B, S).
            z: (B, Z).
            sigma: (B, 1).
            epsilon: (B, E).

        Returns:
            (N, B).
        """
        x = self.first_layer(critic_inputs(features, z, sigma, epsilon))
        for weight, bias, gain, shift in self.later_layers():
            normal = functional.layer_norm(x, x.shape[-1:], eps=LAYER_NORM_EPSILON)
            x = torch.baddbmm(bias, mish(torch.addcmul(shift, normal, gain)), weight)
        return x.squeeze(-1)

    def first_layer(self, inputs: Tensor) -> Tensor:
        """(B, I) to (N, B, hidden)."""
        x = torch.addmm(self.first_bias, inputs, self.first_weight)
        return x.view(-1, *self._side_by_side).transpose(0, 1)

    def later_layers(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Weight, bias, gain and shift of each layer after the first; see `forward`."""
        return zip(self.weights, self.biases, self.gains, self.shifts, strict=True)


def _uniform(*shape: int, fan_in: int) -> nn.Parameter:
    bound = 1.0 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
