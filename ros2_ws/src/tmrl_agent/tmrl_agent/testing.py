"""Made-up events for tests: small, distinct values from which a mix-up shows."""

import numpy as np

from tmrl_agent.events import ChunkEnd, ChunkResult, EpisodeLabel, SentChunk
from tmrl_common.messages import ChunkReply, Timings
from tmrl_common.types import FloatArray, Outcome, Steering, SteeringSource

STEPS = 5
STEP_NS = 200_000_000
CHUNK_NS = STEPS * STEP_NS
FEATURES_DIM = 3


def features_of(number: float) -> FloatArray:
    """Features that tell which observation they belong to, shape (FEATURES_DIM,)."""
    return np.full(FEATURES_DIM, number, dtype=np.float32)


def made_reply(number: float, source: SteeringSource = SteeringSource.UNIFORM) -> ChunkReply:
    """The server's answer to the observation of that number."""
    z = np.array([number, -number], dtype=np.float32)
    return ChunkReply(
        actions=np.zeros((8, 7), dtype=np.float32),
        steering=Steering(source, z, 0.25, np.zeros(0, dtype=np.float32)),
        features=features_of(number),
        policy_version="policy",
        actor_version=4,
        seed=int(number),
        timings=Timings(0.0, 0.0, 0.0, 0.0, 0.01),
    )


def made_chunk(episode: int, chunk: int, sequence: int) -> SentChunk:
    """A chunk whose observation has the number `chunk`, made at its start."""
    return SentChunk(
        episode=episode,
        chunk=chunk,
        sequence=sequence,
        stamp_ns=chunk * CHUNK_NS,
        arm_state_sequence=chunk * STEPS,
        reply=made_reply(chunk),
        round_trip_s=0.02,
    )


def made_end(
    sequence: int,
    chunk: int,
    steps: int = STEPS,
    result: ChunkResult = ChunkResult.COMPLETED,
    code: str = "",
) -> ChunkEnd:
    """The outcome of a chunk that started right after the one before it."""
    started_ns = chunk * CHUNK_NS
    return ChunkEnd(
        sequence=sequence,
        result=result,
        started_ns=started_ns,
        ended_ns=started_ns + steps * STEP_NS,
        executed_actions=np.full((steps, 7), chunk, dtype=np.float32),
        driver=np.zeros(steps, dtype=np.uint8),
        clamped=False,
        arm_state_sequence=chunk * STEPS + steps,
        code=code,
        reason="made up" if code else "",
    )


def made_label(
    episode: int, outcome: Outcome, after_chunks: float, revision: int = 0
) -> EpisodeLabel:
    """A label whose stamp lies that many chunks after the episode's start."""
    return EpisodeLabel(episode, outcome, round(after_chunks * CHUNK_NS), revision, "test")
