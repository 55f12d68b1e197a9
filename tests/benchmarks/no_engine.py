"""An engine that does no work, so that only what is around it is measured."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np


def no_engine(
    actions: "np.ndarray[Any, np.dtype[np.float32]]",
    state: int,
    cameras: tuple[str, ...],
    think_s: float = 0.0,
) -> Any:
    """Answers every request with the same chunk.

    Args:
        actions: The chunk, shape (H, A).
        state: Length of the robot state.
        cameras: Names of the images that it asks for.
        think_s: How long it sleeps over each batch, s.
    """
    from tmrl_common.messages import Act, ChunkReply, Timings
    from tmrl_common.types import FloatArray, Observation, Steering
    from tmrl_policy_server.engine import Engine

    features, z = (np.zeros(length, dtype=np.float32) for length in (state, actions.shape[1]))
    nothing, times = np.zeros(0, dtype=np.float32), Timings(0.0, 0.0, 0.0, think_s, think_s)

    class NoEngine(Engine):
        """Looks at nothing."""

        def __init__(self) -> None:
            self.spec = _spec(actions.shape, state, cameras)

        def act_batch(self, requests: Sequence[Act]) -> list[Any]:
            assert all(each.observation.images.keys() >= set(cameras) for each in requests)
            if think_s:
                time.sleep(think_s)
            return [
                ChunkReply(
                    actions=_after(request.committed, actions),
                    steering=Steering(request.source, z, 0.0, nothing),
                    features=features,
                    policy_version="none",
                    actor_version=0,
                    seed=request.seed,
                    timings=times,
                )
                for request in requests
            ]

        def encode(self, observation: Observation) -> FloatArray:
            return features

    return NoEngine()


def _after(
    committed: "np.ndarray[Any, np.dtype[np.float32]]",
    actions: "np.ndarray[Any, np.dtype[np.float32]]",
) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """The chunk, begun with what is executed anyway."""
    return np.concatenate([committed, actions])[: len(actions)] if committed.size else actions


def _spec(shape: tuple[int, ...], state: int, cameras: tuple[str, ...]) -> Any:
    from tmrl_common.types import PolicySpec

    horizon, columns = shape
    return PolicySpec(
        action_space="bridge_delta_ee_7",
        action_dim=columns,
        horizon=horizon,
        proprio_dim=state,
        context_dim=0,
        cameras=cameras,
        z_dim=columns,
        epsilon_dim=1,
        features_dim=state,
        policy_version="none",
        statistics_hash="none",
    )
