"""What fine-tuning says before its first step."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tmrl_learner.pi0.config import FinetuneConfig
from tmrl_learner.pi0.finetune import FinetunePaths, finetune
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.processes import Processes
from tmrl_learner.pi0.testing import (
    CAMERA_COLUMN,
    FPS_HZ,
    SMALL,
    SmallDataset,
    write_small_dataset,
)
from tmrl_policies.pi0.inputs.testing import write_tokeniser

CONFIG = FinetuneConfig(
    "bridge", model=SMALL, steps=1, batch_size=4, precision="float32", workers=0
)


def train(folder: Path, root: Path, config: FinetuneConfig = CONFIG) -> Path:
    tokeniser = folder / "tokeniser.model"
    write_tokeniser(tokeniser)
    alone = Processes(0, 1, torch.device("cpu"))
    return finetune(config, FinetunePaths(root, folder / "run", tokeniser), alone, "disabled")


def test_a_video_that_is_not_there_is_named_before_the_first_step(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path / "data", SmallDataset(video=True))
    (root / f"videos/chunk-000/{CAMERA_COLUMN}/episode_000002.mp4").unlink()
    with pytest.raises(DatasetError, match=r"episode_000002.mp4 is missing"):
        train(tmp_path, root)
    assert not (tmp_path / "run/checkpoints").exists()


def test_data_of_another_rate_are_learned_from_where_that_is_said(tmp_path: Path) -> None:
    root = write_small_dataset(tmp_path / "data", SmallDataset(lengths=(2, 2)))
    info = root / "meta/info.json"
    info.write_text(info.read_text().replace(f'"fps": {FPS_HZ}', f'"fps": {FPS_HZ * 1.1}'))
    with pytest.raises(DatasetError, match=r"--set data_rate_hz=5\.5"):
        train(tmp_path, root)
    assert train(tmp_path, root, replace(CONFIG, data_rate_hz=5.5)).name == "step_00000001"
