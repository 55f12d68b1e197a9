"""Settings of fine-tuning: a frozen value per rig, overridden by dotted keys."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

from tmrl_common.config import nearest_name
from tmrl_common.constraints import SEED, OneOf, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_learner.config import with_overrides
from tmrl_learner.pi0.lerobot.columns import ColumnLayout, named_layout
from tmrl_policies.pi0.config import KINDS, PRESETS, Pi0Config
from tmrl_policies.pi0.inputs.rigs import Rig, rig_named, scale_named, usual_scale

TRAINED = ("expert", "lora", "full")
PRECISIONS = ("bfloat16", "float32")
MOST = 1_000_000_000
Count = Annotated[int, Range(1, MOST)]
Decay = Annotated[float, Range(0.0, 1.0, below=True)]


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

    learning_rate: Annotated[float, Range(0.0, 1.0, below=True)] = 2.5e-5
    final_learning_rate: Annotated[float, Range(0.0, 1.0, below=True)] = 2.5e-6
    warmup_steps: Annotated[int, Range(0, MOST)] = 1_000
    decay_steps: Annotated[int, Range(1, MOST)] = 30_000
    beta1: Decay = 0.9
    beta2: Decay = 0.95
    epsilon: Annotated[float, Range(0.0, 1.0, above=True)] = 1e-8
    weight_decay: Annotated[float, Range(0.0, 1.0)] = 1e-10
    clip_norm: Annotated[float, Range(0.0, 1e9, above=True)] = 1.0
    ema_decay: Decay = 0.99

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        check_fields(self, "optimiser.")
        if self.final_learning_rate > self.learning_rate:
            raise ConfigError(
                f"optimiser.final_learning_rate is {self.final_learning_rate}; it must be at most "
                f"learning_rate, {self.learning_rate}"
            )
        if self.decay_steps <= self.warmup_steps:
            raise ConfigError(
                f"optimiser.decay_steps is {self.decay_steps}; it must be above warmup_steps, "
                f"{self.warmup_steps}"
            )


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank updates of frozen layers (Hu et al., LoRA); for `trained=lora` only.

    Attributes:
        rank: Of the updates.
        alpha: The update is multiplied by alpha / rank.
        expert: Whether the action expert is frozen and gets low-rank updates as well; otherwise
            it is trained whole.
    """

    rank: Annotated[int, Range(1, 4096)] = 16
    alpha: Annotated[float, Range(0.0, 1e6, above=True)] = 16.0
    expert: bool = False

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        check_fields(self, "lora.")


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
    seed: Annotated[int, SEED] = 0
    steps: Count = 30_000
    batch_size: Annotated[int, Range(1, 1_000_000)] = 32
    accumulation: Annotated[int, Range(1, 1_000_000)] = 1
    trained: Annotated[str, OneOf(*TRAINED)] = "expert"
    count_padding: bool = False
    precision: Annotated[str, OneOf(*PRECISIONS)] = "bfloat16"
    gradient_checkpointing: bool = False
    checkpoint_every: Count = 1_000
    keep_checkpoints: Count = 3
    log_every: Count = 50
    workers: Annotated[int, Range(0, 256)] = 4
    data_rate_hz: Annotated[float, Range(0.0, 1e5)] = 0.0
    model: Pi0Config = field(default_factory=Pi0Config)
    columns: ColumnLayout = field(default_factory=lambda: named_layout("bridge"))
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)

    def __post_init__(self) -> None:
        """Refuses values outside their ranges.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        check_fields(self)
        if self.batch_size % self.accumulation:
            raise ConfigError(
                f"batch_size is {self.batch_size}; it must be a multiple of accumulation, "
                f"{self.accumulation}"
            )
        scale_named(self.scale)
        rig = rig_named(self.rig)
        needed = max(rig.state_dim, rig.action_dim)
        if self.model.action_dim < needed:
            raise ConfigError(
                f"model.action_dim is {self.model.action_dim}; rig '{rig.name}' has {needed} "
                "numbers, and they must fit into it"
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
    if "rig" in (overrides or {}):
        raise ConfigError("layout and lengths follow from the rig; give --rig instead of --set rig")
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
