"""A scripted person who takes the arm over while the policy is still at a loss.

It watches each of the first episodes for a while and then drives, as a person beside the arm does,
until the task is solved or its patience is over. It sees what the policy sees and uses the expert
of the demonstrations, here with the object of the new task.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tmrl_cell.demonstrations import POLICY_ACTION_COLUMNS
from tmrl_cell.expert import Expert
from tmrl_common.constraints import Range, check_fields
from tmrl_common.types import FloatArray
from tmrl_learner.pretrain.evaluate import Scene

# Keeps what it draws apart from layouts and latents of the same seed.
_STREAM = 91


@dataclass(frozen=True)
class Patience:
    """When it drives.

    Attributes:
        episodes: It helps in so many episodes, the first ones.
        watched_chunks: Chunks of an episode that the policy has for itself.
        driven_chunks: Chunks that it then drives, at most.
    """

    episodes: Annotated[int, Range(0, 10_000)] = 15
    watched_chunks: Annotated[int, Range(0, 1000)] = 6
    driven_chunks: Annotated[int, Range(1, 1000)] = 12

    def __post_init__(self) -> None:
        """Refuses numbers out of range.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "patience.")


class ScriptedHelper:
    """Puts the target into the pot, from wherever the policy has left the arm.

    Args:
        target: "carrot" or "sausage".
        seed: Of its choices, together with the number of the episode.
        patience: When it drives.
    """

    def __init__(self, target: str, seed: int, patience: Patience) -> None:
        self._target = target
        self._seed = seed
        self._patience = patience
        self._episode = 0
        self._expert: Expert | None = None

    def drives(self, episode: int, chunk: int) -> bool:
        """Whether it drives instead of the policy.

        Args:
            episode: Counts from 1.
            chunk: Counts from 0 within the episode.
        """
        first = self._patience.watched_chunks
        in_time = first <= chunk < first + self._patience.driven_chunks
        return episode <= self._patience.episodes and in_time

    def act(self, episode: int, scene: Scene) -> FloatArray:
        """Its next action, shape (4,), raw units of the policy."""
        if self._expert is None or episode != self._episode:
            rng = np.random.default_rng((_STREAM, self._seed, episode))
            self._episode, self._expert = episode, Expert(rng, self._target, miss_probability=0.0)
        action = self._expert.act(scene.proprio, scene.context)
        return action[list(POLICY_ACTION_COLUMNS)]
