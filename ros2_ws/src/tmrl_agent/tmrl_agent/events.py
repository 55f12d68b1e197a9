"""What the agent receives about an episode and the controller, and what it sent, as plain values.

Stamps are integer nanoseconds of ROS time: a label binds to a chunk by comparing them, and seconds
as floating point would lose hundreds of nanoseconds at today's epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tmrl_common.chunks import ControllerMode
from tmrl_common.messages import ChunkReply
from tmrl_common.types import Outcome


@dataclass(frozen=True)
class ControllerView:
    """What the agent needs to know about the controller.

    Attributes:
        mode: Only in POLICY a chunk is worth sending.
        sigma_cap: Largest context timestep that the controller lets pass, in [0, 1].
        z_cap: Largest magnitude of a component of z that it lets pass.
        epsilon_cap: Largest magnitude of a component of the context noise that it lets pass.
        started_sequence: Of the newest chunk of this agent whose first step was commanded; 0 before
            the first.
        segments: Of a person's driving, that the controller has published.
        overlap_state: Arm state that a chunk is to answer which continues that newest one; 0 until
            the controller has reached it.
    """

    mode: ControllerMode
    sigma_cap: float
    z_cap: float
    epsilon_cap: float
    started_sequence: int = 0
    segments: int = 0
    overlap_state: int = 0

    @property
    def caps(self) -> tuple[float, float, float]:
        """Those on sigma, z and epsilon."""
        return (self.sigma_cap, self.z_cap, self.epsilon_cap)


@dataclass(frozen=True)
class EpisodeView:
    """Where the session stands.

    Attributes:
        episode: Counts from 1; 0 before the first.
        running: Whether the policy may move the arm.
        first_arm_state_sequence: Observations before this arm state belong to an earlier scene.
        started_ns: ROS time at which the episode began.
        time_limit_ns: Longest episode; 0 for none.
    """

    episode: int
    running: bool
    first_arm_state_sequence: int = 0
    started_ns: int = 0
    time_limit_ns: int = 0

    def is_over_at(self, stamp_ns: int) -> bool:
        """Whether a chunk that starts at this stamp would lie beyond the time limit."""
        return self.time_limit_ns > 0 and stamp_ns >= self.started_ns + self.time_limit_ns


@dataclass(frozen=True)
class LearnerView:
    """How far the learner is (tmrl_msgs/LearnerStatus).

    Attributes:
        phase: "warmup", "training" or "base"; "starting" before it knows.
        transitions_taken: It has every transition up to this sequence number.
        rounds_owed: Update rounds that these still call for.
    """

    phase: str
    transitions_taken: int = 0
    rounds_owed: int = 0


@dataclass(frozen=True)
class EpisodeLabel:
    """How an episode ended (tmrl_msgs/EpisodeOutcome).

    Attributes:
        episode: Counts from 1.
        outcome: Never PENDING.
        stamp_ns: ROS time that the label refers to; it binds the label to a chunk.
        revision: 0 for the first label; a higher one replaces it.
        source: Who says so, e.g. "ground_truth" or "operator".
        detail: Free text.
    """

    episode: int
    outcome: Outcome
    stamp_ns: int
    revision: int = 0
    source: str = ""
    detail: str = ""


@dataclass(frozen=True)
class SentChunk:
    """A chunk that was published; of a person's segment what it has in common with one.

    Attributes:
        episode: Counts from 1.
        chunk: Counts from 0 within the episode.
        sequence: Counts up by one within the life of the agent process.
        stamp_ns: ROS time of the observation.
        arm_state_sequence: Arm state that the policy saw.
        reply: The policy server's answer behind it.
        round_trip_s: From request to that answer.
        frame_id: Name of the base frame that the observation was made in.
        image_stamps_ns: ROS time of each image in the observation, by camera.
        prompt: Instruction in the observation.
        follows: Sequence number of the chunk that it continues without a stop; 0 for none.
        committed_steps: Its first rows are so many last ones of that chunk.
    """

    episode: int
    chunk: int
    sequence: int
    stamp_ns: int
    arm_state_sequence: int
    reply: ChunkReply
    round_trip_s: float
    frame_id: str = ""
    image_stamps_ns: Mapping[str, int] = field(default_factory=dict[str, int])
    prompt: str = ""
    follows: int = 0
    committed_steps: int = 0
