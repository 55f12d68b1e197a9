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

MAX_SEED = 2**63 - 1
"""Largest seed: what SQLite and torch both hold."""


class Outcome(IntEnum):
    """How an episode ended; the numbers are those of tmrl_msgs/EpisodeOutcome."""

    SUCCESS = 0
    FAILURE = 1
    TIMEOUT = 2
    ABORTED = 3
    DISCARDED = 4
    PENDING = 255

    @property
    def counts(self) -> bool:
        """Whether it says how well the policy does: an abort, or a discarded episode, does not."""
        return self in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT)


class SteeringSource(StrEnum):
    """Who picks z, sigma and epsilon of a chunk."""

    ACTOR = "actor"
    UNIFORM = "uniform"
    BASE = "base"
    EXPLICIT = "explicit"
    NONE = "none"
    """A person drove: there was nothing to steer, and nobody can ask a server for it."""


REQUESTABLE_SOURCES = tuple(s for s in SteeringSource if s is not SteeringSource.NONE)
"""What a server may be asked for."""


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
        """Refuses caps that could not protect anything.

        Raises:
            ValueError: A cap is not a number within its range.
        """
        if not 0.0 <= self.sigma_cap <= 1.0:
            raise ValueError(f"sigma_cap is {self.sigma_cap}; it must lie in [0, 1]")
        for name, value in (("z_cap", self.z_cap), ("epsilon_cap", self.epsilon_cap)):
            if not (isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value}; it must be a finite number above 0")


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
