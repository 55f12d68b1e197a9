"""Segments with the features that the policy server makes of what was seen between them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tmrl_common.types import FloatArray, Observation
from tmrl_learner.offline_data import OfflineSegments
from tmrl_run.importing.data_set import Demonstration, DemonstrationSet
from tmrl_run.importing.segments import Segment

ANSWER_S = 60.0
"""Longest wait for the features of one observation: a pi0 on a CPU takes seconds."""


class Encoder(Protocol):
    """What is asked of `tmrl_common.transport.client.PolicyClient`."""

    def encode(self, observation: Observation, *, deadline_s: float) -> FloatArray:
        """Features, shape (features_dim,)."""
        ...


def encoded(
    data: DemonstrationSet,
    demonstration: Demonstration,
    segments: Sequence[Segment],
    execute_steps: int,
    server: Encoder,
) -> OfflineSegments:
    """Asks for the features of every observation between segments, each once.

    Args:
        data: Of the episode.
        demonstration: The episode.
        segments: At least one.
        execute_steps: h, the longest segment.
        server: The policy server.

    Raises:
        TmrlError: A picture is damaged, or the server does not answer.
    """
    wanted = {row for each in segments for row in (each.first, each.after)}
    features = {
        row: server.encode(data.observation(demonstration, row), deadline_s=ANSWER_S)
        for row in sorted(wanted)
    }
    rows = demonstration.rows.actions
    actions = np.zeros((len(segments), execute_steps, rows.shape[1]), np.float32)
    for place, each in enumerate(segments):
        actions[place, : each.end - each.first] = rows[each.first : each.end]
    return OfflineSegments(
        features=np.stack([features[each.first] for each in segments]),
        next_features=np.stack([features[each.after] for each in segments]),
        actions=actions,
        steps=np.array([each.end - each.first for each in segments], np.int64),
        reward=np.array([each.reward for each in segments], np.float32),
        terminated=np.array([each.terminated for each in segments], np.float32),
        episode=np.full(len(segments), demonstration.number, np.int64),
    )
