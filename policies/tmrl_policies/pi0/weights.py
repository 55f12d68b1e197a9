"""Weights of pi0 and pi0.5 in the layouts that others write: openpi's PyTorch files and LeRobot's.

Names inside the file are mapped to ours one by one, so that a missing, unexpected or misshapen
tensor is refused by its name and nothing is loaded by halves.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.config import Pi0Config, kind_named
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights_file import (
    Report,
    StoredTensors,
    copy_weights,
    find_weights,
    open_weights,
    unreported,
    weights_sha256,
)
from tmrl_policies.pi0.weights_names import StoredNames, our_names, their_name

_log = logging.getLogger(__name__)

_GENERATIONS = {False: "pi0", True: "pi0.5"}
_FLOATS = ("F64", "F32", "F16", "BF16")
_TYPES = {
    "BOOL": "bool",
    "I": "int{}",
    "U": "uint{}",
    "F8": "float8",
    "F4": "float4",
    "C": "complex{}",
}
"""How the names of types begin in safetensors -> what people call them, with their bits."""


def load_weights(model: Pi0, path: Path, report: Report = unreported) -> str:
    """Fills a network from stored weights, which costs little memory beside the network's own.

    Args:
        model: Network of the weights' sizes, on any device and in any floating type; values are
            converted as they are copied.
        path: A `model.safetensors`, the index of several files, or the folder that holds either.
        report: Called with the share that is done, in [0, 1].

    Returns:
        SHA-256 of the weights, hexadecimal.

    Raises:
        CheckpointError: There is no such file, it is damaged or of another kind, or a tensor is
            missing, unexpected, misshapen, not of floats or not finite; the network may be half
            filled then only where a value is not finite.
    """
    file = find_weights(path)
    stored = judge_weights(model, path)
    for note in stored.notes:
        _log.info("%s: %s", file, note)
    # The file is read twice, once for its hash.
    copy_weights(file, stored.names, model.state_dict(), lambda share: report(share / 2))
    return weights_sha256(file, lambda share: report((1 + share) / 2))


def judge_weights(model: Pi0, path: Path) -> StoredNames:
    """Finds out whether stored weights fit a network, by names, types and shapes alone.

    Args:
        model: The network; it may be on the device "meta", without memory.
        path: As for `load_weights`.

    Returns:
        Where each tensor of the network is, and what was noted on the way.

    Raises:
        CheckpointError: They do not fit; the text names the tensor.
    """
    file = find_weights(path)
    expected = model.state_dict()
    with open_weights(file) as stored:
        found = read_names(stored, file)
        _check_generation(is_pi05(found.names), model.config, file)
        _check_names(found, expected, file)
        _check_shapes(found.names, expected, stored, file)
    return found


def read_names(stored: StoredTensors, file: Path) -> StoredNames:
    """Which tensors of open weights are those of a pi0.

    Args:
        stored: The open weights.
        file: For the text of an error.

    Raises:
        CheckpointError: A tensor holds no floats, belongs to no part of pi0, or is there twice.
    """
    found = our_names(stored.names, file)
    # Types before names: quantised weights have strange names too, and the type says why.
    _check_types((*found.names.values(), *found.unknown), stored, file)
    if found.unknown:
        raise CheckpointError(f"{file}: tensor '{found.unknown[0]}' belongs to no part of pi0")
    return found


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
    return {their_name(name): tensor.detach() for name, tensor in model.state_dict().items()}


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


def is_pi05(names: Collection[str]) -> bool:
    """Whether tensors of these names, ours, are of a pi0.5."""
    return "time_mlp_in.weight" in names


def _check_types(names: Iterable[str], stored: StoredTensors, file: Path) -> None:
    for theirs in names:
        code = stored.dtype(theirs)
        if code not in _FLOATS:
            name = next((said for start, said in _TYPES.items() if code.startswith(start)), code)
            spoken = name.format(code.lstrip("IUC"))
            raise CheckpointError(
                f"{file}: tensor '{theirs}' is {spoken} ({code}), and weights are float32, "
                "bfloat16, float16 or float64. Quantised weights mean nothing without their "
                "scales, which are not read here: give those from before the quantisation"
            )


def _check_generation(pi05: bool, config: Pi0Config, file: Path) -> None:  # noqa: FBT001
    if pi05 != config.pi05:
        fitting = kind_named(pi05=pi05, context_smoothing=config.context_smoothing)
        raise CheckpointError(
            f"{file} holds a {_GENERATIONS[pi05]}, and kind '{config.kind}' asks for a "
            f"{_GENERATIONS[config.pi05]}, which has other parts; give kind '{fitting}', or the "
            "weights that belong to this pi0.json"
        )


def _check_names(found: StoredNames, expected: Mapping[str, Tensor], file: Path) -> None:
    names = found.names
    missing = sorted(their_name(name) for name in expected.keys() - names.keys())
    unexpected = sorted(names[name] for name in names.keys() - expected.keys())
    if missing or unexpected:
        noted = "".join(f" Note: {note}." for note in found.notes)
        raise CheckpointError(
            f"{file} does not fit: missing {_few(missing)}; unexpected {_few(unexpected)}. "
            f"Is it the checkpoint of another model or of another size?{noted}"
        )


def _check_shapes(
    names: Mapping[str, str], expected: Mapping[str, Tensor], stored: StoredTensors, file: Path
) -> None:
    for ours, theirs in names.items():
        shape, needed = stored.shape(theirs), list(expected[ours].shape)
        if shape != needed:
            raise CheckpointError(
                f"{file}: tensor '{theirs}' has shape {shape}; the configured sizes need {needed}"
            )


def _few(names: list[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
