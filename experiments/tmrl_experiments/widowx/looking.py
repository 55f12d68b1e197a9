"""Pre-training through the cell's cameras: pictures, an encoder, demonstrations in tokens."""

import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path

from tmrl_cell.cameras import CAMERAS
from tmrl_cell.picture_demonstrations import record
from tmrl_experiments.widowx.task import looking_task
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.encoder import (
    EncoderConfig,
    EncoderLoss,
    PictureSet,
    encode_all,
    train_encoder,
)
from tmrl_learner.pretrain.evaluate import TaskEnvironment
from tmrl_policies.keypoint_checkpoint import save_encoder
from tmrl_policies.keypoint_encoder import KeypointConfig, KeypointEncoder


@dataclass(frozen=True)
class Looks:
    """What policies through cameras are trained on, and with.

    Attributes:
        recorded: Demonstrations whose context is the encoder's tokens.
        encoder: Trained, frozen.
        config: How it was trained.
        loss: On held-out episodes.
    """

    recorded: DemonstrationSet
    encoder: KeypointEncoder
    config: EncoderConfig
    loss: EncoderLoss

    def task(self, target: str) -> TaskEnvironment:
        """The task with that object, seen through the encoder."""
        return looking_task(target, self.encoder)

    def save(self, folder: Path) -> str:
        """Writes the encoder beside a policy; the SHA-256 of its tensors."""
        training = {"config": asdict(self.config), "held_out_loss": asdict(self.loss)}
        return save_encoder(folder, self.encoder, training)

    @property
    def account(self) -> str:
        """The paragraph of a model card about the encoder, Markdown."""
        shape, config = self.encoder.config, self.config
        weights = sum(weight.numel() for weight in self.encoder.parameters())
        away = " and ".join(
            f"{distance:.1f} px ({camera})"
            for camera, distance in zip(shape.cameras, self.loss.place_px, strict=True)
        )
        text = (
            f"{shape.size_px} px pictures of {' and '.join(shape.cameras)}; "
            f"{shape.keypoints} keypoints of each, {shape.token_dim} numbers in all, "
            f"{weights:,} parameters, frozen since. {config.steps} steps of {config.batch_size} "
            "instants: behaviour cloning from end to end, and the first two keypoints of each "
            "camera were taught where the simulation says that carrot and sausage are. On held-out "
            f"episodes these lie {away} beside the objects in the median. Another camera pose, "
            "light or size of pictures is another world to it."
        )
        return "\n## Encoder\n\n" + textwrap.fill(text, width=100) + "\n"


def encoder_config(seed: int, steps: int | None) -> EncoderConfig:
    """How the encoder is trained.

    Args:
        seed: Of demonstrations and training.
        steps: Gradient steps; None for its own.

    Raises:
        ConfigError: A number is out of its range.
    """
    return EncoderConfig(seed=seed) if steps is None else EncoderConfig(seed=seed, steps=steps)


def look(work: Path, episodes: int, config: EncoderConfig) -> Looks:
    """Records pictures, trains the encoder and encodes; each step resumes, or is read if done.

    Args:
        work: Folder for pictures and unfinished training.
        episodes: Successful episodes to record.
        config: Of the encoder; its seed is that of the demonstrations.
    """
    shape = KeypointConfig(CAMERAS)
    shown = record(work / f"pictures_{episodes}", episodes, config.seed, CAMERAS, shape.size_px)
    rows = shown.steps
    places = DemonstrationSet(
        rows.proprio, rows.context, rows.actions, rows.episode_starts, rows.episode_lengths
    )
    seen = PictureSet(shown.pictures, shown.places)
    encoder, loss = train_encoder(config, shape, places, seen, work / "encoder")
    recorded = DemonstrationSet(
        rows.proprio,
        encode_all(encoder, shown.pictures),
        rows.actions,
        rows.episode_starts,
        rows.episode_lengths,
    )
    return Looks(recorded, encoder, config, loss)
