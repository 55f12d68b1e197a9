"""Theorem 1 where everything has a closed form: linear-Gaussian policies.

Paper, workshop version, section III: for ``p_sigma(a | c) = E_w p(a | c + sigma w)`` with
``w ~ N(0, I_d)``, the total variation between two contexts is at most
``E||w|| / sigma * ||c - c'||`` (Eq. 10), whatever the policy. Here sigma is a standard deviation in
units of the context, not the normalised context time of the policies; `equivalent_sigma` converts.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearGaussian:
    """A policy ``p(a | c) = N(gain c, covariance)``.

    Attributes:
        gain: Shape (A, d).
        covariance: Shape (A, A), positive definite.
    """

    gain: Array
    covariance: Array

    def smoothed(self, sigma: float) -> "LinearGaussian":
        """The policy whose context carries noise of standard deviation `sigma` (Eq. 9)."""
        return LinearGaussian(self.gain, self.covariance + sigma**2 * self.gain @ self.gain.T)

    def context_smoothed(self, alpha_bar: float) -> "LinearGaussian":
        """What context-smoothed pre-training converges to where contexts are ``N(0, I)``.

        The trained policy sees ``c~`` from the corruption kernel (Eq. 6) and knows how noisy it is,
        so it answers with ``E[p(a | c) | c~]``; averaged over the kernel, that is again linear and
        Gaussian. At 1 this is the policy itself, at 0 the marginal ``p(a)`` for every context.

        Args:
            alpha_bar: Fraction of signal variance that the kernel leaves, in [0, 1].
        """
        spread = (1.0 - alpha_bar**2) * self.gain @ self.gain.T
        return LinearGaussian(alpha_bar * self.gain, self.covariance + spread)

    def total_variation(self, context: Array, other: Array) -> float:
        """Between the actions at two contexts, each of shape (d,)."""
        gap = self.gain @ (context - other)
        # Equal covariances: the best test is a threshold along one direction.
        distance = math.sqrt(float(gap @ np.linalg.solve(self.covariance, gap)))
        return math.erf(distance / math.sqrt(8.0))


def expected_norm(dim: int) -> float:
    """``E||w||`` of a standard normal vector of `dim` components."""
    return math.sqrt(2.0) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))


def theorem_bound(sigma: float, distance: float, dim: int) -> float:
    """Right-hand side of Eq. 10; vacuous where it exceeds 1.

    Args:
        sigma: Standard deviation of the context noise, above 0.
        distance: ``||c - c'||``, in the same unit.
        dim: Length d of the context.
    """
    return expected_norm(dim) * distance / sigma


def dimension_free_bound(sigma: float, distance: float) -> float:
    """A bound that implies Eq. 10, and does not grow with the length of the context.

    Smoothed actions are drawn through smoothed contexts, so they differ no more than
    ``N(c, sigma^2 I)`` and ``N(c', sigma^2 I)`` do, which differ along one direction only.
    """
    return math.erf(distance / (sigma * math.sqrt(8.0)))


def equivalent_sigma(alpha_bar: float) -> float:
    """Standard deviation of additive noise that tells as little as the corruption kernel.

    ``sqrt(abar) c + sqrt(1 - abar) w`` is ``c + sigma w`` scaled by ``sqrt(abar)``.

    Args:
        alpha_bar: Fraction of signal variance left, in [0, 1]; at 0 nothing is, and the result is
            infinite.
    """
    return math.sqrt((1.0 - alpha_bar) / alpha_bar) if alpha_bar > 0.0 else math.inf
