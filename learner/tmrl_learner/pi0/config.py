"""Settings of fine-tuning: a frozen value per rig, overridden by dotted keys."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_learner.config import with_overrides
from tmrl_learner.pi0.lerobot.columns import ColumnLayout, named_layout
from tmrl_policies.pi0.config import KINDS, PRESETS, Pi0Config
from tmrl_policies.pi0.inputs.rigs import Rig, rig_named, scale_named, usual_scale

TRAINED = ("expert", "lora", "full")
PRECISIONS = ("bfloat16", "float32")


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with warm-up and cosine decay; openpi's values.

    Attributes:
        learning_rate: Peak of the learning rate.
        final_learning_rate: Where the cosine ends and stays.
        warmup_steps: Steps of linear warm-up.
        decay_steps: Step, counted from the first one, at which the cosine ends.
        beta1: Decay of the gradient's mean.
        beta2: Decay of the gradient's square.
        epsilon: Added to the root of the square.
        weight_decay: Decoupled weight decay.
        clip_norm: Bound on the norm of the whole gradient.
        ema_decay: Decay of the averaged weights, which are what is served; 0 for no average.
    """

    learning_rate: float = 2.5e-5
    final_learning_rate: float = 2.5e-6
    warmup_steps: int = 1_000
    decay_steps: int = 30_000
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 1e-10
    clip_norm: float = 1.0
    ema_decay: float = 0.99

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        if not 0.0 <= self.final_learning_rate <= self.learning_rate < 1.0:
            raise ConfigError(
                f"optimiser.learning_rate is {self.learning_rate} and final_learning_rate "
                f"{self.final_learning_rate}; they need 0 <= final <= peak < 1"
            )
        if self.warmup_steps < 0 or self.decay_steps <= self.warmup_steps:
            raise ConfigError(
                f"optimiser.warmup_steps is {self.warmup_steps} and decay_steps "
                f"{self.decay_steps}; they need 0 <= warmup_steps < decay_steps"
            )
        for name in ("beta1", "beta2", "ema_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(
                    f"optimiser.{name} is {getattr(self, name)}; it must lie in [0, 1)"
                )
        if self.weight_decay < 0:
            raise ConfigError(
                f"optimiser.weight_decay is {self.weight_decay}; it cannot be below 0"
            )
        for name in ("epsilon", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"optimiser.{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank updates of frozen layers (Hu et al., LoRA); for `trained=lora` only.

    Attributes:
        rank: Of the updates.
        alpha: The update is multiplied by alpha / rank.
        expert: Whether the action expert is frozen and gets low-rank updates as well; otherwise
            it is trained whole.
    """

    rank: int = 16
    alpha: float = 16.0
    expert: bool = False

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        if self.rank < 1:
            raise ConfigError(f"lora.rank is {self.rank}; it must be at least 1")
        if not self.alpha > 0:
            raise ConfigError(f"lora.alpha is {self.alpha}; it must be above 0")


@dataclass(frozen=True)
class FinetuneConfig:
    """Everything that decides what fine-tuning does with the same data and weights.

    Attributes:
        rig: Convention of observations and actions, such as "bridge" or "droid".
        scale: How state and actions are scaled, "mean_std" or "quantile".
        seed: Of batches, noises and, without given weights, of the first weights.
        steps: Gradient steps.
        batch_size: Chunks per step, over all processes.
        accumulation: Parts of a batch that are computed one after the other, to save memory.
        trained: "expert" trains the action expert and the projections and freezes the
            vision-language model; "lora" adds low-rank updates to the latter; "full" trains all.
        count_padding: Whether the steps behind an episode's end, which repeat its last action,
            count in the loss.
        precision: "bfloat16" computes in it and keeps what is trained in float32; "float32".
        gradient_checkpointing: Whether to compute activations again instead of keeping them.
        checkpoint_every: Steps between checkpoints.
        keep_checkpoints: Checkpoints that are kept, the newest.
        log_every: Steps between rows of metrics.
        workers: Processes that read data; 0 reads in the training process.
        data_rate_hz: Rows per second of the data where another rate than the rig's is meant; 0
            for the rig's.
        model: Sizes of the network, its horizon and its smoothing.
        columns: Where state, actions and images are in the data set.
        optimiser: How to descend.
        lora: Low-rank updates.
    """

    rig: str
    scale: str = "mean_std"
    seed: int = 0
    steps: int = 30_000
    batch_size: int = 32
    accumulation: int = 1
    trained: str = "expert"
    count_padding: bool = False
    precision: str = "bfloat16"
    gradient_checkpointing: bool = False
    checkpoint_every: int = 1_000
    keep_checkpoints: int = 3
    log_every: int = 50
    workers: int = 4
    data_rate_hz: float = 0.0
    model: Pi0Config = field(default_factory=Pi0Config)
    columns: ColumnLayout = field(default_factory=lambda: named_layout("bridge"))
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        counts = ("steps", "batch_size", "accumulation", "checkpoint_every", "keep_checkpoints")
        for name in (*counts, "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("seed", "workers", "data_rate_hz"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is {getattr(self, name)}; it cannot be below 0")
        if self.batch_size % self.accumulation:
            raise ConfigError(
                f"batch_size is {self.batch_size}; it must be a multiple of accumulation, "
                f"{self.accumulation}"
            )
        rig_named(self.rig)
        scale_named(self.scale)
        for name, valid in (("trained", TRAINED), ("precision", PRECISIONS)):
            if getattr(self, name) not in valid:
                raise ConfigError(
                    f"{name} is '{getattr(self, name)}'; "
                    f"{nearest_name(getattr(self, name), list(valid))}"
                )

    def to_mapping(self) -> dict[str, Any]:
        """The configuration as nested plain values."""
        return asdict(self)


_LAYOUTS: Mapping[str, str] = {"droid": "droid", "libero": "libero", "libero_relative": "libero"}
"""Layout of the data sets of a rig; BridgeData's for all others."""
DEFAULT_KIND = "cspi0"
SIZES = ("full", "tiny")
_SAID_BY_KIND = ("model.pi05", "model.context_smoothing")


def finetune_config(
    rig: str,
    *,
    kind: str = DEFAULT_KIND,
    model: str = "full",
    layout: str = "",
    overrides: Mapping[str, Any] | None = None,
) -> FinetuneConfig:
    """Settings of a rig.

    Args:
        rig: One of `tmrl_policies.pi0.inputs.rigs.RIGS`.
        kind: One of `tmrl_policies.pi0.config.KINDS`.
        model: One of `SIZES`; "tiny" is for trying everything on a CPU.
        layout: One of `lerobot.columns.LAYOUTS`; empty for the rig's own.
        overrides: Dotted key to value, e.g. `{"optimiser.learning_rate": "1e-4"}`.

    Raises:
        ConfigError: A name is unknown (the nearest one is suggested) or a value invalid.
    """
    for name, value, valid in (("kind", kind, KINDS), ("model", model, SIZES)):
        if value not in valid:
            raise ConfigError(f"unknown {name} '{value}'; {nearest_name(value, [*valid])}")
    for name in _SAID_BY_KIND:
        if name in (overrides or {}):
            raise ConfigError(
                f"{name} follows from the kind of network; give --kind, one of {', '.join(KINDS)}"
            )
    known = rig_named(rig)
    network = _network(kind, model, known)
    config = FinetuneConfig(
        rig=known.name,
        scale=str(usual_scale(network)),
        model=network,
        columns=named_layout(layout or _LAYOUTS.get(rig, "bridge")),
    )
    return with_overrides(config, overrides or {})


def _network(kind: str, size: str, rig: Rig) -> Pi0Config:
    """The network of a kind; what is smoothed here has its prefix normalised, as the authors'."""
    fields = KINDS[kind]
    network = PRESETS[f"{size}_pi05" if fields["pi05"] else size]
    return replace(
        network,
        **fields,
        prefix_rms=fields["context_smoothing"],
        horizon=rig.chunk_length(network),
    )
