"""The served half of a checkpoint: averaged weights, statistics, record and tokeniser."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tmrl_learner.pi0.checkpoints import whole
from tmrl_learner.pi0.config import FinetuneConfig
from tmrl_learner.pi0.lora import merged_state
from tmrl_policies.pi0.inputs.record import Pi0Record, write_record
from tmrl_policies.pi0.inputs.rigs import rig_named, scale_named
from tmrl_policies.pi0.inputs.settings import TOKENISER_FILE
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, write_statistics
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights import save_weights, to_bfloat16
from tmrl_policies.pi0.weights_file import FILE_NAME


def served_state(network: Pi0, average: Mapping[str, Tensor], config: FinetuneConfig) -> Pi0:
    """A plain network with averaged weights, low-rank updates merged, on the CPU.

    Args:
        network: In training; frozen weights are taken from it.
        average: Averaged weights of what is trained, by name, whole and on the CPU.
        config: Of the training.
    """
    tensors = {
        name: average[name] if name in average else whole(parameter)
        for name, parameter in network.named_parameters()
    }
    with torch.device("meta"):
        plain = Pi0(config.model)
    scale = config.lora.alpha / config.lora.rank
    plain.load_state_dict(merged_state(tensors, scale), assign=True)
    return to_bfloat16(plain) if config.precision == "bfloat16" else plain


def write_served(
    folder: Path,
    plain: Pi0,
    config: FinetuneConfig,
    statistics: RobotStatistics,
    tokeniser: Path,
    training: Mapping[str, Any],
) -> None:
    """Writes what the policy server loads.

    Args:
        folder: Of the checkpoint.
        plain: From `served_state`.
        config: Of the training.
        statistics: Of the data set.
        tokeniser: PaliGemma's SentencePiece model; copied.
        training: JSON-able account of how it was made.
    """
    save_weights(plain, folder / FILE_NAME)
    write_statistics(folder, config.rig, statistics)
    record = Pi0Record(
        rig=rig_named(config.rig),
        scale=scale_named(config.scale),
        config=config.model,
        asset_id=config.rig,
        training=training,
    )
    write_record(folder, record)
    shutil.copyfile(tokeniser, folder / TOKENISER_FILE)
