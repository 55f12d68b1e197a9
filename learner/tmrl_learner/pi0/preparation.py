"""Samples in raw units to what the network is trained on."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.errors import ConfigError
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.samples import Sample
from tmrl_learner.pi0.statistics import relative_actions
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import CAMERA_SLOTS, IMAGE_SIZE_PX, Pi0Config
from tmrl_policies.pi0.inputs.images import prepare_images
from tmrl_policies.pi0.inputs.prompt import state_in_prompt
from tmrl_policies.pi0.inputs.rigs import AbsentCameras, Rig, Scale
from tmrl_policies.pi0.inputs.scaling import Scaling
from tmrl_policies.pi0.inputs.statistics import RobotStatistics
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser
from tmrl_policies.torch_seam import from_numpy


class TrainingBatch(NamedTuple):
    """B prepared chunks; images stay bytes until they are on the training device.

    What the network would not look at is left out instead of masked, since computing it is most of
    the work of a rig with one camera: positions count only what is there, so nothing else changes.

    Attributes:
        images: Shape (B, slots, 224, 224, 3), uint8; only slots at which the network looks.
        tokens: Shape (B, L), int64; L is the length of the longest instruction.
        token_mask: Shape (B, L), bool.
        state: Normalised and padded, shape (B, action_dim), float32.
        actions: Normalised and padded, shape (B, H, action_dim), float32.
        inside: Which actions lie inside of their episode, shape (B, H), bool.
    """

    images: Tensor
    tokens: Tensor
    token_mask: Tensor
    state: Tensor
    actions: Tensor
    inside: Tensor

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same on a device."""
        return TrainingBatch(*(tensor.to(device, non_blocking=True) for tensor in self))

    def observations(self) -> Pi0Batch:
        """What the network sees."""
        images = self.images.permute(0, 1, 4, 2, 3).float() / 255.0 * 2.0 - 1.0
        there = images.new_ones(images.shape[:2], dtype=torch.bool)
        return Pi0Batch(images, there, self.tokens, self.token_mask, self.state)


class Preparation:
    """Puts samples together into a batch; runs in the processes that read data.

    Args:
        rig: Convention of the samples.
        statistics: Of the data set.
        scale: How state and actions are scaled.
        tokeniser: Of instructions.
        config: Sizes of the network.

    Raises:
        ConfigError: The statistics lack what the scale needs.
    """

    def __init__(
        self,
        rig: Rig,
        statistics: RobotStatistics,
        scale: Scale,
        tokeniser: PromptTokeniser,
        config: Pi0Config,
    ) -> None:
        self._rig = rig
        try:
            self._state = Scaling(statistics.state, scale)
            self._actions = Scaling(statistics.actions, scale)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._tokeniser = tokeniser
        self._state_in_prompt = state_in_prompt(config, rig)
        self._width = config.action_dim
        black = rig.absent_cameras is AbsentCameras.BLACK
        self._slots = len(CAMERA_SLOTS) if black else len(rig.slots)
        self._places = list(rig.slots) if black else list(range(len(rig.slots)))

    def check_prompts(self, prompts: Iterable[str]) -> None:
        """Finds instructions that cannot be used before training comes to them.

        Args:
            prompts: Instructions of the data set.

        Raises:
            DatasetError: One leaves no room for the robot state; names it.
        """
        state = np.zeros(self._rig.state_dim) if self._state_in_prompt else None
        for prompt in prompts:
            try:
                self._tokeniser.encode(prompt, state)
            except ValueError as error:
                raise DatasetError(
                    f"an instruction of the data set cannot be used: {error}, or raise "
                    "model.prompt_tokens"
                ) from error

    def __call__(self, samples: Sequence[Sample]) -> TrainingBatch:
        """Prepares B samples.

        Raises:
            DatasetError: An image cannot be used, or an instruction is empty.
        """
        state = np.stack([sample.state for sample in samples])
        seen = self._state.normalise(state)
        actions = relative_actions(np.stack([s.actions for s in samples]), state, self._rig)
        shape = (len(samples), self._slots, IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3)
        images = np.zeros(shape, dtype=np.uint8)
        try:
            prompts = [
                self._tokeniser.encode(sample.prompt, row if self._state_in_prompt else None)
                for sample, row in zip(samples, seen, strict=True)
            ]
            for image, sample in zip(images, samples, strict=True):
                image[self._places] = prepare_images(sample.images, self._rig.camera_names)
        except ValueError as error:
            raise DatasetError(f"a row of the data set cannot be used: {error}") from error
        length = max(int(prompt.mask.sum()) for prompt in prompts)
        return TrainingBatch(
            images=from_numpy(images),
            tokens=from_numpy(np.stack([prompt.tokens[:length] for prompt in prompts])),
            token_mask=from_numpy(np.stack([prompt.mask[:length] for prompt in prompts])),
            state=_padded(seen, self._width),
            actions=_padded(self._actions.normalise(actions), self._width),
            inside=from_numpy(np.stack([sample.inside for sample in samples])),
        )


def _padded(values: np.ndarray, width: int) -> Tensor:
    """Zeros behind the last column, up to the network's width."""
    missing = width - values.shape[-1]
    return from_numpy(np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)]))
