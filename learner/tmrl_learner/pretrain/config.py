"""Settings of pre-training, one frozen value per method."""

import difflib
from dataclasses import dataclass, replace

from tmrl_learner.errors import ConfigError


@dataclass(frozen=True)
class PretrainConfig:
    """How a flow policy is trained from demonstrations.

    Attributes:
        method: "csp" (context-smoothed) or "bc" (plain behaviour cloning).
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
        checkpoint_every: Steps between checkpoints from which an interrupted training goes on.
        schedule: Of the learning rate after its warm-up: "cosine" decays it, "constant" keeps it
            (as the paper does).
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

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: The message names the field, its value and its limit.
        """
        if self.method not in METHODS:
            raise ConfigError(f"method is '{self.method}'; it has to be one of {METHODS}")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule is '{self.schedule}'; it has to be one of {SCHEDULES}")
        for name in ("steps", "batch_size", "validate_every", "checkpoint_every"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(f"{name} is {value}; it has to be at least 1")
        for name in ("seed", "warmup_steps", "weight_decay"):
            value = getattr(self, name)
            if value < 0:
                raise ConfigError(f"{name} is {value}; it has to be at least 0")
        for name in ("beta1", "beta2", "ema_decay", "validation_fraction"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ConfigError(f"{name} is {value}; it has to lie between 0 and 1")
        if not 0.0 <= self.final_learning_rate <= self.learning_rate < 1.0:
            raise ConfigError(
                f"learning_rate is {self.learning_rate} and final_learning_rate "
                f"{self.final_learning_rate}; they need 0 <= final <= peak < 1"
            )


METHODS = ("csp", "bc")
SCHEDULES = ("cosine", "constant")

# Equal but for the smoothing, so that a comparison of the two is a comparison of the smoothing.
PRESETS: dict[str, PretrainConfig] = {method: PretrainConfig(method) for method in METHODS}


def preset(method: str, *, seed: int = 0, steps: int | None = None) -> PretrainConfig:
    """Returns the settings of ``method`` with another seed, and another length if given.

    Raises:
        ConfigError: There is no such method; the message gives the nearest name.
    """
    if method not in PRESETS:
        nearest = difflib.get_close_matches(method, PRESETS, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"unknown method '{method}'; did you mean '{nearest}'? There are: {', '.join(PRESETS)}"
        )
    config = replace(PRESETS[method], seed=seed)
    return config if steps is None else replace(config, steps=steps)
