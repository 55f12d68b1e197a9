"""CSP-pi0 as the policy server runs it: observations of a rig in, its actions out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tmrl_common.candidates import ActionUnits
from tmrl_common.errors import ConfigError, ErrorCode, RequestError
from tmrl_common.types import FloatArray, Observation, PolicySpec
from tmrl_policies.action_transform import UNIT_OF_OTHERS
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.dino_embeddings import CLASS_TOKEN
from tmrl_policies.far_state import StateWatch
from tmrl_policies.image_features import Dinov2Features
from tmrl_policies.inpainting import Committed
from tmrl_policies.pi0.config import CAMERA_SLOTS, IMAGE_SIZE_PX, Pi0Config
from tmrl_policies.pi0.fitness import (
    checkpoint_statistics,
    odd_units,
    open_tokeniser,
    without_memory,
)
from tmrl_policies.pi0.inputs.images import prepare_images
from tmrl_policies.pi0.inputs.prompt import state_in_prompt
from tmrl_policies.pi0.inputs.record import Pi0Record
from tmrl_policies.pi0.inputs.resolution import resolve
from tmrl_policies.pi0.inputs.rigs import AbsentCameras
from tmrl_policies.pi0.inputs.scaling import Scaling
from tmrl_policies.pi0.inputs.settings import NO_DINO, Pi0Settings
from tmrl_policies.pi0.inputs.statistics import RobotStatistics
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser
from tmrl_policies.pi0.sampler import Pi0Sampler
from tmrl_policies.pi0.weights import load_weights, to_bfloat16
from tmrl_policies.pi0.weights_file import Report, unreported
from tmrl_policies.torch_seam import cpu_capabilities, from_numpy, split

_log = logging.getLogger(__name__)

_EXAMPLE_PROMPT = "pick up the object"
_VARIES = 1e-5
"""Units below are those of columns that never varied."""
_LARGE_WIDTH = 512
"""Of the expert. Below, on a CPU, the start of an operation counts for more than its products."""


@dataclass
class Pi0Seen:
    """An observation as the networks take it; what is computed from its images is kept.

    Attributes:
        images: Of the rig's cameras in the order of their slots, shape (cameras, 3, 224, 224),
            uint8, on the policy's device.
        tokens: Language tokens, shape (L,), int64, on the CPU.
        token_mask: Which of them are there, shape (L,), bool, on the CPU.
        raw_state: Robot state in raw units, shape (state_dim,), float32.
        state: Normalised robot state, shape (state_dim,), float32, on the CPU.
        image_tokens: Shape (slots, tokens, width), on the policy's device; None before the first
            chunk. Another context noise needs the prefix again, but not these.
        far: Columns of the robot state that are far from the training data.
        embeddings: DINOv2's, shape (cameras * dim,), float32, on the CPU; None until asked for.
    """

    images: Tensor
    tokens: Tensor
    token_mask: Tensor
    raw_state: FloatArray
    state: Tensor
    image_tokens: Tensor | None = None
    far: tuple[str, ...] = ()
    embeddings: Tensor | None = None


class Pi0Policy:
    """A frozen pi0 or CSP-pi0 of one rig; see `BasePolicy`. Use from one thread."""

    def __init__(
        self,
        sampler: Pi0Sampler,
        version: str,
        record: Pi0Record,
        statistics: RobotStatistics,
        tokeniser: PromptTokeniser,
        dino: Dinov2Features | None,
        default_prompt: str = "",
    ) -> None:
        """Joins the parts.

        Args:
            sampler: Of the network, which is on its device.
            version: Content hash of its weights.
            record: How it was trained.
            statistics: Of the rig's state and actions.
            tokeniser: Of its prompts.
            dino: For the features; None for the robot state alone.
            default_prompt: For observations that bring none.

        Raises:
            ConfigError: Statistics and scale, or sizes and rig, do not fit each other.
        """
        rig, config = record.rig, record.config
        if max(rig.state_dim, rig.action_dim) > config.action_dim:
            raise ConfigError(
                f"rig '{rig.name}' has {rig.state_dim} state and {rig.action_dim} action columns; "
                f"the network has room for {config.action_dim}"
            )
        try:
            self._state_scaling = Scaling(statistics.state, record.scale)
            self._action_scaling = Scaling(statistics.actions, record.scale)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._sampler = sampler
        self._device = sampler.device
        self._rig, self._config = rig, config
        self._state_in_prompt = state_in_prompt(config, rig)
        self._statistics = statistics
        self._watch = StateWatch(rig.state, statistics.state.mean, statistics.state.std)
        self._tokeniser = tokeniser
        self._dino = dino
        self._default_prompt = default_prompt
        self._black_tokens: Tensor | None = None
        embedding_dim = dino.dim * len(rig.cameras) if dino else 0
        self._spec = PolicySpec(
            action_space=rig.action_space,
            action_dim=rig.action_dim,
            horizon=config.horizon,
            proprio_dim=rig.state_dim,
            context_dim=0,
            cameras=tuple(sorted(rig.camera_names)),
            z_dim=config.action_dim,
            epsilon_dim=config.context_dim,
            features_dim=rig.state_dim + embedding_dim,
            policy_version=version,
            statistics_hash=statistics.content_hash(record.scale),
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        settings: Pi0Settings,
        max_batch: int = 1,
        report: Report = unreported,
    ) -> "Pi0Policy":
        """Loads a checkpoint folder of openpi's layout.

        Args:
            folder: Holds `model.safetensors` and `assets/<id>/norm_stats.json`; ours also hold
                `pi0.json` and may hold the tokeniser.
            settings: Where the other files are, and what the folder does not say.
            max_batch: Most observations that are sampled for at a time.
            report: Called with the share of the weights that is loaded, in [0, 1].

        Raises:
            CheckpointError: A file of the folder is absent, damaged or does not fit.
            ConfigError: A setting is missing or does not fit.
        """
        if not folder.is_dir():
            raise CheckpointError(f"there is no checkpoint folder at {folder}")
        # The cheap files first: a typing error should not cost the minutes of the weights.
        record = resolve(folder, settings)
        config = record.config
        device = _device(settings.device)
        statistics = checkpoint_statistics(folder, record)
        for sentence in odd_units(record.rig, statistics):
            _log.warning("%s", sentence)
        tokeniser = open_tokeniser(folder, config, settings)
        dino = None
        if settings.dino != NO_DINO:
            embedding = settings.dino_embedding or CLASS_TOKEN
            dino = Dinov2Features(Path(settings.dino), device, embedding)
        # Without memory until its type is settled, and never filled with random numbers.
        model = without_memory(config)
        if (settings.dtype or usual_dtype(device, config)) == "bfloat16":
            to_bfloat16(model)
        version = load_weights(model.to_empty(device=device), folder, report)
        sampler = Pi0Sampler(
            model, graphs=settings.graphs, max_batch=max_batch, compiled=settings.compiled
        )
        return cls(sampler, version, record, statistics, tokeniser, dino, settings.prompt)

    @property
    def spec(self) -> PolicySpec:
        """What is served."""
        return self._spec

    @property
    def context_smoothing(self) -> bool:
        """Whether these are CSP weights."""
        return self._config.context_smoothing

    def observe(self, observation: Observation) -> Pi0Seen:
        """Checks an observation and brings it to the policy's device.

        Raises:
            RequestError: A camera, an image, the robot state or the prompt does not fit; the text
                names value, expectation and remedy.
        """
        try:
            raw_state = self._checked_state(observation)
            images = prepare_images(observation.images, self._rig.camera_names)
            state = self._state_scaling.normalise(raw_state)
            instruction = observation.prompt or self._default_prompt
            written = state if self._state_in_prompt else None
            prompt = self._tokeniser.encode(instruction, written)
        except ValueError as error:
            raise RequestError(ErrorCode.BAD_REQUEST, str(error)) from error
        return Pi0Seen(
            images=from_numpy(images).to(self._device).permute(0, 3, 1, 2),
            tokens=torch.tensor(prompt.tokens),
            token_mask=torch.tensor(prompt.mask),
            raw_state=raw_state,
            state=from_numpy(state),
            far=self._watch.far_columns(raw_state),
        )

    @torch.inference_mode()
    def features(self, seen: Pi0Seen) -> Tensor:
        """Normalised robot state, then the embedding of each camera in the order of the slots."""
        if self._dino is None:
            return seen.state
        if seen.embeddings is None:
            seen.embeddings = self._dino.embed(seen.images).flatten().float().cpu()
        return torch.cat((seen.state, seen.embeddings))

    def far_columns(self, seen: Pi0Seen) -> tuple[str, ...]:
        """Columns of the robot state that are far from the training data."""
        return seen.far

    def draw_epsilon(self, generator: torch.Generator) -> Tensor:
        """One vector for each token of a padded prefix, on the policy's device.

        One for all of them would leave the differences between tokens as they are at every sigma.
        """
        config, rig = self._config, self._rig
        if not config.context_smoothing:
            return torch.zeros(config.context_dim)
        masked = rig.absent_cameras is AbsentCameras.MASKED
        slots = len(rig.cameras) if masked else len(CAMERA_SLOTS)
        tokens = slots * config.siglip.tokens + config.prompt_tokens
        # Over a million numbers at full size: a GPU draws them faster than they travel there.
        here = torch.Generator(self._device)
        here.manual_seed(int(torch.randint(1 << 62, (), generator=generator)))
        return torch.randn(tokens, config.context_dim, generator=here, device=self._device)

    def as_network(self, seen: Pi0Seen, actions: FloatArray) -> Tensor:
        """Normalised, relative to the observed state where the policy's are; see `BasePolicy`."""
        relative, rows = self._rig.relative_columns, actions.astype(np.float32)
        if relative:
            rows[:, :relative] -= seen.raw_state[:relative]
        return from_numpy(self._action_scaling.normalise(rows))

    @torch.inference_mode()
    def sample(
        self,
        seen: Sequence[Pi0Seen],
        sigma: Tensor,
        epsilon: Sequence[Tensor],
        noise: Tensor,
        known: Committed | None = None,
    ) -> Tensor:
        """Makes one chunk for each observation; see `BasePolicy.sample`.

        For noise of shape (B, R, H, z_dim) it makes R of them, with one prefix.
        """
        image_tokens = self._image_tokens(seen)
        state = torch.zeros(len(seen), self._config.action_dim)
        state[:, : self._rig.state_dim] = torch.stack([each.state for each in seen])
        normalised = self._sampler.sample(
            image_tokens,
            torch.ones(image_tokens.shape[:2], dtype=torch.bool),
            torch.stack([each.tokens for each in seen]),
            torch.stack([each.token_mask for each in seen]),
            state,
            noise,
            sigma,
            epsilon,
            known,
        )
        columns = normalised[..., : self._rig.action_dim].float().cpu().numpy()
        actions = self._action_scaling.restore(columns)
        relative = self._rig.relative_columns
        if relative:
            base = np.stack([each.raw_state[:relative] for each in seen])
            actions[..., :relative] += base.reshape(len(seen), *[1] * (noise.dim() - 2), relative)
        return from_numpy(actions)

    def fan_out(
        self, seen: Pi0Seen, sigma: Tensor, epsilon: Sequence[Tensor], noise: Tensor
    ) -> Tensor:
        """Makes many chunks for one observation, with one prefix for each sigma; `BasePolicy`."""
        return self.sample([seen] * len(sigma), sigma, epsilon, noise)

    @property
    def units(self) -> ActionUnits:
        """Those in which the network makes actions, as the robot takes them."""
        columns, relative = slice(self._rig.action_dim), self._rig.relative_columns
        mean = self._action_scaling.zero[columns].copy()
        mean[:relative] += self._state_scaling.zero[:relative]
        unit = self._action_scaling.unit[columns]
        unit = np.where(unit > _VARIES, unit, UNIT_OF_OTHERS)
        return ActionUnits(mean.astype(np.float32), unit.astype(np.float32))

    def warm_up_batches(self, largest: int) -> Sequence[int]:
        """All that need a graph or a compilation of their own; else one chunk is enough."""
        return [1, 1, *range(1, largest + 1)] if self._sampler.prepares else [1]

    def example(self) -> Observation:
        """The average robot state, black images and any prompt."""
        black = np.zeros((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3), dtype=np.uint8)
        return Observation(
            proprio=self._statistics.state.mean.astype(np.float32),
            context=np.zeros(0, dtype=np.float32),
            images=dict.fromkeys(self._rig.camera_names, black),
            prompt=self._default_prompt or _EXAMPLE_PROMPT,
        )

    def _checked_state(self, observation: Observation) -> FloatArray:
        names = self._rig.state
        state = observation.proprio
        if state.shape != (len(names),):
            raise ValueError(
                f"proprio has shape {state.shape}; rig '{self._rig.name}' takes ({len(names)},): "
                f"{', '.join(names)}. Send these, or serve the rig that the robot is"
            )
        if not np.isfinite(state).all():
            column = int(np.flatnonzero(~np.isfinite(state))[0])
            raise ValueError(
                f"{names[column]} in proprio is {state[column]}; it must be finite. Look at the "
                "arm's state, and send the observation again"
            )
        if observation.context.size:
            raise ValueError(
                f"context has shape {observation.context.shape}; this policy looks at images, "
                "leave the context empty"
            )
        return np.array(state, dtype=np.float32)

    def _image_tokens(self, seen: Sequence[Pi0Seen]) -> Tensor:
        """Tokens of all slots that the network looks at, shape (B, slots, tokens, width).

        Images that were not encoded before are encoded together.
        """
        new = list({id(each): each for each in seen if each.image_tokens is None}.values())
        if new:
            pixels = torch.cat([each.images for each in new]).float() / 255.0 * 2.0 - 1.0
            tokens = self._sampler.encode_images(pixels)
            for each, part in zip(new, split(tokens, len(self._rig.cameras)), strict=True):
                each.image_tokens = self._with_black(part)
        return torch.stack([each.image_tokens for each in seen if each.image_tokens is not None])

    def _with_black(self, tokens: Tensor) -> Tensor:
        """Adds the tokens of black images where the network was trained to look at them."""
        if self._rig.absent_cameras is AbsentCameras.MASKED:
            return tokens
        if self._black_tokens is None:
            shape = (1, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
            black = torch.full(shape, -1.0, device=self._device)
            self._black_tokens = self._sampler.encode_images(black)[0]
        slots = [self._black_tokens] * len(CAMERA_SLOTS)
        for slot, part in zip(self._rig.slots, tokens, strict=True):
            slots[slot] = part
        return torch.stack(slots)


def usual_dtype(device: torch.device, config: Pi0Config) -> str:
    """The faster type: bfloat16, but on a CPU that has no such products, and for small networks.

    Measured: docs/decisions/0019-pi0-on-a-cpu.md.
    """
    if device.type != "cpu":
        return "bfloat16"
    multiplies = any(have and "bf16" in name for name, have in cpu_capabilities().items())
    large = config.expert.width >= _LARGE_WIDTH
    return "bfloat16" if multiplies and large else "float32"


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device '{name}'; give 'cpu', 'cuda' or 'cuda:0'") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device is '{name}' and there is no GPU that torch can use; give 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(f"device is '{name}'; torch can use {count} here, numbered from 'cuda:0'")
    return device
