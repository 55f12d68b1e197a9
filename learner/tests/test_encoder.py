"""Training of an encoder: it finds what it is taught, and an interruption changes nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tmrl_learner.errors import ResumeError
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.encoder import (
    EncoderConfig,
    EncoderTrainer,
    PictureSet,
    encode_all,
    train_encoder,
)
from tmrl_policies.keypoint_encoder import KeypointConfig

_SIZE_PX, _EPISODES, _STEPS = 24, 20, 10
_SHAPE = KeypointConfig(("overview",), _SIZE_PX, keypoints=2, channels=6)
_CONFIG = EncoderConfig(steps=120, hidden=16, horizon=4, warmup_steps=5, checkpoint_every=60)


@pytest.fixture(scope="module")
def spots() -> tuple[DemonstrationSet, PictureSet]:
    """Pictures with a red spot, towards which the actions point, and a blue one."""
    rng = np.random.default_rng(0)
    rows = _EPISODES * _STEPS
    cells = rng.integers(3, _SIZE_PX - 3, (rows, 2, 2))
    pictures: NDArray[np.uint8] = np.full((rows, _SIZE_PX, _SIZE_PX, 3), 90, np.uint8)
    for row, of_row in enumerate(cells):
        for (column, line), colour in zip(of_row, ((250, 0, 0), (0, 0, 250)), strict=True):
            pictures[row, line - 1 : line + 2, column - 1 : column + 2] = colour
    places = np.ones((rows, 2, 3), np.float32)
    places[..., :2] = cells / (_SIZE_PX - 1) * 2.0 - 1.0
    actions = np.concatenate([places[:, 0, :2], np.ones((rows, 1))], axis=1)
    data = DemonstrationSet(
        proprio=np.zeros((rows, 2), np.float32),
        context=places[..., :2].reshape(rows, 4),
        actions=actions.astype(np.float32),
        episode_starts=np.arange(0, rows, _STEPS),
        episode_lengths=np.full(_EPISODES, _STEPS),
    )
    return data, PictureSet({"overview": pictures}, {"overview": places})


def test_it_points_at_the_objects(
    spots: tuple[DemonstrationSet, PictureSet], tmp_path: Path
) -> None:
    config = EncoderConfig(steps=300, hidden=16, horizon=4, learning_rate=1e-2)
    encoder, loss = train_encoder(config, _SHAPE, *spots, tmp_path / "encoder")
    assert loss.place_px[0] < 1.0
    tokens = encode_all(encoder, spots[1].pictures)
    away = np.abs(tokens - spots[0].context)
    assert np.median(away) * _SIZE_PX / 2 < 1.0


def test_interrupted_it_ends_where_it_would_have(
    spots: tuple[DemonstrationSet, PictureSet], tmp_path: Path
) -> None:
    whole, _ = train_encoder(_CONFIG, _SHAPE, *spots, tmp_path / "whole")
    first = EncoderTrainer(_CONFIG, _SHAPE, *spots)
    for _ in range(_CONFIG.steps // 2):
        first.train_step()
    first.save(tmp_path / "halves")
    halves, _ = train_encoder(_CONFIG, _SHAPE, *spots, tmp_path / "halves")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, halves.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_refused(
    spots: tuple[DemonstrationSet, PictureSet], tmp_path: Path
) -> None:
    trainer = EncoderTrainer(_CONFIG, _SHAPE, *spots)
    trainer.train_step()
    trainer.save(tmp_path / "encoder")
    other = EncoderTrainer(EncoderConfig(steps=7, hidden=16, horizon=4), _SHAPE, *spots)
    with pytest.raises(ResumeError, match="was written with"):
        other.resume(tmp_path / "encoder")
