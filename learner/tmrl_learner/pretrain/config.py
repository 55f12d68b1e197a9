"""Settings of pre-training, one frozen value per method."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tmrl_common.errors import ConfigError
from tmrl_policies.flow_policy import FlowPolicyConfig

METHODS = ("csp", "bc", "postbc", "cfg")
SCHEDULES = ("cosine", "constant")
CONTEXT_DROPOUT = 0.1
"""Share of contexts that a policy for classifier-free guidance does not get to see."""


def known_method(name: str) -> str:
    """Returns ``name``.

    Raises:
        ConfigError: There is no such method; the message gives the nearest name.
    """
    if name not in METHODS:
        nearest = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"unknown method '{name}'; did you mean '{nearest}'? There are: {', '.join(METHODS)}"
        )
    return name


@dataclass(frozen=True)
class PosteriorConfig:
    """The ensemble from whose disagreement PostBC knows where data are scarce.

    Attributes:
        members: Number of regressors.
        hidden: Width of their two hidden layers.
        steps: Gradient steps, of all members at once.
        batch_size: Samples per step and member.
        learning_rate: Where Adam's learning rate starts; it falls to zero.
        alpha: Scale of the noise on the targets, in standard deviations of the ensemble.
    """

    members: int = 10
    hidden: int = 128
    steps: int = 2_000
    batch_size: int = 256
    learning_rate: float = 1e-3
    alpha: float = 1.0

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: The message names the field, its value and its limit.
        """
        if self.members < 2:
            raise ConfigError(f"posterior.members is {self.members}; one cannot disagree, use 2")
        for name in ("hidden", "steps", "batch_size"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(f"posterior.{name} is {value}; it must be at least 1")
        if not 0.0 < self.learning_rate < 1.0:
            raise ConfigError(
                f"posterior.learning_rate is {self.learning_rate}; it must lie between 0 and 1"
            )
        if self.alpha < 0.0:
            raise ConfigError(f"posterior.alpha is {self.alpha}; it must be at least 0")


@dataclass(frozen=True)
class PretrainConfig:
    """How a flow policy is trained from demonstrations.

    Attributes:
        method: "csp" (context-smoothed), "bc" (plain behaviour cloning), "postbc" (cloning of
            targets perturbed where data are scarce) or "cfg" (for classifier-free guidance).
        seed: Of weights, batches, noises and the held-out episodes.
        steps: Gradient steps.
        batch_size: Chunks per step.
        learning_rate: Peak of AdamW's learning rate.
        final_learning_rate: Where the cosine decay ends.
        warmup_steps: Steps of linear warm-up.
        weight_decay: AdamW's decoupled weight decay.
        beta1: AdamW's decay of the gradient's mean.
        beta2: AdamW's decay of the gradient's square.
        ema_decay: Decay of the averaged weights, which are what is saved.
        validation_fraction: Share of episodes held out.
        validate_every: Steps between validations.
        checkpoint_every: Steps between checkpoints from which an interrupted training continues.
        schedule: Of the learning rate after its warm-up: "cosine" decays it, "constant" keeps it
            (as the paper does).
        posterior: Of the method "postbc"; no other one looks at it.
    """

    method: str
    seed: int = 0
    steps: int = 20_000
    batch_size: int = 256
    learning_rate: float = 1e-3
    final_learning_rate: float = 2e-5
    warmup_steps: int = 500
    weight_decay: float = 1e-6
    beta1: float = 0.95
    beta2: float = 0.999
    ema_decay: float = 0.999
    validation_fraction: float = 0.05
    validate_every: int = 1_000
    checkpoint_every: int = 1_000
    schedule: str = "cosine"
    posterior: PosteriorConfig = field(default_factory=PosteriorConfig)

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: The message names the field, its value and its limit.
        """
        known_method(self.method)
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule is '{self.schedule}'; it must be one of {SCHEDULES}")
        for name in ("steps", "batch_size", "validate_every", "checkpoint_every"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        for name in ("seed", "warmup_steps", "weight_decay"):
            value = getattr(self, name)
            if value < 0:
                raise ConfigError(f"{name} is {value}; it must be at least 0")
        for name in ("beta1", "beta2", "ema_decay", "validation_fraction"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ConfigError(f"{name} is {value}; it must lie between 0 and 1")
        if not 0.0 <= self.final_learning_rate <= self.learning_rate < 1.0:
            raise ConfigError(
                f"learning_rate is {self.learning_rate} and final_learning_rate "
                f"{self.final_learning_rate}; they need 0 <= final <= peak < 1"
            )


def preset(method: str, *, seed: int = 0, steps: int | None = None) -> PretrainConfig:
    """Returns the settings of ``method`` with a seed, and another length if given.

    All methods share their settings, so that comparing two policies compares the methods.

    Raises:
        ConfigError: There is no such method; the message gives the nearest name.
    """
    config = PretrainConfig(method, seed=seed)
    return config if steps is None else replace(config, steps=steps)


def config_from_record(values: Mapping[str, Any]) -> PretrainConfig:
    """Returns the settings that a policy's training record holds, as ``asdict`` wrote them.

    Raises:
        ConfigError: A value is out of its range.
        TypeError: The record has settings that this software does not know.
    """
    flat = {name: value for name, value in values.items() if name != "posterior"}
    return PretrainConfig(**flat, posterior=PosteriorConfig(**values.get("posterior", {})))


def shape_for_method(shape: FlowPolicyConfig, method: str) -> FlowPolicyConfig:
    """Returns ``shape`` with the smoothing and the context dropout that belong to ``method``."""
    return replace(
        shape,
        context_smoothing=method == "csp",
        context_dropout=CONTEXT_DROPOUT if method == "cfg" else 0.0,
    )


def check_shape(config: PretrainConfig, shape: FlowPolicyConfig) -> None:
    """Refuses a policy that would not become what its method promises.

    Raises:
        ConfigError: The smoothing or the context dropout is another method's.
    """
    smoothed, dropped = config.method == "csp", config.method == "cfg"
    if shape.context_smoothing != smoothed or (shape.context_dropout > 0.0) != dropped:
        raise ConfigError(
            f"method '{config.method}' does not fit a policy with context_smoothing "
            f"{shape.context_smoothing} and context_dropout {shape.context_dropout}; take the "
            "shape from shape_for_method"
        )
