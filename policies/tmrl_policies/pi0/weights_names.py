"""Names of tensors: those of openpi and LeRobot, and ours.

The names of a file are read whatever a training framework wrapped around the network, and what the
network never uses is left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmrl_policies.checkpoint import CheckpointError

TOKEN_EMBEDDING = "token_embedding.weight"
_BOTH_STREAMS = "paligemma_with_expert."
_EXPERT = _BOTH_STREAMS + "gemma_expert.model."
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
_USUAL_PREFIXES = ("", "model.")
_WRAPPERS = {
    "_orig_mod": "torch.compile",
    "module": "DistributedDataParallel",
    "_fsdp_wrapped_module": "FSDP",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning",
}
"""Parts of a name that wrappers put in, at any place -> who does."""
_UNMERGED = re.compile(r"\.(lora_[AB]|lora_embedding_[AB]|base_layer|modules_to_save)(\.|$)")
_UNUSED = {
    "rotary tables": r"\.rotary\w*\.|\.(original_)?inv_freq$|\.(cos|sin)_cached$",
    "numbers of positions": r"\.position_ids$",
    "factors of embeddings": r"\.embed_scale$",
    "a head for values": r"(^|\.)(v_head|vf_head|value_(head|net|mlp|proj|function)|critic\w*)\.",
    "the token table of the action expert": r"\.gemma_expert\.model\.embed_tokens\.",
    "the pooling of the image encoder": r"\.vision_model\.head\.",
}
"""What some files hold beside the network -> the names of such tensors."""


@dataclass(frozen=True)
class StoredNames:
    """Which of a file's tensors is which of ours.

    Attributes:
        names: Our name -> name in the file.
        unknown: Names in the file that belong to no part of pi0.
        notes: What was done to the names, a sentence each; empty for a usual file.
    """

    names: dict[str, str]
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def our_names(stored: Sequence[str], file: Path) -> StoredNames:
    """Sorts out the names of a file.

    What pi0 never uses is left out: language heads, statistics that LeRobot stores beside the
    weights, and the kinds of `_UNUSED`.

    Args:
        stored: Names in the file.
        file: For the text of an error.

    Raises:
        CheckpointError: Two tensors are the same part of pi0, or the file holds updates that are
            not merged into its weights.
    """
    bare, notes = _bare_names(stored, file)
    names: dict[str, str] = {}
    unknown: list[str] = []
    unused: list[tuple[str, str]] = []
    tied: str | None = None
    for theirs, name in bare.items():
        if _LEROBOT_STATISTICS.match(name):
            continue
        if _HEADS.fullmatch(name.removeprefix(_BOTH_STREAMS)):
            # The language head is not used; where the two are tied only one of them is stored.
            tied = theirs if "paligemma.l" in name else tied
            continue
        if kind := _unused_kind(name):
            unused.append((kind, theirs))
            continue
        ours = _our_name(name)
        if ours is None:
            unknown.append(theirs)
        elif ours in names:
            raise CheckpointError(
                f"{file} holds one part of pi0 twice, as '{names[ours]}' and as '{theirs}'; keep "
                "the network that is to run, and leave the other one out of the file"
            )
        else:
            names[ours] = theirs
    if TOKEN_EMBEDDING not in names and tied is not None:
        names[TOKEN_EMBEDDING] = tied
    return StoredNames(names, tuple(unknown), (*notes, *_unused_note(unused)))


def their_name(ours: str) -> str:
    """The name in openpi's newest layout for one of ours."""
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


def _bare_names(stored: Sequence[str], file: Path) -> tuple[dict[str, str], list[str]]:
    """Name in the file -> without wrappers and without what stands before the network; notes."""
    wrappers = Counter[str]()
    bare: dict[str, str] = {}
    for theirs in stored:
        if _UNMERGED.search(theirs):
            raise CheckpointError(
                f"{file}: tensor '{theirs}' is part of a low-rank update beside the weights. Merge "
                "it into them first (PEFT: merge_and_unload), and give what that writes"
            )
        parts = theirs.split(".")
        wrappers.update({part for part in parts if part in _WRAPPERS})
        bare[theirs] = ".".join(part for part in parts if part not in _WRAPPERS)
    notes = [
        f"the names of {count} tensors carry '{wrapper}.' of {_WRAPPERS[wrapper]}, which was "
        "passed over"
        for wrapper, count in sorted(wrappers.items())
    ]
    before = sorted(
        {name.partition(_BOTH_STREAMS)[0] for name in bare.values() if _BOTH_STREAMS in name}
    )
    if len(before) > 1:
        several = " and ".join(f"'{prefix}'" for prefix in before)
        raise CheckpointError(
            f"{file} holds more than one network, under the names {several}; keep the one that is "
            "to run, and leave the others out of the file"
        )
    prefix = before[0] if before else ""
    if prefix not in _USUAL_PREFIXES:
        notes.append(f"the network's names begin with '{prefix}', which was passed over")
    return {theirs: name.removeprefix(prefix) for theirs, name in bare.items()}, notes


def _unused_kind(name: str) -> str:
    for kind, pattern in _UNUSED.items():
        if re.search(pattern, name):
            return kind
    return ""


def _unused_note(unused: Iterable[tuple[str, str]]) -> list[str]:
    """One sentence about all that is left out."""
    first: dict[str, str] = {}
    for kind, theirs in unused:
        first.setdefault(kind, theirs)
    if not first:
        return []
    kinds = ", ".join(f"{kind} (such as '{theirs}')" for kind, theirs in first.items())
    return [f"left out, since pi0 does not use it: {kinds}"]


def _our_name(theirs: str) -> str | None:
    """Our name of a tensor of openpi's; None where pi0 has no such part."""
    if not theirs.startswith(_BOTH_STREAMS):
        return theirs
    name = theirs.removeprefix(_BOTH_STREAMS)
    for tree, (root, parts) in _TREES.items():
        if name.startswith(tree):
            rest = name.removeprefix(tree)
            if rest == "embed_tokens.weight":
                return TOKEN_EMBEDDING
            for part, ours in parts.items():
                rest = rest.replace(part, ours)
            return root + rest
    return None


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
