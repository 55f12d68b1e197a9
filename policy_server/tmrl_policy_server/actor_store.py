"""Keeps the steering actor in use and lets a new one take its place only after every check.

A refused actor changes nothing: the one before keeps serving.
"""

import hashlib
import logging
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as decode_tensors
from torch import Tensor

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import ActorSpec, Swap
from tmrl_policies.checkpoint import CheckpointError, load_tensors_into
from tmrl_policies.steering import SteeringActor, SteeringActorConfig, SteeringBounds
from tmrl_policy_server.steering import BoundedActor, SteeringShape

_log = logging.getLogger(__name__)

_CANARY_ROWS = 64
_CANARY_SPREAD = 3.0
_LARGEST_LAYERS = 16
_LARGEST_HIDDEN = 8192


class ActorRefusedError(RequestError):
    """A new actor failed a check; the detail says which."""

    def __init__(self, detail: str) -> None:
        """Takes the failed check."""
        super().__init__(ErrorCode.ACTOR_REFUSED, detail)


@dataclass(frozen=True)
class _Held:
    """An actor in use."""

    version: int
    sha256: str
    actor: BoundedActor


class ActorStore:
    """The actor in use and the door through which the next one comes."""

    def __init__(self, features_dim: int, shape: SteeringShape) -> None:
        """Starts without an actor.

        Args:
            features_dim: Length of what the actor sees.
            shape: Sizes that its steering must fit.
        """
        self._possible: dict[str, tuple[float, ...]] = {
            "features_dim": (features_dim,),
            "z_dim": (shape.z_dim,),
            "epsilon_dim": tuple(sorted({0, shape.epsilon_dim})),
            "sigma_head": (True, False) if shape.smoothed else (False,),
        }
        if not shape.smoothed:
            self._possible["sigma_max"] = (0.0,)
        self._held: _Held | None = None
        generator = torch.Generator().manual_seed(0)
        self._canary = _CANARY_SPREAD * torch.randn(_CANARY_ROWS, features_dim, generator=generator)

    @property
    def actor(self) -> BoundedActor | None:
        """The actor in use; None before the first."""
        return self._held.actor if self._held else None

    @property
    def version(self) -> int:
        """Its version; 0 before the first."""
        return self._held.version if self._held else 0

    def swap(self, swap: Swap) -> int:
        """Checks a new actor and puts it into use.

        The actor in use sent once more is accepted again: its acknowledgement was lost.

        Returns:
            Version in use.

        Raises:
            ActorRefusedError: A check failed; the actor before stays in use.
        """
        weights = swap.weights.tobytes()
        sha256 = hashlib.sha256(weights).hexdigest()
        if sha256 != swap.sha256:
            raise ActorRefusedError(
                f"actor {swap.version} has SHA-256 {sha256[:12]}, announced was "
                f"{swap.sha256[:12]}; send it again"
            )
        if self._held and (swap.version, sha256) == (self._held.version, self._held.sha256):
            return self._held.version
        if swap.version <= self.version:
            raise ActorRefusedError(
                f"actor {swap.version} is not newer than {self.version}, which is in use; "
                "restart the server for a new session"
            )
        actor = self._build(swap.actor, weights)
        self._try(actor.network, swap.version)
        self._held = _Held(swap.version, sha256, actor)
        _log.debug("actor %d in use", swap.version)
        return swap.version

    def _build(self, spec: ActorSpec, weights: bytes) -> BoundedActor:
        differences = [
            f"{name}: expected {' or '.join(map(str, possible))}, sent {getattr(spec, name)}"
            for name, possible in self._possible.items()
            if getattr(spec, name) not in possible
        ]
        if differences:
            detail = "the actor does not fit: " + "; ".join(differences)
            if any(name.startswith("sigma") for name in differences):
                detail += (
                    " (the policy was trained without context smoothing; serve another checkpoint, "
                    "or learn with method dsrl)"
                )
            raise ActorRefusedError(detail)
        try:
            bounds = SteeringBounds(spec.z_bound, spec.sigma_max, spec.epsilon_bound)
            shape = _actor_config(spec)
            _check_size(shape, len(weights))
            network = SteeringActor(shape)
            load_tensors_into(network, decode_tensors(weights))
        except (SafetensorError, CheckpointError, ValueError) as error:
            raise ActorRefusedError(f"the actor cannot be used: {error}") from error
        network.eval().requires_grad_(requires_grad=False)
        return BoundedActor(network, bounds)

    def _try(self, actor: SteeringActor, version: int) -> None:
        """Finite weights may still overflow: run them on fixed features before a robot does."""
        sample = actor.sample(self._canary, torch.Generator().manual_seed(0))
        # A level is drawn whatever its log-probability is; that must be a number, too.
        outputs: list[Tensor] = [sample.z, sample.tau, sample.epsilon, sample.level_log_prob]
        if not all(bool(output.isfinite().all()) for output in outputs):
            raise ActorRefusedError(f"actor {version} gives numbers that are not finite")


def _actor_config(spec: ActorSpec) -> SteeringActorConfig:
    return SteeringActorConfig(
        features_dim=spec.features_dim,
        z_dim=spec.z_dim,
        epsilon_dim=spec.epsilon_dim,
        sigma_head=spec.sigma_head,
        hidden=spec.hidden,
        layers=spec.layers,
        log_std_min=spec.log_std_min,
        log_std_max=spec.log_std_max,
        sigma_levels=spec.sigma_levels,
    )


def _check_size(shape: SteeringActorConfig, weights_bytes: int) -> None:
    """Refuses, before memory is taken, a network that the weights could not fill."""
    if shape.hidden > _LARGEST_HIDDEN or shape.layers > _LARGEST_LAYERS:
        raise ValueError(
            f"the actor has {shape.layers} layers of {shape.hidden}; at most "
            f"{_LARGEST_LAYERS} of {_LARGEST_HIDDEN} are accepted"
        )
    with torch.device("meta"):
        parameters = list(SteeringActor(shape).parameters())
    needed_bytes = sum(each.numel() * each.element_size() for each in parameters)
    if needed_bytes > weights_bytes:
        raise ValueError(f"the actor needs {needed_bytes} bytes, {weights_bytes} came")
