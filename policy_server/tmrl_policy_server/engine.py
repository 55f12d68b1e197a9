"""Observation in, chunk out: everything of the policy server that is not sockets or processes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.candidates import CandidateRequest, Candidates
from tmrl_common.clock import Clock, SteadyClock
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import (
    FAR_SEPARATOR,
    Act,
    ChunkReply,
    Encode,
    Features,
    Swap,
    Timings,
    no_actions,
)
from tmrl_common.types import (
    FloatArray,
    Observation,
    Steering,
    SteeringLimits,
    SteeringSource,
)
from tmrl_policies.base_policy import BasePolicy
from tmrl_policy_server.actor_store import ActorStore
from tmrl_policy_server.candidates import make_candidates
from tmrl_policy_server.config import EngineConfig
from tmrl_policy_server.overlap import Overlap
from tmrl_policy_server.steering import Picked, SteeringShape, pick_steering


class Engine:
    """A frozen base policy and the steering actor in front of it. Use from one thread.

    Attributes:
        spec: What it serves.
        units: Of the policy's actions.
    """

    def __init__(
        self, policy: BasePolicy[Any], config: EngineConfig, clock: Clock | None = None
    ) -> None:
        """Takes a policy that is ready to sample.

        Args:
            policy: The base policy.
            config: How steering is picked.
            clock: For the timings in the replies; None takes the machine's.

        Raises:
            ConfigError: Its chunks are too short for the overlap.
        """
        self._policy = policy
        self._config = config
        self._clock = clock or SteadyClock()
        self._overlap = Overlap(config.overlap_steps, policy.spec)
        self.spec = spec = self._overlap.spec
        self.units = policy.units
        self._steering_shape = SteeringShape(
            spec.horizon, spec.z_dim, spec.epsilon_dim, policy.context_smoothing
        )
        self._actors = ActorStore(spec.features_dim, self._steering_shape)

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
        committed: FloatArray | None = None,
    ) -> ChunkReply:
        """Makes a chunk of actions; the same arguments and actor give the same chunk, bit by bit.

        Args:
            observation: What the policy sees.
            limits: Caps to which the steering is clamped.
            steering: Who picks z, sigma and epsilon, or the values themselves.
            seed: Of every random draw.
            committed: Actions that it begins with, see `Act`; None for none.

        Raises:
            RequestError: The request does not fit the policy, or the result is not finite.
        """
        explicit = steering if isinstance(steering, Steering) else None
        source = SteeringSource.EXPLICIT if isinstance(steering, Steering) else steering
        rows = no_actions() if committed is None else committed
        request = Act(observation, limits, source, explicit, seed, committed=rows)
        (reply,) = self.act_batch([request])
        if isinstance(reply, RequestError):
            raise reply
        return reply

    @torch.inference_mode()
    def act_batch(self, requests: Sequence[Act]) -> list[ChunkReply | RequestError]:
        """Makes one chunk for each request with a single pass through the base policy.

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
            beside = [self._beside(item, requests[item.place].candidates) for item in prepared]
            sample_s = self._clock.now_s() - steered_s
            for item, chunk, candidates in zip(prepared, actions, beside, strict=True):
                total_s = self._clock.now_s() - started_s
                timings = Timings(0.0, item.encode_s, item.steer_s, sample_s, total_s)
                answers[item.place] = (
                    candidates
                    if isinstance(candidates, RequestError)
                    else self._reply(requests[item.place], item, chunk, timings, candidates)
                )
        return [answer for answer in answers if answer is not None]

    @torch.inference_mode()
    def encode(self, observation: Observation) -> FloatArray:
        """What the steering actor sees of an observation, shape (features_dim,).

        Raises:
            RequestError: The observation does not fit the policy.
        """
        return self.look(Encode(observation)).features

    @torch.inference_mode()
    def look(self, request: Encode) -> Features:
        """The same with candidates, where they are asked for.

        Raises:
            RequestError: Observation or candidates do not fit the policy.
        """
        seen = self._policy.observe(request.observation)
        features = self._overlap.features(self._policy.features(seen), None)
        candidates = self._candidates(seen, features, request.candidates)
        return Features(features.numpy(), self.spec.policy_version, candidates)

    def swap(self, swap: Swap) -> int:
        """Puts a new steering actor into use and returns its version.

        Raises:
            ActorRefusedError: It failed a check; the one before stays in use.
        """
        return self._actors.swap(swap)

    def warm_up(self, largest_batch: int = 1) -> None:
        """Makes a few chunks for nobody, so that the first real one is like all others.

        Call it from the thread that will serve: the first pass of a thread is slow, and may use
        another number of threads for its arithmetic and so round differently.

        Args:
            largest_batch: Most requests of one pass.
        """
        limits = SteeringLimits(sigma_cap=1.0, z_cap=1.0, epsilon_cap=1.0)
        example = Act(self._policy.example(), limits, SteeringSource.BASE, None, 0)
        for size in self._policy.warm_up_batches(largest_batch):
            for answer in self.act_batch([example] * size):
                if isinstance(answer, RequestError):
                    raise answer

    def _prepare(self, place: int, request: Act) -> "_Prepared":
        started_s = self._clock.now_s()
        self._overlap.check(request.committed)
        seen = self._policy.observe(request.observation)
        known = None
        if request.committed.size:
            known = self._policy.as_network(seen, request.committed)
        features = self._overlap.features(self._policy.features(seen), known)
        encoded_s = self._clock.now_s()
        picked = pick_steering(
            request,
            features[None],
            self._actors.actor,
            self._config.warmup_marginal_fraction,
            self._steering_shape,
            self._policy.draw_epsilon,
        )
        steer_s = self._clock.now_s() - encoded_s
        return _Prepared(place, seen, features, picked, encoded_s - started_s, steer_s, known)

    def _sample(self, prepared: "Sequence[_Prepared]") -> Tensor:
        """Chunks of all prepared requests, shape (B, H, action_dim)."""
        return self._policy.sample(
            [item.seen for item in prepared],
            torch.tensor([item.picked.reported.sigma for item in prepared]),
            [item.picked.epsilon for item in prepared],
            torch.stack([item.picked.noise for item in prepared]),
            self._overlap.together([item.known for item in prepared]),
        )

    def _beside(
        self, item: "_Prepared", wish: CandidateRequest | None
    ) -> Candidates | RequestError | None:
        try:
            return self._candidates(item.seen, item.features, wish)
        except RequestError as error:
            return error

    def _candidates(
        self, seen: Any, features: Tensor, wish: CandidateRequest | None
    ) -> Candidates | None:
        """In passes of their own: the chunk beside them is the same as without, bit by bit."""
        if wish is None:
            return None
        shape, actor = self._steering_shape, self._actors.actor
        return make_candidates(self._policy, seen, features, actor, shape, wish)

    def _reply(
        self,
        request: Act,
        item: "_Prepared",
        chunk: Tensor,
        timings: Timings,
        candidates: Candidates | None,
    ) -> ChunkReply | RequestError:
        actions = chunk.numpy()
        if request.committed.size:
            # To the last bit: what is executed anyway is no matter of rounding.
            actions[: len(request.committed)] = request.committed
        if not np.isfinite(actions).all():
            detail = f"the chunk of seed {request.seed} is not finite; the observation may be far "
            return RequestError(ErrorCode.NOT_FINITE, detail + "outside of the training data")
        return ChunkReply(
            actions=actions,
            steering=item.picked.reported,
            features=item.features.numpy(),
            policy_version=self.spec.policy_version,
            actor_version=self.actor_version,
            seed=request.seed,
            timings=timings,
            far_state=FAR_SEPARATOR.join(self._policy.far_columns(item.seen)),
            candidates=candidates,
        )


class _Prepared(NamedTuple):
    """A request that is ready for the base policy.

    Attributes:
        place: Its place among the requests.
        seen: The observation as the policy takes it.
        features: Shape (features_dim,).
        picked: Its steering.
        encode_s: Time for the features.
        steer_s: Time for the steering.
        known: Actions that the chunk begins with, normalised, shape (d, A); None for none.
    """

    place: int
    seen: Any
    features: Tensor
    picked: Picked
    encode_s: float
    steer_s: float
    known: Tensor | None
