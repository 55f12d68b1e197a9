"""What stands in the place of a published chunk where a person drove: nothing was steered."""

import numpy as np

from tmrl_agent.assembly import Assembled
from tmrl_agent.events import SentChunk
from tmrl_common.candidates import Candidates
from tmrl_common.messages import ChunkReply, Timings
from tmrl_common.types import FloatArray, Observation, Steering, SteeringSource

NO_FEATURES: FloatArray = np.zeros(0, np.float32)
"""Of a segment that came before the policy server had ever answered."""
NOTHING_SEEN = Observation(NO_FEATURES, NO_FEATURES)
"""Of a segment at whose beginning a camera was silent."""


def unsteered(
    episode: int,
    chunk: int,
    seen: Assembled,
    features: FloatArray,
    policy: str,
    candidates: Candidates | None = None,
) -> SentChunk:
    """What a person's segment has of a chunk: an observation, its features, and no steering.

    Args:
        episode: Counts from 1.
        chunk: Counts from 0 within the episode.
        seen: The observation at its start.
        features: What the steering actor would have seen, shape (features_dim,).
        policy: Version of the policy that would have answered.
        candidates: Of that observation, where they were asked for.
    """
    steering = Steering(SteeringSource.NONE, NO_FEATURES, 0.0, NO_FEATURES)
    return SentChunk(
        episode=episode,
        chunk=chunk,
        sequence=0,
        stamp_ns=seen.stamp_ns,
        arm_state_sequence=seen.observation.arm_state_sequence,
        reply=ChunkReply(
            actions=np.zeros((0, 0), np.float32),
            steering=steering,
            features=features,
            policy_version=policy,
            actor_version=0,
            seed=0,
            timings=Timings(0.0, 0.0, 0.0, 0.0, 0.0),
            candidates=candidates,
        ),
        round_trip_s=0.0,
        frame_id=seen.frame_id,
        image_stamps_ns=seen.image_stamps_ns,
        prompt=seen.observation.prompt,
    )
