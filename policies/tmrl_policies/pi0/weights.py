"""Weights of pi0 and pi0.5 in the layouts that others write: openpi's PyTorch files and LeRobot's.

Names inside the file are mapped to ours one by one, so that a missing, unexpected or misshapen
tensor is refused by its name and nothing is loaded by halves.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.config import Pi0Config, kind_named
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights_file import (
    Report,
    copy_weights,
    find_weights,
    open_weights,
    sha256,
    unreported,
)

_GENERATIONS = {False: "pi0", True: "pi0.5"}
_EXPERT = "paligemma_with_expert.gemma_expert.model."
_GEMMA = {
    "input_layernorm": "input_norm",
    "post_attention_layernorm": "mlp_norm",
    "self_attn.": "",
    "mlp.": "",
}
_SIGLIP = {
    "encoder.": "",
    "embeddings.": "",
    "position_embedding.weight": "position_embedding",
    "self_attn": "attention",
    "layer_norm": "norm",
    "mlp.": "",
    "post_layernorm": "norm",
}
_TREES: dict[str, tuple[str, dict[str, str]]] = {
    "paligemma.model.vision_tower.vision_model.": ("siglip.", _SIGLIP),
    "paligemma.vision_tower.vision_model.": ("siglip.", _SIGLIP),
    "paligemma.model.multi_modal_projector.linear.": ("projector.", {}),
    "paligemma.multi_modal_projector.linear.": ("projector.", {}),
    "paligemma.model.language_model.": ("prefix.", _GEMMA),
    "paligemma.language_model.model.": ("prefix.", _GEMMA),
    "gemma_expert.model.": ("expert.", _GEMMA),
}
_HEADS = re.compile(r"(paligemma\.(language_model\.)?|gemma_expert\.)lm_head\.weight")
_LEROBOT_STATISTICS = re.compile(r"(un)?normalize_(inputs|targets|outputs)\.")


def load_weights(model: Pi0, path: Path, report: Report = unreported) -> str:
    """Fills a network from a file, which costs little memory beside the network's own.

    Args:
        model: Network of the file's sizes, on any device and in any floating type; values are
            converted as they are copied.
        path: A `model.safetensors`, or the folder that holds it.
        report: Called with the share that is done, in [0, 1].

    Returns:
        SHA-256 of the file, hexadecimal.

    Raises:
        CheckpointError: There is no such file, it is damaged or of another kind, or a tensor is
            missing, unexpected, misshapen or not finite; the network may be half filled then only
            where a value is not finite.
    """
    file = find_weights(path)
    with open_weights(file) as stored:
        stored_names: list[str] = list(stored.keys())
        names = our_names(stored_names, file)
        expected = model.state_dict()
        _check_generation(is_pi05(names), model.config, file)
        _check_names(names, expected, file)
        _check_shapes(names, expected, stored, file)
    # The file is read twice, once for its hash.
    copy_weights(file, names, expected, lambda share: report(share / 2))
    return sha256(file, lambda share: report((1 + share) / 2))


def save_weights(model: Pi0, path: Path) -> None:
    """Writes a network in openpi's layout, atomically.

    Args:
        model: The network.
        path: The file, usually `model.safetensors` in a folder of its own; the folder is made.

    Raises:
        OSError: The disk refused; an older file is still whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    tensors = openpi_tensors(model).items()
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors}, temporary)
    temporary.replace(path)


def openpi_tensors(model: Pi0) -> dict[str, Tensor]:
    """A network's tensors by openpi's names."""
    return {_their_name(name): tensor.detach() for name, tensor in model.state_dict().items()}


def to_bfloat16(model: Pi0) -> Pi0:
    """Turns the big networks to bfloat16 in place, but for what openpi keeps in float32.

    That is the cutting of patches, their positions and the norms of Gemma, adaptive ones included,
    and the projections of state, actions and times, which lie outside of the big networks.
    """
    big = ("siglip.", "projector.", "token_embedding.", "prefix.", "expert.")
    patches = ("siglip.patch_embedding.", "siglip.position_embedding")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gemma_norm = name.startswith(("prefix.", "expert.")) and "norm." in name
            kept = gemma_norm or name.startswith(patches)
            if name.startswith(big) and not kept:
                parameter.data = parameter.data.to(torch.bfloat16)
    return model


def _our_name(theirs: str) -> str | None:
    """Our name of a tensor of openpi's; None where pi0 has no such part."""
    if not theirs.startswith("paligemma_with_expert."):
        return theirs
    name = theirs.removeprefix("paligemma_with_expert.")
    for tree, (root, parts) in _TREES.items():
        if name.startswith(tree):
            rest = name.removeprefix(tree)
            if rest == "embed_tokens.weight":
                return "token_embedding.weight"
            for part, ours in parts.items():
                rest = rest.replace(part, ours)
            return root + rest
    return None


