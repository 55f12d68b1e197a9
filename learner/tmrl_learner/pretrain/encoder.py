"""Trains the encoder of a policy's cameras: behaviour cloning from end to end, then it is frozen.

A regressor of whole action chunks learns on top of the keypoints. The first keypoints of each
camera are also taught where the objects are in its pictures: what the demonstrations never need,
such as the place of an object that nobody picks, would otherwise not be in the keypoints, and no
steering could use it. The others are free.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from tmrl_common.constraints import Range, check_fields
from tmrl_learner.pretrain.dataset import DemonstrationSet, cut_chunks, split_episodes
from tmrl_learner.pretrain.training_state import (
    moments_of,
    restore_moments,
    same_training,
    with_prefix,
)
from tmrl_policies.checkpoint import load_tensors_into, save_checkpoint
from tmrl_policies.flow_policy import Normaliser
from tmrl_policies.keypoint_encoder import KeypointConfig, KeypointEncoder
from tmrl_policies.torch_seam import backward, from_numpy, seeded, take_step

_KIND = "encoder_training"
_MODEL = "model."
_KEYPOINT_SCALE = 3.0
"""Keypoints lie within 1 of the centre; the regressors' inputs should be of the order 1."""
_HELD_OUT_ROWS = 512
_ENCODED_AT_ONCE = 256
_POINT_WEIGHT = 100.0
"""Of a squared error of a point, in half pictures, beside the cross entropy of its heat map."""


