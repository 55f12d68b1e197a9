"""Compares this pi0 number by number with recorded outputs of another implementation.

A folder of such vectors holds `model.safetensors`, with random weights of any size, and `io.npz`:
inputs, `actions` of plain pi0 or `actions_sigma_<s>` of CSP-pi0 for context times s and s / 2, and
for the latter its unreduced training loss at context times 0.2 and 0.6.
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
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.sampler import Pi0Sampler
from tmrl_policies.pi0.sizes import read_sizes
from tmrl_policies.pi0.weights import load_weights
from tmrl_policies.torch_seam import from_numpy, row_norms, unflatten

_SIGMA_PREFIX = "actions_sigma_"
_TRAINING_SIGMA = (0.2, 0.6)

Arrays = dict[str, NDArray[np.generic]]


def compare(folder: Path, siglip_heads: int | None = None) -> dict[str, float]:
    """Runs everything that the folder has outputs for, in float32.

    Args:
        folder: The vectors.
        siglip_heads: Of the image encoder where its width does not tell, see `sizes.read_sizes`.

    Returns:
        Output -> largest absolute difference, divided by the output's largest magnitude. Actions
        are there twice: made the plain way and, with " (fast)", by the sampler.

    Raises:
        CheckpointError: The folder lacks a file or an array, or the weights do not fit.
    """
    arrays = _read(folder / "io.npz")
    smoothed = any(name.startswith(_SIGMA_PREFIX) for name in arrays)
    config = dataclasses.replace(
        read_sizes(folder, FULL, siglip_heads),
        horizon=arrays["noise"].shape[1],
        prompt_tokens=arrays["tokenized_prompt"].shape[1],
        context_smoothing=smoothed,
        exact_at_zero=False,
    )
    model = Pi0(config).eval()
    load_weights(model, folder)
    return dict(_errors(model, arrays))


@torch.no_grad()
def _errors(model: Pi0, arrays: Arrays) -> Iterator[tuple[str, float]]:
    batch = _batch(arrays)
    noise, epsilon = _tensor(arrays, "noise"), _tensor(arrays, "context_noise")
    rows = len(noise)
    if "prefix_embeddings_norms" in arrays:
        prefix, _ = model.embed_prefix(batch)
        for name, ours in (("first_row", prefix[:, 0]), ("norms", row_norms(prefix))):
            name = f"prefix_embeddings_{name}"
            yield name, relative_error(ours, _tensor(arrays, name))
    if "train_loss" in arrays:
        sigma = torch.tensor(_TRAINING_SIGMA)
        actions, time = _tensor(arrays, "train_actions"), _tensor(arrays, "train_time")
        loss = model.flow_loss(batch, actions, noise, time, sigma, epsilon)
        yield "train_loss", relative_error(loss, _tensor(arrays, "train_loss"))
    outputs = [name for name in arrays if name.startswith(_SIGMA_PREFIX) or name == "actions"]
    plain = {
        name: model.sample(batch, noise, _sigma(name, rows), epsilon) for name in sorted(outputs)
    }
    sampler = Pi0Sampler(model)
    slots = batch.images.shape[1]
    image_tokens = unflatten(sampler.encode_images(batch.images.flatten(0, 1)), 0, (-1, slots))
    for name, actions in plain.items():
        yield name, relative_error(actions, _tensor(arrays, name))
        steered = (noise, _sigma(name, rows), epsilon)
        fast = sampler.sample(image_tokens, *batch[1:], *steered)
        yield f"{name} (fast)", relative_error(fast, _tensor(arrays, name))


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference by the largest magnitude of `theirs`; NaN counts as infinite."""
    if ours.shape != theirs.shape:
        raise CheckpointError(f"an output has shape {list(theirs.shape)}, ours {list(ours.shape)}")
    error = (ours - theirs).abs().max() / theirs.abs().max()
    return error.item() if bool(error.isfinite()) else float("inf")


def _sigma(output: str, rows: int) -> Tensor:
    """Context times (B,) of an output: the one in its name, then half of it."""
    sigma = float(output.removeprefix(_SIGMA_PREFIX)) if _SIGMA_PREFIX in output else 0.0
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