def _their_name(ours: str) -> str:
    """Inverse of `_our_name`, in openpi's newest layout."""
    root, _, rest = ours.partition(".")
    prefix = "paligemma_with_expert.paligemma.model."
    if root == "token_embedding":
        return prefix + "language_model.embed_tokens.weight"
    if root == "projector":
        return prefix + "multi_modal_projector.linear." + rest
    if root == "siglip":
        return prefix + "vision_tower.vision_model." + _their_siglip(rest)
    if root in ("prefix", "expert"):
        tree = prefix + "language_model." if root == "prefix" else _EXPERT
        return tree + _their_gemma(rest)
    return ours


def _their_siglip(rest: str) -> str:
    if rest.startswith("patch_embedding"):
        return "embeddings." + rest
    if rest == "position_embedding":
        return "embeddings.position_embedding.weight"
    if rest.startswith("norm."):
        return "post_layernorm." + rest.removeprefix("norm.")
    rest = re.sub(r"\.norm([12])\.", r".layer_norm\1.", rest)
    rest = re.sub(r"\.(fc[12])\.", r".mlp.\1.", rest)
    return "encoder." + rest.replace(".attention.", ".self_attn.")


def _their_gemma(rest: str) -> str:
    rest = rest.replace(".input_norm.", ".input_layernorm.")
    rest = rest.replace(".mlp_norm.", ".post_attention_layernorm.")
    rest = re.sub(r"\.([qkvo]_proj)\.", r".self_attn.\1.", rest)
    return re.sub(r"\.((gate|up|down)_proj)\.", r".mlp.\1.", rest)


def our_names(stored: list[str], file: Path) -> dict[str, str]:
    """Which of a file's tensors is which of ours.

    Args:
        stored: Names in the file.
        file: For the text of an error.

    Returns:
        Our name -> name in the file; what pi0 never uses (language heads, statistics that LeRobot
        stores beside the weights) is left out.

    Raises:
        CheckpointError: A tensor belongs to no part of pi0.
    """
    names: dict[str, str] = {}
    embedding = "token_embedding.weight"
    tied: str | None = None
    for theirs in stored:
        bare = theirs.removeprefix("model.")
        if _LEROBOT_STATISTICS.match(bare):
            continue
        if _HEADS.fullmatch(bare.removeprefix("paligemma_with_expert.")):
            # The language head is not used; where the two are tied only one of them is stored.
            tied = theirs if "paligemma.l" in bare else tied
            continue
        ours = _our_name(bare)
        if ours is None or ours in names:
            raise CheckpointError(f"{file}: tensor '{theirs}' belongs to no part of pi0")
        names[ours] = theirs
    if embedding not in names and tied is not None:
        names[embedding] = tied
    return names


def is_pi05(names: Collection[str]) -> bool:
    """Whether tensors of these names, ours, are of a pi0.5."""
    return "time_mlp_in.weight" in names


def _check_generation(pi05: bool, config: Pi0Config, file: Path) -> None:  # noqa: FBT001
    if pi05 != config.pi05:
        fitting = kind_named(pi05=pi05, context_smoothing=config.context_smoothing)
        raise CheckpointError(
            f"{file} holds a {_GENERATIONS[pi05]}, and kind '{config.kind}' asks for a "
            f"{_GENERATIONS[config.pi05]}, which has other parts; give kind '{fitting}', or the "
            "weights that belong to this pi0.json"
        )


def _check_names(names: Mapping[str, str], expected: Mapping[str, Tensor], file: Path) -> None:
    missing = sorted(_their_name(name) for name in expected.keys() - names.keys())
    unexpected = sorted(names[name] for name in names.keys() - expected.keys())
    if missing or unexpected:
        raise CheckpointError(
            f"{file} does not fit: missing {_few(missing)}; unexpected {_few(unexpected)}. "
            "Is it the checkpoint of another model or of another size?"
        )


def _check_shapes(
    names: Mapping[str, str], expected: Mapping[str, Tensor], stored: safe_open, file: Path
) -> None:
    for ours, theirs in names.items():
        shape, needed = list(stored.get_slice(theirs).get_shape()), list(expected[ours].shape)
        if shape != needed:
            raise CheckpointError(
                f"{file}: tensor '{theirs}' has shape {shape}; the configured sizes need {needed}"
            )


def _few(names: list[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