class PictureSet(NamedTuple):
    """N instants as the cameras saw them.

    Attributes:
        pictures: Of each camera, shape (N, size, size, 3), RGB, uint8.
        places: Where the objects are in them, shape (N, objects, 3): column and row from -1 to 1,
            and 1 where the object is in the picture.
    """

    pictures: Mapping[str, NDArray[np.uint8]]
    places: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class EncoderConfig:
    """How an encoder is trained.

    Attributes:
        seed: Of weights, batches and the held-out episodes.
        steps: Gradient steps.
        batch_size: Instants per step, each with a picture of every camera.
        learning_rate: Peak of AdamW's learning rate, which falls to zero with a cosine.
        warmup_steps: Steps of linear warm-up.
        weight_decay: AdamW's decoupled weight decay.
        hidden: Width of the regressor's two hidden layers.
        horizon: Actions of a chunk.
        place_weight: Weight of the loss on the objects' places beside that on the actions.
        validation_fraction: Share of episodes held out.
        checkpoint_every: Steps between checkpoints, and between validations.
    """

    seed: Annotated[int, Range(0)] = 0
    steps: Annotated[int, Range(1)] = 2_000
    batch_size: Annotated[int, Range(1)] = 32
    learning_rate: Annotated[float, Range(0.0, 1.0, above=True)] = 3e-3
    warmup_steps: Annotated[int, Range(0)] = 100
    weight_decay: Annotated[float, Range(0.0)] = 1e-6
    hidden: Annotated[int, Range(1)] = 256
    horizon: Annotated[int, Range(1)] = 16
    place_weight: Annotated[float, Range(0.0)] = 0.1
    validation_fraction: Annotated[float, Range(0.0, 1.0, above=True)] = 0.05
    checkpoint_every: Annotated[int, Range(1)] = 250

    def __post_init__(self) -> None:
        """Refuses numbers out of range.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "encoder.")


@dataclass(frozen=True)
class EncoderLoss:
    """On held-out rows.

    Attributes:
        actions: Mean squared error of the action chunks, in standard deviations squared.
        place_px: Median distance of an object's keypoint from the object, where it is in the
            picture, of each camera [px].
    """

    actions: float
    place_px: tuple[float, ...]


class _Regressor(nn.Module):
    """The encoder with what learns on top of it."""

    def __init__(
        self, shape: KeypointConfig, config: EncoderConfig, data: DemonstrationSet
    ) -> None:
        super().__init__()
        proprio, actions = data.proprio.shape[1], data.actions.shape[1]
        self.encoder = KeypointEncoder(shape)
        self.proprio_normaliser = Normaliser(proprio)
        self.action_normaliser = Normaliser(actions)
        self.acts = nn.Sequential(
            nn.Linear(shape.token_dim + proprio, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.horizon * actions),
        )

    def forward(self, points: Tensor, proprio: Tensor) -> Tensor:
        """Normalised actions, (B, H * A), from points, (B, cameras, K, 2)."""
        robot = self.proprio_normaliser.normalise(proprio)
        return self.acts(torch.cat((points.flatten(1) * _KEYPOINT_SCALE, robot), dim=-1))


class EncoderTrainer:
    """AdamW with warm-up and cosine decay; interrupted, it continues as if it had not been."""

    def __init__(
        self,
        config: EncoderConfig,
        shape: KeypointConfig,
        demonstrations: DemonstrationSet,
        seen: PictureSet,
    ) -> None:
        """Prepares step 0.

        Args:
            config: How to train.
            shape: Of the encoder; it has at least as many keypoints as there are objects.
            demonstrations: N rows; their context is not looked at.
            seen: The same instants in pictures.
        """
        self.config = config
        self.step = 0
        self._shape = shape
        self._pictures = [seen.pictures[camera] for camera in shape.cameras]
        self._places = np.stack([seen.places[camera] for camera in shape.cameras], axis=1)
        self._data = cut_chunks(demonstrations, config.horizon)
        self._training, held_out = split_episodes(
            demonstrations, config.validation_fraction, config.seed
        )
        picks = np.random.default_rng(config.seed).permutation(len(held_out))[:_HELD_OUT_ROWS]
        self._held_out = held_out[picks]
        self._sha256 = demonstrations.sha256()
        self._generator = torch.Generator().manual_seed(config.seed)
        with seeded(config.seed, devices=None):
            self._model = _Regressor(shape, config, demonstrations)
        rows = from_numpy(self._training)
        self._model.proprio_normaliser.fit(self._data.proprio[rows])
        self._model.action_normaliser.fit(self._data.actions[rows].flatten(0, 1))
        self._optimiser = torch.optim.AdamW(
            self._model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    @property
    def encoder(self) -> KeypointEncoder:
        """What is trained."""
        return self._model.encoder

    def train_step(self) -> float:
        """Takes one gradient step and returns its loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        size = (self.config.batch_size,)
        drawn = torch.randint(len(self._training), size, generator=self._generator)
        acted, placed, _ = self._losses(self._training[drawn.numpy()])
        loss = acted + self.config.place_weight * placed
        self._optimiser.zero_grad()
        backward(loss)
        take_step(self._optimiser)
        self.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> EncoderLoss:
        """Returns the losses on the held-out rows."""
        acted, _, away = self._losses(self._held_out)
        half_px = 0.5 * self._shape.size_px
        medians = [half_px * float(np.nanmedian(away[:, place])) for place in range(away.shape[1])]
        return EncoderLoss(float(acted), tuple(medians))

    def _losses(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, NDArray[np.float32]]:
        """Losses of actions and places, and the distances of the points, (B, cameras, objects).

        A distance is not a number where the object is not in the picture.
        """
        model, numbers = self._model, from_numpy(rows)
        pictures = from_numpy(np.stack([each[rows] for each in self._pictures], axis=1))
        heat = model.encoder.heat(pictures)
        points = model.encoder.points(heat)
        wanted = model.action_normaliser.normalise(self._data.actions[numbers]).flatten(1)
        acted = functional.mse_loss(model(points, self._data.proprio[numbers]), wanted)
        places = from_numpy(self._places[rows])
        visible, objects = places[..., 2] > 0.5, places.shape[2]
        places, points, heat = places[..., :2], points[:, :, :objects], heat[:, :, :objects]
        grid = self._shape.grid
        cells = ((places + 1.0) * 0.5 * (grid - 1)).round().long().clamp(0, grid - 1)
        right = cells[..., 1] * grid + cells[..., 0]
        blamed = functional.cross_entropy(heat[visible], right[visible])
        missed = (points - places).square().sum(dim=-1)
        placed = blamed + _POINT_WEIGHT * missed[visible].mean()
        away = missed.sqrt().masked_fill(~visible, torch.nan)
        return acted, placed, away.detach().numpy()

    def _learning_rate(self) -> float:
        config = self.config
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        return warm * config.learning_rate * 0.5 * (1.0 + np.cos(np.pi * self.step / config.steps))

    def save(self, stem: Path) -> None:
        """Writes everything needed to continue."""
        tensors = {_MODEL + name: value for name, value in self._model.state_dict().items()}
        tensors |= moments_of(self._model, self._optimiser)
        tensors["generator"] = self._generator.get_state()
        save_checkpoint(stem, _KIND, tensors, self._identity() | {"step": self.step})

    def resume(self, stem: Path) -> None:
        """Resumes from what :meth:`save` wrote.

        Raises:
            ResumeError: It was written with other settings, sizes or data.
            CheckpointError: It is absent or damaged.
        """
        checkpoint, step = same_training(stem, _KIND, self._identity())
        load_tensors_into(self._model, with_prefix(checkpoint, _MODEL))
        restore_moments(self._model, self._optimiser, checkpoint, step)
        self._generator.set_state(checkpoint.tensors["generator"])
        self.step = step

    def _identity(self) -> dict[str, object]:
        """What must be equal for a training to be the same one, JSON-able."""
        shape = asdict(self._shape) | {"cameras": [*self._shape.cameras]}
        return {"config": asdict(self.config), "shape": shape, "data_sha256": self._sha256}


