"""The unit circle (paper Fig. 4 and Fig. 14): points conditioned on their angle.

The context is the angle, the action the point. A gap in the angles was never seen.
"""

import hashlib
import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from tmrl_common.errors import ConfigError
from tmrl_learner.pretrain.config import PretrainConfig, shape_for_method
from tmrl_learner.pretrain.trainer import FlowTrainer
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch

CONTEXT_DROPOUT = 0.2
"""Share of null contexts in training for guidance: twice what the robot's policies get, because
here the unconditional half is the harder one and must not be the reason of a bad comparison."""

_VALIDATION_SAMPLES = 512
_VALIDATION_SEED = 1


@dataclass(frozen=True)
class CircleConfig:
    """The experiment.

    Attributes:
        half_gap_deg: Angles nearer to 0 than this are not in the data.
        steps: Gradient steps of each policy.
        batch_size: Points per step.
        points: Points in the data set.
        samples: Points drawn for every figure of the result.
    """

    half_gap_deg: float = 30.0
    steps: int = 2000
    batch_size: int = 256
    points: int = 8192
    samples: int = 2000

    def __post_init__(self) -> None:
        """Refuses an experiment without data or without a gap.

        Raises:
            ConfigError: Names the value and the range.
        """
        if not 0.0 < self.half_gap_deg < 180.0:
            raise ConfigError(f"half_gap_deg is {self.half_gap_deg}; it must lie in (0, 180)")
        for field in fields(self)[1:]:
            if getattr(self, field.name) < 1:
                raise ConfigError(
                    f"{field.name} is {getattr(self, field.name)}; it must be at least 1"
                )


class CircleSource:
    """Points at angles uniform over the circle except the gap; a `BatchSource`."""

    def __init__(self, config: CircleConfig, seed: int) -> None:
        """Draws the data set.

        Args:
            config: Size of the data set and of the gap.
            seed: Of the angles.
        """
        self._identity = repr((config, seed))
        self._half_gap_rad = math.radians(config.half_gap_deg)
        self._points = self._draw(config.points, torch.Generator().manual_seed(seed))

    def _draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        # From the end of the gap once around to its beginning, then to (-pi, pi].
        seen = 2.0 * (math.pi - self._half_gap_rad)
        angle = self._half_gap_rad + seen * torch.rand(size, generator=generator)
        angle = torch.where(angle > math.pi, angle - 2.0 * math.pi, angle)
        point = torch.stack((angle.cos(), angle.sin()), dim=-1)
        return PolicyBatch(torch.zeros(size, 0), angle[:, None], point[:, None])

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        """Draws points of the data set with replacement."""
        rows = torch.randint(len(self._points.actions), (size,), generator=generator)
        return PolicyBatch(*(values[rows] for values in self._points))

    def validation(self) -> PolicyBatch:
        """Other points of the same distribution."""
        return self._draw(_VALIDATION_SAMPLES, torch.Generator().manual_seed(_VALIDATION_SEED))

    def statistics(self) -> PolicyBatch:
        """The whole data set."""
        return self._points

    def episodes(self) -> Tensor:
        """Every point is an episode of its own."""
        return torch.arange(len(self._points.actions))

    def sha256(self) -> str:
        """Hash of what decides the data."""
        return hashlib.sha256(self._identity.encode()).hexdigest()


def trainer(config: CircleConfig, method: str, seed: int) -> FlowTrainer:
    """A trainer at step 0, the same as that of the robot's policies.

    Args:
        config: The experiment.
        method: "csp" or "cfg".
        seed: Of data, weights and batches.
    """
    shape = FlowPolicyConfig(
        proprio_dim=0, context_dim=1, action_dim=2, horizon=1, hidden=64, blocks=2, flow_steps=10
    )
    training = PretrainConfig(
        method,
        seed=seed,
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=2e-3,
        warmup_steps=100,
        ema_decay=0.99,
    )
    shape = shape_for_method(shape, method)
    if method == "cfg":
        shape = replace(shape, context_dropout=CONTEXT_DROPOUT)
    return FlowTrainer(training, shape, CircleSource(config, seed))


def sample_smoothed(policy: FlowPolicy, angle_rad: float, sigma: float, size: int) -> Tensor:
    """Points of a context-smoothed policy, shape (size, 2).

    Every call uses the same noises, so that differences between calls are due to the arguments.
    """
    generator = torch.Generator().manual_seed(0)
    epsilon = torch.randn((size, 1), generator=generator)
    noise = torch.randn((size, 1, 2), generator=generator)
    context = torch.full((size, 1), angle_rad)
    nothing = torch.zeros(size, 0)
    return policy.sample(nothing, context, torch.full((size,), sigma), epsilon, noise)[:, 0]


def sample_guided(policy: FlowPolicy, angle_rad: float, weight: float, size: int) -> Tensor:
    """Points under classifier-free guidance, shape (size, 2); the same noises at every call."""
    noise = torch.randn((size, 1, 2), generator=torch.Generator().manual_seed(0))
    context = torch.full((size, 1), angle_rad)
    weights = torch.full((size,), weight)
    return policy.sample_guided(torch.zeros(size, 0), context, weights, noise)[:, 0]
