"""A chunk as a transition, where no robot and no journal are involved."""

import numpy as np

from tmrl_common.chunks import Driver, Origin
from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Outcome, Steering, SteeringSource

_NONE: FloatArray = np.zeros(0, np.float32)

UNSTEERED = Steering(SteeringSource.NONE, _NONE, 0.0, _NONE)
"""Of what a person drove."""


def chunk_transition(
    *,
    session: str,
    sequence: int,
    episode: int,
    chunk: int,
    features: FloatArray,
    steering: Steering,
    executed: FloatArray,
    next_features: FloatArray,
    success: bool,
    timed_out: bool,
    delay_steps: int = 0,
) -> Transition:
    """Fills in what is the same for every chunk of an undisturbed simulation.

    Args:
        session: Stream of sequence numbers.
        sequence: Counts from 1 within the session.
        episode: Of the chunk.
        chunk: Counts from 0 within the episode.
        features: What the actor saw, (S,).
        steering: What it chose; `UNSTEERED` where a person drove.
        executed: Actions that were executed, (steps, A).
        next_features: What came of it, (S,).
        success: Whether the chunk solved the task; reward 0 then, -1 otherwise.
        timed_out: Whether the episode's time ran out with it.
        delay_steps: Steps of the chunk before that were executed after what the actor saw.
    """
    truncated = timed_out and not success
    outcome, helped = Outcome.PENDING, steering.source is SteeringSource.NONE
    if success or truncated:
        outcome = Outcome.SUCCESS if success else Outcome.TIMEOUT
    return Transition(
        robot="inprocess",
        session=session,
        sequence=sequence,
        episode=episode,
        chunk=chunk,
        revision=0,
        features=features,
        z=steering.z,
        sigma=steering.sigma,
        epsilon=steering.epsilon,
        steering=steering.source,
        reward=0.0 if success else -1.0,
        next_features=next_features,
        terminated=success,
        truncated=truncated,
        aborted=False,
        episode_outcome=outcome,
        executed_actions=executed,
        driver=np.full(len(executed), Driver.TELEOP if helped else Driver.POLICY, np.uint8),
        origin=Origin.HUMAN if helped else Origin.POLICY,
        delay_steps=delay_steps,
    )
