"""What the agent asks of the policy server, and what comes back from the thread that asks."""

from dataclasses import dataclass, field

from tmrl_agent.probe import Probe
from tmrl_common.candidates import CandidateRequest, Candidates
from tmrl_common.messages import ChunkReply, no_actions
from tmrl_common.types import FloatArray, Observation, SteeringLimits, SteeringSource


@dataclass(frozen=True)
class AskChunk:
    """Ask the policy server for a chunk.

    Attributes:
        request: Names this request; the answer must carry it.
        observation: What the policy sees.
        limits: Caps on the steering.
        source: Who steers, or how a probe does.
        seed: Of every random draw behind the chunk.
        committed: Actions that are executed anyway after the observation, shape (d, action_dim);
            empty where the arm stands.
        candidates: Which candidates are wanted beside it; None for none.
    """

    request: int
    observation: Observation
    limits: SteeringLimits
    source: SteeringSource | Probe
    seed: int
    committed: FloatArray = field(default_factory=no_actions)
    candidates: CandidateRequest | None = None


@dataclass(frozen=True)
class AskFeatures:
    """Ask the policy server what the steering actor would see.

    Attributes:
        request: Names this request; the answer must carry it.
        observation: The one after an episode's last chunk, or before what a person drove.
        candidates: Which candidates are wanted beside them; None for none.
    """

    request: int
    observation: Observation
    candidates: CandidateRequest | None = None


@dataclass(frozen=True)
class ChunkAnswer:
    """The answer to an AskChunk."""

    request: int
    reply: ChunkReply
    round_trip_s: float


@dataclass(frozen=True)
class FeaturesAnswer:
    """The answer to an AskFeatures.

    Attributes:
        request: Which one.
        features: Shape (features_dim,).
        candidates: Where they were asked for.
    """

    request: int
    features: FloatArray
    candidates: Candidates | None = None


@dataclass(frozen=True)
class FailedAnswer:
    """A request without an answer, and why."""

    request: int
    problem: str


@dataclass(frozen=True)
class Connection:
    """The state of the connection changed.

    Attributes:
        problem: Why there is none; empty while it stands.
        policy_version: Of the policy served; empty before the first welcome.
    """

    problem: str
    policy_version: str = ""


Answer = ChunkAnswer | FeaturesAnswer | FailedAnswer | Connection
