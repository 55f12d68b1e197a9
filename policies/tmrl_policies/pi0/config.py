"""Sizes and kinds of pi0 and pi0.5, smoothed or not, and the named ones."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from tmrl_common.constraints import OneOf, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_policies.schedule_names import SCHEDULE_NAMES

IMAGE_SIZE_PX = 224
CAMERA_SLOTS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
"""Image slots of pi0 in the order of their tokens; a rig fills some of them."""
Size = Annotated[int, Range(1, 1_000_000)]


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

    width: Size = 1152
    layers: Size = 27
    heads: Size = 16
    mlp: Size = 4304
    patch_px: Annotated[int, Range(1, IMAGE_SIZE_PX)] = 14

    def __post_init__(self) -> None:
        """Refuses sizes that cannot be built.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        check_fields(self)
        if self.width % self.heads:
            raise ConfigError(
                f"the image encoder's width is {self.width}; it must be a multiple of its heads, "
                f"{self.heads}"
            )

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

    width: Size
    mlp: Size

    def __post_init__(self) -> None:
        """Refuses sizes that cannot be built.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        check_fields(self)


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
        pi05: Whether this is a pi0.5, whose times act through the expert's norms and whose robot
            state is text; otherwise a pi0, with a state token and times in the action tokens.
        context_smoothing: Whether the prefix is corrupted and its context time given (CSP-pi0,
            CSP-pi0.5); otherwise this is plain pi0 or pi0.5.
        prefix_rms: Whether each token of the prefix is divided by its root mean square before it
            is corrupted. A property of the weights, for context smoothing only: those of the
            authors' JAX code since April 2026 need it, older ones and ours of version 0.2 do not.
        schedule: Noise schedule of the corruption, see `tmrl_policies.corruption`.
        exact_at_zero: Whether sigma = 0 leaves the prefix untouched; the authors' code adds noise
            of standard deviation 0.01 there.
    """

    siglip: SiglipConfig = field(default_factory=SiglipConfig)
    prefix: GemmaConfig = field(default_factory=lambda: GemmaConfig(2048, 16384))
    expert: GemmaConfig = field(default_factory=lambda: GemmaConfig(1024, 4096))
    layers: Size = 18
    heads: Size = 8
    kv_heads: Size = 1
    head_dim: Size = 256
    vocabulary: Annotated[int, Range(1, 10_000_000)] = 257152
    prompt_tokens: Size = 48
    action_dim: Size = 32
    horizon: Size = 50
    flow_steps: Size = 10
    pi05: bool = False
    context_smoothing: bool = True
    prefix_rms: bool = False
    schedule: Annotated[str, OneOf(*SCHEDULE_NAMES)] = "authors_1000"
    exact_at_zero: bool = True

    def __post_init__(self) -> None:
        """Refuses sizes that cannot be built.

        Raises:
            ConfigError: Names the field, its value and its range.
        """
        check_fields(self)
        if self.heads % self.kv_heads:
            raise ConfigError(f"heads is {self.heads}; it must be a multiple of kv_heads")
        if self.head_dim % 2 or self.expert.width % 4:
            raise ConfigError(
                f"head_dim is {self.head_dim} and the expert's width {self.expert.width}; they "
                "must be multiples of 2 and 4: positions and times are embedded in pairs"
            )
        if self.prefix_rms and not self.context_smoothing:
            raise ConfigError(
                "prefix_rms is true and context_smoothing false; only a prefix that is corrupted "
                "is normalised: set prefix_rms to false"
            )

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return kind_named(pi05=self.pi05, context_smoothing=self.context_smoothing)

    @property
    def context_dim(self) -> int:
        """Width of a context noise: that of the prefix's tokens."""
        return self.prefix.width

    @property
    def prefix_tokens(self) -> int:
        """Tokens of a prefix whose cameras are all there."""
        return len(CAMERA_SLOTS) * self.siglip.tokens + self.prompt_tokens


def kind_named(*, pi05: bool, context_smoothing: bool) -> str:
    """What settings call a network of this generation, smoothed or not."""
    return ("cs" if context_smoothing else "") + ("pi05" if pi05 else "pi0")


KINDS = {
    kind_named(pi05=pi05, context_smoothing=smoothed): {
        "pi05": pi05,
        "context_smoothing": smoothed,
    }
    for pi05 in (False, True)
    for smoothed in (True, False)
}
"""Name of a kind -> the fields of `Pi0Config` that make it."""

PI05_PROMPT_TOKENS = 200
"""pi0.5 reads the robot state in its prompt, which takes room."""

FULL = Pi0Config()
"""The sizes of the released weights."""

FULL_PI05 = replace(FULL, pi05=True, prompt_tokens=PI05_PROMPT_TOKENS, prefix_rms=True)
"""The sizes of the released weights of pi0.5, smoothed as the authors smooth it."""

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

TINY_PI05 = replace(TINY, pi05=True, prompt_tokens=128, prefix_rms=True)
"""The same of pi0.5."""

PRESETS = {"full": FULL, "full_pi05": FULL_PI05, "tiny": TINY, "tiny_pi05": TINY_PI05}
