"""The forward-diffusion kernel that smooths contexts, and its named noise schedules.

A context ``c`` (normalised to zero mean and unit variance) is replaced by
``sqrt(abar) * c + sqrt(1 - abar) * epsilon`` with ``epsilon ~ N(0, I)``
(paper, workshop version, Eq. 6). ``sigma`` in [0, 1] is the normalised context time:
0 keeps the context, 1 leaves nothing of it (where the schedule goes that far).
"""

import difflib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tmrl_policies.schedule_names import SCHEDULE_NAMES
from tmrl_policies.torch_seam import numbers


@dataclass(frozen=True)
class NoiseSchedule:
    """A table of signal fractions over the discrete context times.

    Attributes:
        name: Name under which checkpoints refer to the schedule.
        alpha_bar: Fraction of signal variance left at each index, shape (T,), float64,
            decreasing; on the CPU, also for a network that is made without memory.
    """

    name: str
    alpha_bar: Tensor

    @property
    def num_steps(self) -> int:
        """Number T of discrete context times."""
        return self.alpha_bar.shape[0]

    def index(self, sigma: Tensor) -> Tensor:
        """Returns the table index ``floor(sigma * (T - 1))``.

        Args:
            sigma: Normalised context time in [0, 1], any shape.

        Returns:
            Indices of the same shape, int64.

        Raises:
            ValueError: A value lies outside [0, 1] or is not finite.
        """
        if not bool(((sigma >= 0.0) & (sigma <= 1.0)).all()):
            raise ValueError(f"sigma must lie in [0, 1], got {numbers(sigma)}")
        return torch.floor(sigma * (self.num_steps - 1)).long()

    def sigma(self, index: Tensor) -> Tensor:
        """Returns the smallest context time of an index.

        Args:
            index: Whole numbers from 0 to T - 1, float32, any shape.

        Returns:
            Context times in [0, 1] of the same shape; :meth:`index` leads back.
        """
        # i / (T - 1) times T - 1 comes out below i for some i when both are rounded.
        ratio = index / (self.num_steps - 1)
        return torch.nextafter(ratio, torch.ones_like(ratio)).clamp_(max=1.0)

    def corrupt(self, context: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Applies the kernel.

        Args:
            context: Normalised contexts, shape (B, ...).
            sigma: Normalised context times, shape (B,).
            epsilon: Noise of the shape of ``context``, or broadcastable to it (one vector for
                every token of a sequence).

        Returns:
            Corrupted contexts in the dtype of ``context``.

        Raises:
            ValueError: A sigma lies outside [0, 1] or is not finite.
        """
        signal, noise = (
            part.to(context).reshape(-1, *[1] * (context.dim() - 1))
            for part in self.amplitudes(sigma)
        )
        return signal * context + noise * epsilon

    def amplitudes(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what context and noise are multiplied with.

        Args:
            sigma: Normalised context times, any shape.

        Returns:
            Twice the shape of ``sigma``, float64, on its device.

        Raises:
            ValueError: A sigma lies outside [0, 1] or is not finite.
        """
        alpha_bar = self.alpha_bar.to(sigma.device)[self.index(sigma)]
        return alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()


def _linear_beta(num_steps: int) -> Tensor:
    betas = torch.linspace(1e-4, 0.02, num_steps, dtype=torch.float64, device="cpu")
    return torch.cumprod(1.0 - betas, dim=0)


def _quarter_cosine(num_steps: int) -> Tensor:
    progress = torch.linspace(0.0, 1.0, num_steps, dtype=torch.float64, device="cpu")
    alpha_bar = torch.cos(0.5 * math.pi * progress).square()
    # cos(pi / 2) is 6e-17 in floating point; the marginal is exact.
    alpha_bar[-1] = 0.0
    return alpha_bar


_TABLES = {
    # From 1 to 0: sigma = 1 is the marginal.
    "marginal_100": (_quarter_cosine, 100),
    # The authors' tables. With 100 steps abar ends at 0.36: their sigma = 1 still shows most of
    # the context.
    "authors_100": (_linear_beta, 100),
    "authors_1000": (_linear_beta, 1000),
}

DEFAULT_SCHEDULE = "marginal_100"


def noise_schedule(name: str, *, exact_at_zero: bool = True) -> NoiseSchedule:
    """Returns the schedule called ``name``.

    Args:
        name: One of ``SCHEDULE_NAMES``.
        exact_at_zero: Whether index 0 leaves the context untouched. The authors' own tables add
            noise of standard deviation 0.01 there; False reproduces them.

    Raises:
        ValueError: There is no such schedule; the message gives the nearest name and all of them.
    """
    if name not in _TABLES:
        nearest = difflib.get_close_matches(name, SCHEDULE_NAMES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"unknown noise schedule '{name}'; did you mean '{nearest}'? "
            f"There are: {', '.join(SCHEDULE_NAMES)}"
        )
    make_table, num_steps = _TABLES[name]
    alpha_bar = make_table(num_steps)
    if exact_at_zero:
        alpha_bar[0] = 1.0
    return NoiseSchedule(name, alpha_bar)
