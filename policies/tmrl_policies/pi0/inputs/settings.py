"""Settings of a served pi0, checked without loading torch."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import OneOf, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_policies.dino_embeddings import DINO_EMBEDDINGS
from tmrl_policies.pi0.config import KINDS
from tmrl_policies.pi0.inputs.rigs import RIGS, Scale

PREFIX_NORMS: tuple[str, ...] = ("rms", "none")
DTYPES: tuple[str, ...] = ("bfloat16", "float32")
TOKENISER_FILE = "paligemma_tokenizer.model"
"""Where the tokeniser is looked for in a checkpoint's folder."""
NO_DINO = "none"
"""Value of `Pi0Settings.dino` for features without images."""


@dataclass(frozen=True)
class Pi0Settings:
    """Settings of a served pi0.

    Those about the weights may be left empty for a checkpoint of ours, whose `pi0.json` answers
    them; a contradiction is refused.

    Attributes:
        dino: Directory of DINOv2-base, with registers or without, for the steering features;
            "none" for features of the robot state alone, for trying out.
        dino_embedding: What of it a camera's embedding is: "patches", the mean of the patch tokens,
            as the authors' robot script has it, or "class", the class token; empty for "class". An
            actor understands only what it was trained on.
        rig: Convention of observations and actions, such as "bridge".
        kind: "cspi0" or "cspi05" for context-smoothed weights of pi0 or pi0.5, "pi0" or "pi05" for
            plain ones, whose files look alike.
        prefix_norm: How context-smoothed weights take their prefix: "rms" for weights trained with
            each token divided by its root mean square, "none" for others; their files look alike.
            Empty for "rms" where the rig tells, which "cspi0_bridge_relative" does.
        horizon: Actions of a chunk; 0 for the rig's.
        scale: "mean_std" or "quantile"; empty for what the kind was trained with, "quantile" for
            pi0.5.
        asset_id: Which statistics under `assets`, where there are several.
        tokeniser: Path of PaliGemma's SentencePiece model; empty for `paligemma_tokenizer.model`
            in the checkpoint's folder.
        prompt: Instruction for observations that bring none.
        device: Such as "cpu" or "cuda:0"; "auto" for a GPU where there is one.
        dtype: "bfloat16" or "float32"; empty for the faster one: bfloat16 on a GPU, and for a large
            network on a CPU that multiplies it.
        graphs: Whether to replay CUDA graphs on a GPU, which takes the time of starting thousands
            of small kernels out of every chunk; false where their capture fails.
        compiled: Whether to run through torch.compile; the start then takes minutes longer, and so
            does the first prompt of every other length.
    """

    dino: str = ""
    dino_embedding: Annotated[str, OneOf(*DINO_EMBEDDINGS, or_empty=True)] = ""
    rig: Annotated[str, OneOf(*RIGS, or_empty=True)] = ""
    kind: Annotated[str, OneOf(*KINDS, or_empty=True)] = ""
    prefix_norm: Annotated[str, OneOf(*PREFIX_NORMS, or_empty=True)] = ""
    horizon: Annotated[int, Range(0, 10_000)] = 0
    scale: Annotated[str, OneOf(*Scale, or_empty=True)] = ""
    asset_id: str = ""
    tokeniser: str = ""
    prompt: str = ""
    device: str = "auto"
    dtype: Annotated[str, OneOf(*DTYPES, or_empty=True)] = ""
    graphs: bool = True
    compiled: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be.

        Raises:
            ConfigError: Names the setting, its value and the valid ones.
        """
        if not self.dino:
            raise ConfigError(
                "setting 'dino' is missing; give the directory of DINOv2-base, whose embeddings "
                f"the steering actor sees, or '{NO_DINO}' to try out without images in its features"
            )
        check_fields(self)
