"""Checkpoints of a training: what the policy server loads, and what training resumes from.

    <run>/checkpoints/step_00001000/
        model.safetensors                   averaged weights, in openpi's layout
        assets/<rig>/norm_stats.json        statistics
        pi0.json                            rig, scale, sizes, smoothing, how it was trained
        paligemma_tokenizer.model           tokeniser
        training.safetensors, training.json weights, average and optimiser of what is trained

A checkpoint is written under another name and renamed when it is whole; it is renamed again before
it is removed. So a folder with such a name can always be used.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from tmrl_common.json_object import is_json_object
from tmrl_learner.errors import ResumeError
from tmrl_learner.pi0.trainer import Pi0Trainer

_FOLDER = "checkpoints"
_NAME = re.compile(r"step_(\d{8})")
_UNFINISHED = ".partial"
_STATE = "training"
_WEIGHT, _AVERAGE, _MEAN, _SQUARE = "weight.", "average.", "adam_mean.", "adam_square."


def newest_checkpoint(run: Path) -> Path | None:
    """The newest whole checkpoint of a run, if there is one."""
    found = _whole(run)
    return found[-1] if found else None


def unfinished_checkpoint(run: Path, step: int) -> Path:
    """A new folder to write a checkpoint into; `finish_checkpoint` makes it count."""
    folder = run / _FOLDER / f"step_{step:08d}{_UNFINISHED}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def finish_checkpoint(folder: Path, keep: int) -> Path:
    """Gives a checkpoint its name, and removes all but the newest `keep` of the run.

    Returns:
        Path of the finished checkpoint.
    """
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)
    finished = folder.with_name(folder.name.removesuffix(_UNFINISHED))
    if finished.exists():
        _remove(finished)
    folder.rename(finished)
    _sync(finished.parent)
    for old in _whole(finished.parent.parent)[:-keep]:
        _remove(old)
    return finished


def training_state(trainer: Pi0Trainer) -> dict[str, Tensor]:
    """Everything that changes from step to step, whole and on the CPU; all processes must ask.

    What several processes share out among them is put together again, so that a run may resume
    another number of processes.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in trainer.parameters.items():
        tensors[_WEIGHT + name] = whole(parameter)
        tensors[_AVERAGE + name] = whole(trainer.average.values[name])
        # A parameter that nothing depends on has no gradient, and so no state.
        if state := trainer.optimiser.state[parameter]:
            tensors[_MEAN + name] = whole(state["exp_avg"])
            tensors[_SQUARE + name] = whole(state["exp_avg_sq"])
    return tensors


def write_training_state(
    folder: Path, tensors: Mapping[str, Tensor], step: int, identity: Mapping[str, Any]
) -> None:
    """Writes what `training_state` collected.

    Args:
        folder: Of the checkpoint.
        tensors: By name.
        step: Gradient steps taken.
        identity: What must be equal for a training to be the same one, JSON-able.
    """
    save_file(dict(tensors), folder / f"{_STATE}.safetensors")
    record = {"step": step, "identity": dict(identity)}
    text = json.dumps(record, indent=2, allow_nan=False)
    (folder / f"{_STATE}.json").write_text(text + "\n", encoding="utf-8")


def resume(trainer: Pi0Trainer, folder: Path, identity: Mapping[str, Any]) -> None:
    """Resumes from a checkpoint.

    Args:
        trainer: Of the same training.
        folder: Of the checkpoint.
        identity: As it was given to `write_training_state`.

    Raises:
        ResumeError: It is damaged, or of another training; the message names the first difference.
    """
    try:
        record = json.loads((folder / f"{_STATE}.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / f"{_STATE}.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ResumeError(
            f"{folder} cannot be resumed from: {error}. Remove the folder to resume from the "
            "checkpoint before it"
        ) from error
    _refuse_difference(folder, record["identity"], json.loads(json.dumps(dict(identity))))
    expected = {_WEIGHT + name for name in trainer.parameters}
    if missing := expected - tensors.keys():
        raise ResumeError(f"{folder} lacks {min(missing)}; remove the folder")
    with torch.no_grad():
        for name, parameter in trainer.parameters.items():
            parameter.copy_(_like(tensors[_WEIGHT + name], parameter))
            average = trainer.average.values[name]
            average.copy_(_like(tensors[_AVERAGE + name], average))
            if _MEAN + name in tensors:
                trainer.optimiser.state[parameter] = {
                    "step": torch.tensor(float(record["step"])),
                    "exp_avg": _like(tensors[_MEAN + name], parameter),
                    "exp_avg_sq": _like(tensors[_SQUARE + name], parameter),
                }
    trainer.step = record["step"]


def whole(tensor: Tensor) -> Tensor:
    """A tensor on the CPU, put together from the shares of all processes."""
    detached = tensor.detach()
    full = detached.full_tensor() if isinstance(detached, DTensor) else detached
    return full.to("cpu", copy=True).contiguous()


def _like(values: Tensor, pattern: Tensor) -> Tensor:
    """Values where and as shared out as `pattern` is."""
    values = values.to(pattern.device)
    if isinstance(pattern, DTensor):
        return distribute_tensor(values, pattern.device_mesh, pattern.placements)
    return values


def _refuse_difference(folder: Path, written: Any, now: Any, path: str = "") -> None:
    if is_json_object(written) and is_json_object(now):
        for key in sorted(written.keys() | now.keys()):
            inner = f"{path}.{key}" if path else key
            _refuse_difference(folder, written.get(key), now.get(key), inner)
    elif written != now:
        raise ResumeError(
            f"{folder} was written with {path} = {written!r}; now it is {now!r}. Finish it as it "
            "began, or choose another --out"
        )


def _whole(run: Path) -> list[Path]:
    folders = (run / _FOLDER).glob("step_*")
    return sorted(folder for folder in folders if _NAME.fullmatch(folder.name))


def _remove(folder: Path) -> None:
    doomed = folder.with_name(folder.name + _UNFINISHED)
    if doomed.exists():
        shutil.rmtree(doomed)
    shutil.rmtree(folder.rename(doomed))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
