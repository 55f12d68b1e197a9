"""One message of every kind with fixed values; the golden files of the wire format hold them."""

import numpy as np

from tmrl_common.candidates import ActionUnits, CandidateRequest, Candidates
from tmrl_common.desk_messages import Offer, Parcel, Report, Wanted
from tmrl_common.errors import ErrorCode
from tmrl_common.messages import (
    Act,
    ActorSpec,
    ChunkReply,
    Encode,
    ErrorReply,
    Features,
    Hello,
    Message,
    Ping,
    PolicyExpectation,
    Pong,
    Swap,
    Swapped,
    Timings,
    Welcome,
)
from tmrl_common.types import (
    FloatArray,
    Observation,
    PolicySpec,
    Steering,
    SteeringLimits,
    SteeringSource,
)


def _ramp(*shape: int) -> FloatArray:
    return np.linspace(-1.0, 1.0, int(np.prod(shape)), dtype=np.float32).reshape(shape)


EXAMPLE_SPEC = PolicySpec(
    action_space="bridge_delta_ee_7",
    action_dim=7,
    horizon=4,
    proprio_dim=5,
    context_dim=4,
    cameras=("front", "wrist"),
    z_dim=4,
    epsilon_dim=4,
    features_dim=9,
    policy_version="b3" * 32,
    statistics_hash="5a" * 32,
)

_OBSERVATION = Observation(
    proprio=_ramp(5),
    context=_ramp(4),
    images={
        "front": np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3),
        "wrist": np.arange(3, dtype=np.uint8).reshape(1, 1, 3),
    },
    prompt="put the sausage into the pot",
    arm_state_sequence=41,
    age_s=0.125,
)
_STEERING = Steering(SteeringSource.EXPLICIT, _ramp(4, 4), 0.75, _ramp(4))
_LIMITS = SteeringLimits(sigma_cap=0.5, z_cap=2.0, epsilon_cap=1.5)

EXAMPLES: dict[str, Message] = {
    "hello": Hello("agent", "widowx", PolicyExpectation(action_dim=7, cameras=("front", "wrist"))),
    "welcome": Welcome("tmrl_policy_server", "0123456789abcdef", EXAMPLE_SPEC, 12),
    "act": Act(_OBSERVATION, _LIMITS, SteeringSource.EXPLICIT, _STEERING, 2**62, 0.25),
    "act_without_explicit": Act(
        Observation(_ramp(5), _ramp(4)), _LIMITS, SteeringSource.ACTOR, None, 7, 0.25
    ),
    "act_with_candidates": Act(
        Observation(_ramp(5), _ramp(4)),
        _LIMITS,
        SteeringSource.ACTOR,
        None,
        7,
        0.25,
        candidates=CandidateRequest(3, 2, _LIMITS, 9, by_actor=True),
    ),
    "chunk": ChunkReply(
        actions=_ramp(4, 7),
        steering=Steering(SteeringSource.ACTOR, _ramp(4), 0.5, np.zeros(0, dtype=np.float32)),
        features=_ramp(9),
        policy_version="b3" * 32,
        actor_version=12,
        seed=7,
        timings=Timings(0.001, 0.002, 0.003, 0.004, 0.01),
    ),
    "encode": Encode(Observation(_ramp(5), _ramp(4)), 0.25),
    "features_with_candidates": Features(
        _ramp(9), "b3" * 32, Candidates(_ramp(3, 4), _ramp(3), _ramp(3, 2, 7))
    ),
    "welcome_with_units": Welcome(
        "tmrl_policy_server",
        "0123456789abcdef",
        EXAMPLE_SPEC,
        12,
        ActionUnits(_ramp(7), _ramp(7) + 2.0),
    ),
    "features": Features(_ramp(9), "b3" * 32),
    "swap": Swap(
        version=13,
        sha256="c0" * 32,
        actor=ActorSpec(
            features_dim=9,
            z_dim=4,
            epsilon_dim=0,
            sigma_head=True,
            hidden=128,
            layers=2,
            log_std_min=-5.0,
            log_std_max=2.0,
            z_bound=2.0,
            sigma_max=1.0,
            epsilon_bound=2.0,
        ),
        weights=np.arange(32, dtype=np.uint8),
    ),
    "swapped": Swapped(13),
    "ping": Ping(),
    "pong": Pong("0123456789abcdef", 12, 60.5, 300, 2),
    "offer": Offer("widowx", "monday", "0123", 41, 38, 41, np.arange(16, dtype=np.uint8)),
    "wanted": Wanted(38, np.frombuffer(b"{}", np.uint8), 0.5),
    "report": Report("widowx", "monday", "4567", 38, np.frombuffer(b"{}", np.uint8)),
    "parcel": Parcel(41, 38, 41, np.arange(16, dtype=np.uint8)),
    "error": ErrorReply(ErrorCode.NO_ACTOR, "no steering actor has been handed over"),
}
"""Name of the example -> message."""
