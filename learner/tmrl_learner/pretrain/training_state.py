"""What a training checkpoint holds beside the weights, and how it is taken up again."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tmrl_learner.errors import ResumeError
from tmrl_policies.checkpoint import Checkpoint, CheckpointError, load_checkpoint

_MEAN, _SQUARE = "adam_mean.", "adam_square."


def moments_of(module: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's two moments of every weight, by names of their own."""
    tensors: dict[str, Tensor] = {}
    for name, weight in module.named_parameters():
        state = optimiser.state[weight]
        tensors[_MEAN + name] = state["exp_avg"]
        tensors[_SQUARE + name] = state["exp_avg_sq"]
    return tensors


def restore_moments(
    module: nn.Module, optimiser: torch.optim.Optimizer, checkpoint: Checkpoint, step: int
) -> None:
    """Gives Adam back what `moments_of` returned.

    Args:
        module: Whose weights are trained.
        optimiser: Their optimiser.
        checkpoint: Holds the moments.
        step: Gradient steps behind them.

    Raises:
        CheckpointError: They are not there.
    """
    means, squares = with_prefix(checkpoint, _MEAN), with_prefix(checkpoint, _SQUARE)
    for name, weight in module.named_parameters():
        optimiser.state[weight] = {
            "step": torch.tensor(float(step)),
            "exp_avg": means[name],
            "exp_avg_sq": squares[name],
        }


def same_training(stem: Path, kind: str, identity: Mapping[str, object]) -> tuple[Checkpoint, int]:
    """Reads the checkpoint of a training, and after how many steps it was written.

    Args:
        stem: Path without suffix.
        kind: Of the checkpoint.
        identity: What must be equal for a training to be the same one, JSON-able.

    Raises:
        ResumeError: It was written with other settings, sizes or data.
        CheckpointError: It is absent or damaged.
    """
    checkpoint = load_checkpoint(stem, kind)
    written = dict(checkpoint.metadata)
    step = written.pop("step")
    if written != identity:
        raise ResumeError(
            f"{stem}.json was written with {written}, not with {dict(identity)}; finish it with "
            "the settings it names, or remove it"
        )
    return checkpoint, step


def with_prefix(checkpoint: Checkpoint, prefix: str) -> dict[str, Tensor]:
    """Returns the tensors below ``prefix``, without it.

    Raises:
        CheckpointError: There are none.
    """
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(prefix)
    }
    if not found:
        raise CheckpointError(f"the checkpoint holds no tensors named '{prefix}...'")
    return found
