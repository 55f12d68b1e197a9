"""The messages between robot, learner and policy server.

Frozen data; `tmrl_common.codec` turns each into frames and back by its field types. Every request
has one kind of answer, or an `ErrorReply`.
"""

from dataclasses import dataclass, field, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tmrl_common.candidates import ActionUnits, CandidateRequest, Candidates
from tmrl_common.desk_messages import Offer, Parcel, Report, Wanted
from tmrl_common.errors import ErrorCode
from tmrl_common.types import (
    MAX_SEED,
    FloatArray,
    Observation,
    PolicySpec,
    Steering,
    SteeringLimits,
    SteeringSource,
)

ADDED_LATER = MappingProxyType({"added_later": True})
"""Metadata of a field that is younger than the wire format: it travels only where it differs from
its default, so the bytes of messages that do not use it stay as they were."""


def no_actions() -> FloatArray:
    """Nothing is committed, shape (0, 0)."""
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class PolicyExpectation:
    """What a client demands of the policy served; None accepts anything.

    The fields are those of `PolicySpec`, where they are described.
    """

    action_space: str | None = None
    action_dim: int | None = None
    horizon: int | None = None
    proprio_dim: int | None = None
    context_dim: int | None = None
    cameras: tuple[str, ...] | None = None
    z_dim: int | None = None
    epsilon_dim: int | None = None
    features_dim: int | None = None
    policy_version: str | None = None
    statistics_hash: str | None = None

    @classmethod
    def exactly(cls, spec: PolicySpec) -> "PolicyExpectation":
        """Demands every field of a specification."""
        return cls(**{each.name: getattr(spec, each.name) for each in fields(spec)})


@dataclass(frozen=True)
class Hello:
    """First message of a client. Answer: Welcome.

    Attributes:
        client: Who speaks, for the server's log, such as "agent" or "learner".
        robot: Name of the arm that it belongs to.
        expected: What the policy served must be.
    """

    client: str
    robot: str
    expected: PolicyExpectation


@dataclass(frozen=True)
class Welcome:
    """The server serves what the client expects.

    Attributes:
        server: Its name.
        epoch: Identifies this life of the server process; another one means that it restarted.
        spec: What it serves.
        actor_version: Version of the steering actor; 0 for none.
        units: Of the policy's actions; None from a server that does not tell.
    """

    server: str
    epoch: str
    spec: PolicySpec
    actor_version: int
    units: ActionUnits | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True)
class Act:
    """Asks for a chunk of actions. Answer: ChunkReply.

    Attributes:
        observation: What the policy sees.
        limits: Caps that the steering is clamped to.
        source: Who picks the steering.
        explicit: The steering itself where the source is EXPLICIT; None otherwise.
        seed: Of every random draw, in [0, MAX_SEED]; the same seed gives the same chunk.
        budget_s: Time that is left for the answer when the request is sent.
        committed: Actions that are executed anyway after the observation, which the chunk begins
            with: raw units of the rig's action space, shape (overlap_steps, action_dim); empty
            where the arm stands.
        candidates: Which candidates are wanted beside the chunk; None for none.
    """

    observation: Observation
    limits: SteeringLimits
    source: SteeringSource
    explicit: Steering | None
    seed: int
    budget_s: float = 0.0
    committed: FloatArray = field(default_factory=no_actions, metadata=ADDED_LATER)
    candidates: CandidateRequest | None = field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        """Refuses a source and a steering that contradict each other, and seeds out of range.

        Raises:
            ValueError: The message names the value.
        """
        if (self.source is SteeringSource.EXPLICIT) != (self.explicit is not None):
            raise ValueError(
                f"source is '{self.source}' and explicit steering is "
                f"{'absent' if self.explicit is None else 'given'}; it goes with source 'explicit'"
            )
        if self.source is SteeringSource.NONE:
            raise ValueError("source is 'none', which is a person's driving: no chunk comes of it")
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed is {self.seed}; it must lie in [0, {MAX_SEED}]")


@dataclass(frozen=True)
class Timings:
    """Where the server's time went, steady clock.

    Attributes:
        wait_s: From receipt until the work began.
        encode_s: Observation to features.
        steer_s: Picking and clamping the steering.
        sample_s: Base policy, noise to actions.
        total_s: From receipt to reply.
    """

    wait_s: float
    encode_s: float
    steer_s: float
    sample_s: float
    total_s: float


FAR_SEPARATOR = ", "
"""Between the columns of `ChunkReply.far_state`."""


