"""Plain values that travel between the parts of the stack.

Everything here is frozen data with numpy arrays: no behaviour beyond validation, no ROS, no torch.
Units are metres, radians and seconds; poses name both frames.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from math import isfinite

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
"""Array of float32: the only floating type on the wire and in the journal."""


class Outcome(IntEnum):
    """How an episode ended; the numbers are those of tmrl_msgs/EpisodeOutcome."""

    SUCCESS = 0
    FAILURE = 1
    TIMEOUT = 2
    ABORTED = 3
    DISCARDED = 4
    PENDING = 255


class SteeringSource(StrEnum):
    """Who picks z, sigma and epsilon of a chunk."""

    ACTOR = "actor"
    UNIFORM = "uniform"
    BASE = "base"
    EXPLICIT = "explicit"


@dataclass(frozen=True)
class SteeringLimits:
    """Caps on the steering: the server clamps to them, the controller refuses chunks above them.

    Attributes:
        sigma_cap: Largest context timestep, in [0, 1].
        z_cap: Largest magnitude of a component of z, above 0.
        epsilon_cap: Largest magnitude of a component of a steered epsilon, above 0.
    """

    sigma_cap: float
    z_cap: float
    epsilon_cap: float

    def __post_init__(self) -> None:
        """Refuse caps that could not protect anything.

        Raises:
            ValueError: A cap is not a number within its range.
        """
        if not 0.0 <= self.sigma_cap <= 1.0:
            raise ValueError(f"sigma_cap is {self.sigma_cap}; it has to lie in [0, 1]")
        for name, value in (("z_cap", self.z_cap), ("epsilon_cap", self.epsilon_cap)):
            if not (isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}; it has to be a finite number above 0")


@dataclass(frozen=True)
class Steering:
    """The high-level action behind one chunk (paper section II-D).

    Attributes:
        source: Who picked it.
        z: Initial flow noise, shape (z_dim,) when repeated over the horizon or (horizon, z_dim).
        sigma: Context timestep in [0, 1]; 0 is exact conditioning, 1 the marginal.
        epsilon: Context noise, shape (epsilon_dim,); empty where the server draws it at random.
    """

    source: SteeringSource
    z: FloatArray
    sigma: float
    epsilon: FloatArray


@dataclass(frozen=True)
class Observation:
    """What the policy sees at the start of a chunk.

    Attributes:
        proprio: Robot state, shape (proprio_dim,), float32.
        context: Low-dimensional context such as object positions, shape (context_dim,), float32;
            empty for a policy that looks at images.
        images: Camera name to image, shape (height, width, 3), uint8 RGB.
        prompt: Instruction for a policy that takes language; empty otherwise.
        arm_state_sequence: Sequence number of the arm state in it.
        age_s: Age of the oldest part when it was assembled, steady clock.
    """

    proprio: FloatArray
    context: FloatArray
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict[str, NDArray[np.uint8]])
    prompt: str = ""
    arm_state_sequence: int = 0
    age_s: float = 0.0


@dataclass(frozen=True)
class PolicySpec:
    """What a policy server serves and a robot expects; the handshake compares the two by name.

    Attributes:
        action_space: For example "bridge_delta_ee_7".
        action_dim: Columns of an action chunk.
        horizon: Rows of an action chunk.
        proprio_dim: Length of the robot state.
        context_dim: Length of the low-dimensional context; 0 for none.
        cameras: Names of the images that the policy needs, sorted.
        z_dim: Length of one row of the initial flow noise.
        epsilon_dim: Length of a steered context noise.
        features_dim: Length of what the steering actor sees.
        policy_version: Content hash of the base policy's checkpoint.
        statistics_hash: Hash of the normalisation statistics.
    """

    action_space: str
    action_dim: int
    horizon: int
    proprio_dim: int
    context_dim: int
    cameras: tuple[str, ...]
    z_dim: int
    epsilon_dim: int
    features_dim: int
    policy_version: str
    statistics_hash: str


@dataclass(frozen=True)
class Transition:
    """One step of the high-level decision process: one action chunk (tmrl_msgs/Transition).

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        sequence: Counts from 1 without gaps within (robot, session).
        episode: Counts from 1.
        chunk: Counts from 0 within the episode.
        revision: A higher one replaces the same (session, episode, chunk).
        features: s, shape (features_dim,).
        z: Shape (z_dim,), or (horizon * z_dim,) flattened where z differs per step.
        sigma: Context timestep in [0, 1].
        epsilon: Shape (epsilon_dim,) or empty.
        steering: Who picked z, sigma and epsilon.
        reward: -1 per chunk, 0 on the chunk that succeeds.
        next_features: s', shape (features_dim,), of the same episode.
        terminated: The task was solved: no bootstrap.
        truncated: Time limit, or ended by a person: bootstraps from next_features.
        aborted: Fault or e-stop: stored, never learned from.
        episode_outcome: PENDING except on the last transition of an episode, whose value is the
            label of the whole episode.
        executed_actions: What was commanded after all limits, shape (steps, action_dim).
        driver: Who commanded each step, shape (steps,), uint8 of `tmrl_common.chunks.Driver`.
        clamped: Whether a limit changed any step.
        stamp_s: ROS time of the observation.
        actor_version: Version of the steering actor.
        policy_version: Content hash of the base policy's checkpoint.
        seed: Of every random draw behind the chunk.
        inference_s: Receipt to reply at the policy server.
        round_trip_s: Request to reply at the agent.
    """

    robot: str
    session: str
    sequence: int
    episode: int
    chunk: int
    revision: int
    features: FloatArray
    z: FloatArray
    sigma: float
    epsilon: FloatArray
    steering: SteeringSource
    reward: float
    next_features: FloatArray
    terminated: bool
    truncated: bool
    aborted: bool
    episode_outcome: Outcome
    executed_actions: FloatArray
    driver: NDArray[np.uint8]
    clamped: bool
    stamp_s: float
    actor_version: int
    policy_version: str
    seed: int
    inference_s: float
    round_trip_s: float
