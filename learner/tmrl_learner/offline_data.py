"""What others did before a run, as the learner draws it: segments as long as chunks.

`./tmrl import` writes a folder of it, and `learning.offline_data` names the folder. A segment is
what `docs/concepts/contracts.md` calls one: as many control steps as a chunk executes, without a
latent, because no chunk of the policy led to it.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import Driver, Origin
from tmrl_common.config import build_config
from tmrl_common.errors import ConfigError
from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Outcome, SteeringSource
from tmrl_learner.errors import LearnerError
from tmrl_policies.checkpoint import load_checkpoint, save_checkpoint
from tmrl_policies.torch_seam import from_numpy

KIND = "tmrl_offline_data"
STEM = "offline"
"""Of the files in the folder that is handed to the learner."""

_REMEDY = "make it again with ./tmrl import"
_EMPTY: FloatArray = np.zeros(0, np.float32)


@dataclass(frozen=True)
class OfflineOrigin:
    """What segments were made of, and for which robot and policy.

    Attributes:
        data_set: Name of the data set's folder.
        data_sha256: Hash of its columns and of its list of episodes, with their outcomes.
        policy_version: Content hash of the policy whose features these are.
        action_space: Of the actions.
        execute_steps: h, control steps of a segment.
        control_rate_hz: Control steps per second.
        prompt: Instruction with which observations were encoded; empty for none.
    """

    data_set: str
    data_sha256: str
    policy_version: str
    action_space: str
    execute_steps: int
    control_rate_hz: float
    prompt: str


@dataclass(frozen=True)
class OfflineSegments:
    """N segments, episode by episode.

    Attributes:
        features: Of the observation at the start, shape (N, S), float32.
        next_features: Of the observation after the end, shape (N, S), float32.
        actions: What was executed, raw units, shape (N, h, A), float32; 0 behind the last step.
        steps: Control steps of each, from 1 to h, shape (N,), int64.
        reward: -1 for each segment, 0 for the one that ends a success, shape (N,), float32.
        terminated: 1 for the segment that ends a success, which has no bootstrap, else 0, shape
            (N,), float32.
        episode: Number of its episode in the data set, shape (N,), int64.
    """

    features: FloatArray
    next_features: FloatArray
    actions: FloatArray
    steps: NDArray[np.int64]
    reward: FloatArray
    terminated: FloatArray
    episode: NDArray[np.int64]

    def __len__(self) -> int:
        """N."""
        return len(self.steps)


@dataclass(frozen=True)
class OfflineData:
    """Segments and where they are from."""

    origin: OfflineOrigin
    segments: OfflineSegments

    def transitions(self) -> Iterator[Transition]:
        """Yields each segment as the transition that an agent makes of what a person drives."""
        origin, all_of = self.origin, self.segments
        lengths: list[int] = all_of.steps.tolist()
        for row, steps in enumerate(lengths):
            yield Transition(
                robot="offline",
                session=origin.data_set,
                sequence=row + 1,
                episode=int(all_of.episode[row]) + 1,
                chunk=row,
                revision=0,
                features=all_of.features[row],
                z=_EMPTY,
                sigma=0.0,
                epsilon=_EMPTY,
                steering=SteeringSource.NONE,
                reward=float(all_of.reward[row]),
                next_features=all_of.next_features[row],
                terminated=bool(all_of.terminated[row]),
                truncated=False,
                aborted=False,
                episode_outcome=Outcome.PENDING,
                executed_actions=all_of.actions[row, :steps],
                driver=np.full((steps,), Driver.TELEOP, np.uint8),
                origin=Origin.HUMAN,
                prompt=origin.prompt,
                policy_version=origin.policy_version,
            )


def joined(parts: Sequence[OfflineSegments]) -> OfflineSegments:
    """All segments of several episodes, at least one, in their order."""
    return OfflineSegments(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in dataclasses.fields(OfflineSegments)
        }
    )


def save_offline(stem: Path, data: OfflineData) -> None:
    """Writes segments so that they are there whole or not at all, whenever the process dies.

    Args:
        stem: Path of the files without their endings.
        data: What to write.

    Raises:
        OSError: The disk refused.
    """
    tensors = {name: from_numpy(array) for name, array in vars(data.segments).items()}
    save_checkpoint(stem, KIND, tensors, vars(data.origin))


def load_offline(stem: Path) -> OfflineData:
    """Reads what `save_offline` wrote.

    Raises:
        CheckpointError: It is absent or damaged.
        LearnerError: It holds something else.
    """
    checkpoint = load_checkpoint(stem, KIND)
    try:
        origin = build_config(OfflineOrigin, checkpoint.metadata)
        arrays: dict[str, Any] = {n: tensor.numpy() for n, tensor in checkpoint.tensors.items()}
        segments = OfflineSegments(**arrays)
        _check_shapes(origin, segments)
    except (ConfigError, TypeError, ValueError) as error:
        raise LearnerError(f"{stem}.json is no offline data: {error}; {_REMEDY}") from error
    return OfflineData(origin, segments)


def _check_shapes(origin: OfflineOrigin, segments: OfflineSegments) -> None:
    count, width = segments.features.shape
    steps, columns = segments.actions.shape[1:]
    shapes = {
        "features": (count, width),
        "next_features": (count, width),
        "actions": (count, origin.execute_steps, columns),
        "steps": (count,),
        "reward": (count,),
        "terminated": (count,),
        "episode": (count,),
    }
    for name, wanted in shapes.items():
        if (got := getattr(segments, name).shape) != wanted:
            raise ValueError(f"{name} has shape {got}; it must be {wanted}")
    if count and not (segments.steps.min() >= 1 and segments.steps.max() <= steps):
        raise ValueError(f"steps reaches from {segments.steps.min()} to {segments.steps.max()}")
