"""Compares this pi0 number by number with recorded outputs of another implementation.

A folder of such vectors holds `model.safetensors`, with random weights of any size and of any kind,
and `io.npz` with inputs and outputs:

- `actions` of plain pi0 or pi0.5; `actions_sigma_<s>` of smoothed ones for context times s and
  s / 2, with one context noise for all tokens, and `actions_per_token_sigma_<s>` with one for each;
- `train_loss` and `train_loss_per_token`, unreduced;
- prefix embeddings, before and after their normalisation, and what the norms of pi0.5 follow.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import CAMERA_SLOTS, FULL
from tmrl_policies.pi0.model import Pi0, divide_by_rms
from tmrl_policies.pi0.sampler import Pi0Sampler
from tmrl_policies.pi0.sizes import read_sizes
from tmrl_policies.pi0.weights import load_weights
from tmrl_policies.torch_seam import from_numpy, row_norms, unflatten

TOLERANCE = 1e-4
TOLERANCE_OF_NORMALISED_PI0 = 3e-4
"""Two correct implementations differ by up to 9e-5 there: the authors compute angles of the times'
embedding, which reach 1571 rad, in float32."""

_SIGMA = "sigma_"
_PER_TOKEN = "_per_token"
_NORMALISED = "prefix_normalised_"
_TRAINING_SIGMA = np.array([0.2, 0.6])
"""Context times of the training loss in folders that do not say."""

Arrays = dict[str, NDArray[np.generic]]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far our outputs are from those of a folder.

    Attributes:
        errors: Output -> largest absolute difference, divided by the output's largest magnitude.
            Actions are there twice: made the plain way and, with " (fast)", by the sampler.
        tolerance: What two correct implementations stay below, by the kind of the weights.
    """

    errors: dict[str, float]
    tolerance: float


def compare(folder: Path, siglip_heads: int | None = None) -> Comparison:
    """Runs everything that the folder has outputs for, in float32.

    Args:
        folder: The vectors.
        siglip_heads: Of the image encoder where its width does not tell, see `sizes.read_sizes`.

    Raises:
        CheckpointError: The folder lacks a file or an array, or the weights do not fit.
    """
    arrays = _read(folder / "io.npz")
    config = dataclasses.replace(
        read_sizes(folder, FULL, siglip_heads),
        horizon=_tensor(arrays, "noise").shape[1],
        prompt_tokens=_tensor(arrays, "tokenized_prompt").shape[1],
        context_smoothing=any(_SIGMA in name for name in arrays),
        prefix_rms=any(name.startswith(_NORMALISED) for name in arrays),
        exact_at_zero=False,
    )
    model = Pi0(config).eval()
    load_weights(model, folder)
    wide = config.prefix_rms and not config.pi05
    return Comparison(
        dict(_errors(model, arrays)), TOLERANCE_OF_NORMALISED_PI0 if wide else TOLERANCE
    )


@torch.no_grad()
def _errors(model: Pi0, arrays: Arrays) -> Iterator[tuple[str, float]]:
    batch = _batch(arrays)
    for made in (_prefix(model, batch), _training(model, batch, arrays)):
        for name, ours in made:
            if name in arrays:
                yield name, relative_error(ours, _tensor(arrays, name))
    sampler = Pi0Sampler(model)
    slots = batch.images.shape[1]
    image_tokens = unflatten(sampler.encode_images(batch.images.flatten(0, 1)), 0, (-1, slots))
    noise = _tensor(arrays, "noise")
    for name in sorted(name for name in arrays if name.startswith("actions")):
        steered = (noise, _sigma(name, len(noise)), _epsilon(model, arrays, "context_noise", name))
        wanted = _tensor(arrays, name)
        yield name, relative_error(model.sample(batch, *steered), wanted)
        fast = sampler.sample(image_tokens, *batch[1:], *steered)
        yield f"{name} (fast)", relative_error(fast, wanted)


def _prefix(model: Pi0, batch: Pi0Batch) -> Iterator[tuple[str, Tensor]]:
    """Prefix embeddings of the first and the last token, and the norms of all."""
    prefix, _ = model.embed_prefix(batch)
    yield "prefix_embeddings_first_row", prefix[:, 0]
    yield "prefix_embeddings_norms", row_norms(prefix)
    exact = divide_by_rms(prefix)
    yield f"{_NORMALISED}first_row", exact[:, 0]
    yield f"{_NORMALISED}last_row", exact[:, -1]


def _training(model: Pi0, batch: Pi0Batch, arrays: Arrays) -> Iterator[tuple[str, Tensor]]:
    """Unreduced losses, and what the norms follow there."""
    if "train_time" not in arrays and "train_loss" not in arrays:
        return
    time, noise = _tensor(arrays, "train_time"), _tensor(arrays, "noise")
    sigma = _tensor({"train_context_time": _TRAINING_SIGMA} | arrays, "train_context_time")
    if (condition := model.time_condition(time, sigma)) is not None:
        yield "time_condition", condition
    actions = _tensor(arrays, "train_actions")
    for name, of_noise in (("train_loss", ""), (f"train_loss{_PER_TOKEN}", "train_")):
        if name in arrays:
            epsilon = _epsilon(model, arrays, f"{of_noise}context_noise", name)
            yield name, model.flow_loss(batch, actions, noise, time, sigma, epsilon)


def _epsilon(model: Pi0, arrays: Arrays, of_noise: str, output: str) -> Tensor:
    """Context noise of an output; zeros where no context is corrupted."""
    if not model.config.context_smoothing:
        return torch.zeros(len(_tensor(arrays, "noise")), model.config.context_dim)
    return _tensor(arrays, of_noise + (_PER_TOKEN if _PER_TOKEN in output else ""))


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference by the largest magnitude of `theirs`; NaN counts as infinite."""
    if ours.shape != theirs.shape:
        raise CheckpointError(f"an output has shape {list(theirs.shape)}, ours {list(ours.shape)}")
    error = (ours - theirs).abs().max() / theirs.abs().max()
    return error.item() if bool(error.isfinite()) else float("inf")


def _sigma(output: str, rows: int) -> Tensor:
    """Context times (B,) of an output: the one in its name, then half of it."""
    sigma = float(output.rpartition(_SIGMA)[2]) if _SIGMA in output else 0.0
    return torch.tensor([sigma if row == 0 else sigma / 2 for row in range(rows)])


def _batch(arrays: Arrays) -> Pi0Batch:
    images = torch.stack([_tensor(arrays, f"image_{slot}") for slot in CAMERA_SLOTS], dim=1)
    masks = [_tensor(arrays, f"image_mask_{slot}").bool() for slot in CAMERA_SLOTS]
    return Pi0Batch(
        images=images.permute(0, 1, 4, 2, 3) / 255.0 * 2.0 - 1.0,
        image_mask=torch.stack(masks, dim=1),
        tokens=_tensor(arrays, "tokenized_prompt").long(),
        token_mask=_tensor(arrays, "tokenized_prompt_mask").bool(),
        state=_tensor(arrays, "state"),
    )


def _tensor(arrays: Arrays, name: str) -> Tensor:
    """An array as float32.

    Raises:
        CheckpointError: There is none of that name.
    """
    if name not in arrays:
        raise CheckpointError(f"io.npz holds no array '{name}'; it holds {sorted(arrays)}")
    return from_numpy(arrays[name].astype(np.float32))


def _read(file: Path) -> Arrays:
    try:
        # Without pickle: object arrays are refused by numpy.
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
