"""Sizes of CSP-pi0, and the named ones."""

from dataclasses import dataclass, field

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_policies.schedule_names import SCHEDULE_NAMES

IMAGE_SIZE_PX = 224
CAMERA_SLOTS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
"""Image slots of pi0 in the order of their tokens; a rig fills some of them."""


@dataclass(frozen=True)
class SiglipConfig:
    """Sizes of the image encoder.

    Attributes:
        width: Of the tokens.
        layers: Number of transformer layers.
        heads: Attention heads.
        mlp: Hidden width of the feed-forward parts.
        patch_px: Side of a patch.
    """

    width: int = 1152
    layers: int = 27
    heads: int = 16
    mlp: int = 4304
    patch_px: int = 14

    @property
    def tokens(self) -> int:
        """Tokens of one image."""
        return (IMAGE_SIZE_PX // self.patch_px) ** 2


@dataclass(frozen=True)
class GemmaConfig:
    """Sizes of one of the two Gemma streams, which share attention.

    Attributes:
        width: Of the tokens.
        mlp: Hidden width of the gated feed-forward parts.
    """

    width: int
    mlp: int


@dataclass(frozen=True)
class Pi0Config:
    """Sizes and kind of a pi0.

    Attributes:
        siglip: Image encoder.
        prefix: Stream of image and language tokens.
        expert: Stream of state and action tokens.
        layers: Transformer layers of both streams.
        heads: Query heads of both streams.
        kv_heads: Key and value heads of both streams.
        head_dim: Width of one head.
        vocabulary: Number of language tokens.
        prompt_tokens: Language tokens of an observation, padded.
        action_dim: Width of state and actions, padded.
        horizon: Actions of a chunk.
        flow_steps: Euler steps from noise to actions.
        context_smoothing: Whether the prefix is corrupted and its context time given (CSP-pi0);
            otherwise this is plain pi0.
        schedule: Noise schedule of the corruption, see `tmrl_policies.corruption`.
        exact_at_zero: Whether sigma = 0 leaves the prefix untouched; the authors' code adds noise
            of standard deviation 0.01 there.
    """

    siglip: SiglipConfig = field(default_factory=SiglipConfig)
    prefix: GemmaConfig = field(default_factory=lambda: GemmaConfig(2048, 16384))
    expert: GemmaConfig = field(default_factory=lambda: GemmaConfig(1024, 4096))
    layers: int = 18
    heads: int = 8
    kv_heads: int = 1
    head_dim: int = 256
    vocabulary: int = 257152
    prompt_tokens: int = 48
    action_dim: int = 32
    horizon: int = 50
    flow_steps: int = 10
    context_smoothing: bool = True
    schedule: str = "authors_1000"
    exact_at_zero: bool = True

    def __post_init__(self) -> None:
        """Refuses sizes that cannot be built.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        for name in ("layers", "heads", "kv_heads", "vocabulary", "prompt_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("action_dim", "horizon", "flow_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.heads % self.kv_heads:
            raise ConfigError(f"heads is {self.heads}; it must be a multiple of kv_heads")
        if self.head_dim % 2 or self.expert.width % 4:
            raise ConfigError(
                f"head_dim is {self.head_dim} and the expert's width {self.expert.width}; they "
                "must be multiples of 2 and 4: positions and times are embedded in pairs"
            )
        if self.schedule not in SCHEDULE_NAMES:
            raise ConfigError(
                f"unknown schedule '{self.schedule}'. "
                f"{nearest_name(self.schedule, list(SCHEDULE_NAMES))}"
            )

    @property
    def context_dim(self) -> int:
        """Width of a context noise: that of the prefix's tokens."""
        return self.prefix.width

    @property
    def prefix_tokens(self) -> int:
        """Tokens of a prefix whose cameras are all there."""
        return len(CAMERA_SLOTS) * self.siglip.tokens + self.prompt_tokens


FULL = Pi0Config()
"""The sizes of the released weights."""

TINY = Pi0Config(
    siglip=SiglipConfig(width=48, layers=2, heads=4, mlp=96),
    prefix=GemmaConfig(width=64, mlp=128),
    expert=GemmaConfig(width=32, mlp=64),
    layers=3,
    head_dim=16,
    vocabulary=512,
    prompt_tokens=16,
    horizon=8,
)
"""Small enough for a CPU; for tests and for trying the whole path without the weights."""

PRESETS = {"full": FULL, "tiny": TINY}
