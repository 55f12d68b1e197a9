"""Observation in, chunk out: everything of the policy server that is not sockets or processes.

For the small policies the features, which the steering actor sees, are the normalised robot state
followed by the normalised context.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.clock import Clock, SteadyClock
from tmrl_common.errors import ConfigError, ErrorCode, RequestError
from tmrl_common.messages import Act, ChunkReply, Swap, Timings
from tmrl_common.types import (
    FloatArray,
    Observation,
    PolicySpec,
    Steering,
    SteeringLimits,
    SteeringSource,
)
from tmrl_policies.flow_checkpoint import load_flow_policy
from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policy_server.action_transform import action_transform
from tmrl_policy_server.actor_store import ActorStore
from tmrl_policy_server.config import EngineConfig, Method
from tmrl_policy_server.steering import Picked, SteeringShape, pick_steering

_WARM_UP_CHUNKS = 3


class Engine:
    """A frozen base policy and the steering actor in front of it. Use from one thread.

    Attributes:
        spec: What it serves.
    """

    def __init__(
        self,
        policy: FlowPolicy,
        policy_version: str,
        config: EngineConfig,
        clock: Clock | None = None,
    ) -> None:
        """Takes a policy in evaluation mode.

        Args:
            policy: The base policy.
            policy_version: Content hash of its checkpoint.
            config: How steering is picked.
            clock: For the timings in the replies; None takes the machine's.

        Raises:
            ConfigError: Policy and configuration do not fit each other.
        """
        shape = policy.config
        if config.method == Method.TMRL and not shape.context_smoothing:
            raise ConfigError(
                "method 'tmrl' needs a policy trained with context smoothing, this one was trained "
                "without; choose another checkpoint, or method 'dsrl' or 'base'"
            )
        self._policy = policy
        self._config = config
        self._clock = clock or SteadyClock()
        self._transform = action_transform(config.action_transform, shape.action_dim)
        self._steering_shape = SteeringShape(
            shape.horizon, shape.action_dim, shape.context_dim, shape.context_smoothing
        )
        self.spec = PolicySpec(
            action_space=self._transform.action_space,
            action_dim=self._transform.action_dim,
            horizon=shape.horizon,
            proprio_dim=shape.proprio_dim,
            context_dim=shape.context_dim,
            cameras=(),
            z_dim=shape.action_dim,
            epsilon_dim=shape.context_dim,
            features_dim=shape.proprio_dim + shape.context_dim,
            policy_version=policy_version,
            statistics_hash=policy.statistics_hash(),
        )
        spec = self.spec
        self._actors = ActorStore(spec.features_dim, spec.z_dim, spec.epsilon_dim, config)

    @classmethod
    def from_checkpoint(
        cls, folder: Path, config: EngineConfig, clock: Clock | None = None
    ) -> "Engine":
        """Load the base policy in `folder`.

        Raises:
            CheckpointError: There is none, or it is damaged.
            ConfigError: Policy and configuration do not fit each other.
        """
        loaded = load_flow_policy(folder)
        return cls(loaded.policy, loaded.version, config, clock)

    @property
    def actor_version(self) -> int:
        """Version of the steering actor in use; 0 for none."""
        return self._actors.version

    def act(
        self,
        observation: Observation,
        limits: SteeringLimits,
        steering: SteeringSource | Steering,
        *,
        seed: int,
    ) -> ChunkReply:
        """Make a chunk of actions; the same arguments and actor give the same chunk, bit by bit.

        Args:
            observation: What the policy sees.
            limits: Caps to which the steering is clamped.
            steering: Who picks z, sigma and epsilon, or the values themselves.
            seed: Of every random draw.

        Raises:
            RequestError: The request does not fit the policy, or the result is not finite.
        """
        explicit = steering if isinstance(steering, Steering) else None
        source = SteeringSource.EXPLICIT if isinstance(steering, Steering) else steering
        (reply,) = self.act_batch([Act(observation, limits, source, explicit, seed)])
        if isinstance(reply, RequestError):
            raise reply
        return reply

    @torch.inference_mode()
    def act_batch(self, requests: Sequence[Act]) -> list[ChunkReply | RequestError]:
        """Make one chunk for each request with a single pass through the base policy.

        A request that cannot be answered does not affect the other ones. A chunk from a batch
        equals the one of the same request alone up to the rounding of float32.

        Returns:
            A chunk or the reason why there is none, in the order of the requests.
        """
        started_s = self._clock.now_s()
        answers: list[ChunkReply | RequestError | None] = [None] * len(requests)
        prepared: list[_Prepared] = []
        for place, request in enumerate(requests):
            try:
                prepared.append(self._prepare(place, request))
            except RequestError as error:
                answers[place] = error
        if prepared:
            steered_s = self._clock.now_s()
            actions = self._sample(prepared)
            sample_s = self._clock.now_s() - steered_s
            for item, chunk in zip(prepared, actions, strict=True):
                total_s = self._clock.now_s() - started_s
                timings = Timings(0.0, item.encode_s, item.steer_s, sample_s, total_s)
                answers[item.place] = self._reply(requests[item.place], item, chunk, timings)
        return [answer for answer in answers if answer is not None]

    @torch.inference_mode()
    def encode(self, observation: Observation) -> FloatArray:
        """What the steering actor sees of an observation, shape (features_dim,).

        Raises:
            RequestError: The observation does not fit the policy.
        """
        proprio, context = self._checked(observation)
        return self._features(proprio, context)[0].numpy()

    def swap(self, swap: Swap) -> int:
        """Put a new steering actor into use and return its version.

        Raises:
            ActorRefusedError: It failed a check; the one before stays in use.
        """
        return self._actors.swap(swap)

    def warm_up(self) -> None:
        """Make a few chunks for nobody, so that the first real one is like all others.

        Call it from the thread that will serve: the first pass of a thread is slow, and may use
        another number of threads for its arithmetic and so round differently.
        """
        proprio = self._policy.proprio_normaliser.mean.numpy()
        context = self._policy.context_normaliser.mean.numpy()
        limits = SteeringLimits(sigma_cap=1.0, z_cap=1.0, epsilon_cap=1.0)
        for seed in range(_WARM_UP_CHUNKS):
            self.act(Observation(proprio, context), limits, SteeringSource.BASE, seed=seed)

    def _prepare(self, place: int, request: Act) -> "_Prepared":
        started_s = self._clock.now_s()
        if self._config.method == Method.BASE and request.source in _LEARNED:
            raise RequestError(
                ErrorCode.BAD_REQUEST,
                f"the server runs method 'base', '{request.source}' steering was asked for; "
                "ask for 'base', or start the server with another method",
            )
        proprio, context = self._checked(request.observation)
        features = self._features(proprio, context)
        encoded_s = self._clock.now_s()
        picked = pick_steering(
            request, features, self._actors.actor, self._config, self._steering_shape
        )
        steer_s = self._clock.now_s() - encoded_s
        return _Prepared(place, proprio, context, features, picked, encoded_s - started_s, steer_s)

    def _checked(self, observation: Observation) -> tuple[Tensor, Tensor]:
        """Robot state (1, P) and context (1, C) of an observation that fits the policy."""
        spec = self.spec
        for name, values, length in (
            ("proprio", observation.proprio, spec.proprio_dim),
            ("context", observation.context, spec.context_dim),
        ):
            if values.shape != (length,):
                detail = f"{name} has shape {values.shape}; the policy takes ({length},)"
                raise RequestError(ErrorCode.BAD_REQUEST, detail)
            if not np.isfinite(values).all():
                detail = f"{name} holds a number that is not finite: {values.tolist()}"
                raise RequestError(ErrorCode.BAD_REQUEST, detail)
        if set(observation.images) != set(spec.cameras):
            detail = f"images of {sorted(observation.images)} came; the policy takes none"
            raise RequestError(ErrorCode.BAD_REQUEST, detail)
        # The arrays may be read-only views on a received frame, which torch does not wrap.
        proprio = torch.from_numpy(np.array(observation.proprio))[None]
        context = torch.from_numpy(np.array(observation.context))[None]
        return proprio, context

    def _features(self, proprio: Tensor, context: Tensor) -> Tensor:
        """Shape (1, features_dim)."""
        parts = (
            self._policy.proprio_normaliser.normalise(proprio),
            self._policy.context_normaliser.normalise(context),
        )
        return torch.cat(parts, dim=-1)

    def _sample(self, prepared: "Sequence[_Prepared]") -> Tensor:
        """Chunks of all prepared requests, shape (B, H, policy's action length)."""
        return self._policy.sample(
            torch.cat([item.proprio for item in prepared]),
            torch.cat([item.context for item in prepared]),
            torch.tensor([item.picked.told.sigma for item in prepared]),
            torch.stack([item.picked.epsilon for item in prepared]),
            torch.stack([item.picked.noise for item in prepared]),
        )

    def _reply(
        self, request: Act, item: "_Prepared", chunk: Tensor, timings: Timings
    ) -> ChunkReply | RequestError:
        actions = self._transform.apply(chunk.numpy())
        if not np.isfinite(actions).all():
            detail = f"the chunk of seed {request.seed} is not finite; the observation may be far "
            return RequestError(ErrorCode.NOT_FINITE, detail + "outside of the training data")
        return ChunkReply(
            actions=actions,
            steering=item.picked.told,
            features=item.features[0].numpy(),
            policy_version=self.spec.policy_version,
            actor_version=self.actor_version,
            seed=request.seed,
            timings=timings,
        )


_LEARNED = (SteeringSource.ACTOR, SteeringSource.UNIFORM)


class _Prepared(NamedTuple):
    """A request that is ready for the base policy.

    Attributes:
        place: Its place among the requests.
        proprio: Shape (1, P).
        context: Shape (1, C).
        features: Shape (1, features_dim).
        picked: Its steering.
        encode_s: Time for the features.
        steer_s: Time for the steering.
    """

    place: int
    proprio: Tensor
    context: Tensor
    features: Tensor
    picked: Picked
    encode_s: float
    steer_s: float