def train_encoder(
    config: EncoderConfig,
    shape: KeypointConfig,
    demonstrations: DemonstrationSet,
    seen: PictureSet,
    stem: Path,
    on_metrics: Callable[[int, dict[str, float]], None] = lambda _step, _values: None,
) -> tuple[KeypointEncoder, EncoderLoss]:
    """Trains to the end with a progress bar, and resumes where an interrupted training stopped.

    Args:
        config: How to train.
        shape: Of the encoder.
        demonstrations: N rows.
        seen: The same instants in pictures.
        stem: Path without suffix of the checkpoint from which an interrupted training continues.
        on_metrics: Called at every validation with the gradient step and losses by name.

    Raises:
        ResumeError: There is a checkpoint, made with other settings, sizes or data.
    """
    trainer = EncoderTrainer(config, shape, demonstrations, seen)
    if stem.with_name(stem.name + ".json").exists():
        trainer.resume(stem)
    recent: list[float] = []
    with tqdm(
        total=config.steps, initial=trainer.step, desc="encoder", unit="step", smoothing=0.05
    ) as progress:
        while trainer.step < config.steps:
            recent.append(trainer.train_step())
            progress.update()
            if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                held_out = trainer.validate()
                pairs = zip(shape.cameras, held_out.place_px, strict=True)
                away = {f"place_px_{camera}": value for camera, value in pairs}
                losses = {"loss": float(np.mean(recent)), "held_out_actions": held_out.actions}
                on_metrics(trainer.step, losses | away)
                recent.clear()
                shown = ", ".join(f"{value:.1f}" for value in held_out.place_px)
                progress.set_postfix_str(f"held-out loss {held_out.actions:.3f}, {shown} px off")
                trainer.save(stem)
    encoder = trainer.encoder.eval().requires_grad_(requires_grad=False)
    return encoder, trainer.validate()


@torch.no_grad()
def encode_all(
    encoder: KeypointEncoder, pictures: Mapping[str, NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Returns the tokens of N instants, shape (N, C), with a progress bar.

    Args:
        encoder: Trained.
        pictures: Of each camera, shape (N, size, size, 3).
    """
    of_cameras = [pictures[camera] for camera in encoder.config.cameras]
    parts: list[NDArray[np.float32]] = []
    starts = range(0, len(of_cameras[0]), _ENCODED_AT_ONCE)
    for start in tqdm(starts, desc="encoding pictures", unit="batch"):
        rows = slice(start, start + _ENCODED_AT_ONCE)
        parts.append(encoder(from_numpy(np.stack([c[rows] for c in of_cameras], 1))).numpy())
    return np.concatenate(parts)