@dataclass(frozen=True)
class ChunkReply:
    """A chunk of actions with everything needed to judge and to reproduce it.

    Attributes:
        actions: Raw units of the rig's action space, shape (horizon, action_dim).
        steering: What was really used, after clamping; epsilon is empty where it was drawn.
        features: What the steering actor saw, shape (features_dim,).
        policy_version: Content hash of the base policy's checkpoint.
        actor_version: Version of the steering actor held; 0 for none.
        seed: Of every random draw behind the chunk.
        timings: Of this request.
        far_state: Columns of the robot state that lie far outside of what the policy was trained
            on, joined by commas, so that the chunk means nothing; empty where all is well.
        candidates: Where they were asked for.
    """

    actions: FloatArray
    steering: Steering
    features: FloatArray
    policy_version: str
    actor_version: int
    seed: int
    timings: Timings
    far_state: str = field(default="", metadata=ADDED_LATER)
    candidates: Candidates | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True)
class Encode:
    """Asks for the features of an observation, without a chunk. Answer: Features.

    Attributes:
        observation: What the policy would see.
        budget_s: Time that is left for the answer when the request is sent.
        candidates: Which candidates are wanted beside the features; None for none.
    """

    observation: Observation
    budget_s: float = 0.0
    candidates: CandidateRequest | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True)
class Features:
    """What the steering actor would see.

    Attributes:
        features: Shape (features_dim,).
        policy_version: Content hash of the base policy's checkpoint.
        candidates: Where they were asked for.
    """

    features: FloatArray
    policy_version: str
    candidates: Candidates | None = field(default=None, metadata=ADDED_LATER)


@dataclass(frozen=True)
class ActorSpec:
    """Shape of a steering actor and the ranges that its values in [-1, 1] are scaled to.

    Weights mean nothing without both, so they travel together.

    Attributes:
        features_dim: Length of what the actor sees.
        z_dim: Length of z.
        epsilon_dim: Length of a steered context noise; 0 where it is drawn at random.
        sigma_head: Whether the actor picks sigma; otherwise it is sigma_max throughout.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers.
        log_std_min: Lower end of the range of log standard deviations.
        log_std_max: Upper end of that range.
        z_bound: Largest magnitude of a component of z.
        sigma_max: Largest sigma.
        epsilon_bound: Largest magnitude of a component of epsilon.
        sigma_levels: How many values of sigma the actor picks from, evenly spaced; 0: any.
    """

    features_dim: int
    z_dim: int
    epsilon_dim: int
    sigma_head: bool
    hidden: int
    layers: int
    log_std_min: float
    log_std_max: float
    z_bound: float
    sigma_max: float
    epsilon_bound: float
    sigma_levels: int = field(default=0, metadata=ADDED_LATER)


@dataclass(frozen=True)
class Swap:
    """Hands the server a new steering actor. Answer: Swapped.

    Attributes:
        version: Must rise with every swap, from 1.
        sha256: Of the weights, hexadecimal.
        actor: What the weights are for.
        weights: Bytes of a safetensors file, shape (n,).
    """

    version: int
    sha256: str
    actor: ActorSpec
    weights: NDArray[np.uint8]


@dataclass(frozen=True)
class Swapped:
    """The server steers with the new actor from now on.

    Attributes:
        version: Of that actor.
    """

    version: int


@dataclass(frozen=True)
class Ping:
    """Asks whether the server lives; answered without inference. Answer: Pong."""


@dataclass(frozen=True)
class Pong:
    """The server lives.

    Attributes:
        epoch: As in Welcome.
        actor_version: Version of the steering actor; 0 for none, also after a restart.
        uptime_s: Since the server was ready.
        chunks_served: Since then.
        requests_refused: Requests since then that were answered with an error.
        busy_s: How long the work in progress has been running; 0 where there is none. One that
            keeps rising says that the inference hangs.
    """

    epoch: str
    actor_version: int
    uptime_s: float
    chunks_served: int
    requests_refused: int
    busy_s: float = field(default=0.0, metadata=ADDED_LATER)


@dataclass(frozen=True)
class ErrorReply:
    """The request was not carried out.

    Attributes:
        code: Machine-readable reason.
        message: What exactly happened, one sentence.
    """

    code: ErrorCode
    message: str


Request = Hello | Act | Encode | Swap | Ping | Offer | Report
Reply = Welcome | ChunkReply | Features | Swapped | Pong | Wanted | Parcel | ErrorReply
Message = Request | Reply

KINDS: dict[str, type[Message]] = {
    "hello": Hello,
    "welcome": Welcome,
    "act": Act,
    "chunk": ChunkReply,
    "encode": Encode,
    "features": Features,
    "swap": Swap,
    "swapped": Swapped,
    "ping": Ping,
    "pong": Pong,
    "offer": Offer,
    "wanted": Wanted,
    "report": Report,
    "parcel": Parcel,
    "error": ErrorReply,
}
"""Name on the wire -> message."""

REPLY_TYPES: dict[type[Request], type[Reply]] = {
    Hello: Welcome,
    Act: ChunkReply,
    Encode: Features,
    Swap: Swapped,
    Ping: Pong,
    Offer: Wanted,
    Report: Parcel,
}
"""Request -> its answer where nothing goes wrong."""
