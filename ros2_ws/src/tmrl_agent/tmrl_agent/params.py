"""Parameters of the agent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tmrl_agent.probe import ProbeSetting
from tmrl_common.candidates import MAX_CANDIDATES
from tmrl_common.config import nearest_name
from tmrl_common.constraints import SEED, NotEmpty, OneOf, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_common.overlap import too_long
from tmrl_common.ros_names import RosName
from tmrl_common.types import SteeringSource

Positive = Annotated[float, Range(0.0, above=True)]
ShortS = Annotated[float, Range(0.0, 10.0, unit="s")]
WaitS = Annotated[float, Range(0.0, 600.0, above=True, unit="s")]
CONTROLLERS_CAP = -1.0
"""Value of a request_*_cap that stands for the cap which the controller reports."""


TOOL_FIELDS = (
    *("tool_x", "tool_y", "tool_z", "tool_qx", "tool_qy", "tool_qz", "tool_qw"),
    *("tool_roll", "tool_pitch", "tool_yaw"),
    *("gripper_opening", "gripper_closing", "gripper_command"),
)
"""Values of the robot state that every arm has; those of its joints are joint.<name>."""


class StateField:
    """Constraint: the name of a value of the robot state."""

    @property
    def text(self) -> str:
        """What is valid."""
        return f"{', '.join(TOOL_FIELDS)}, or joint.<name>"

    def admits(self, value: str) -> bool:
        """Returns whether it is such a name; which joints there are, the arm says."""
        return value in TOOL_FIELDS or value.removeprefix("joint.") not in ("", value)

    def remedy(self, value: str) -> str:
        """Returns the nearest name, and all of them."""
        return f"{nearest_name(value, list(TOOL_FIELDS))}, or joint.<name>"


@dataclass(frozen=True)
class AgentConfig:
    """What the agent observes, whom it asks, and its time-outs.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run; the name of its directory.
        run_dir: Directory of the run; the journal lies in it.
        server: Endpoint of the policy server, such as "tcp://127.0.0.1:5760".
        client_key: File with this machine's secret CURVE key, for a server on another machine.
        server_key: File with the server's public key; goes with client_key.
        action_space: Of the rig, such as "bridge_delta_ee_7"; a server with another one is refused.
        proprio_fields: Names of the values that make up the robot state, in the policy's order:
            tool_x, tool_y, tool_z [m], tool_qx, tool_qy, tool_qz, tool_qw, tool_roll, tool_pitch,
            tool_yaw [rad, as BridgeData counts them], gripper_opening, gripper_closing,
            gripper_command, or joint.<name> [rad].
        context_objects: Names of the object positions that make up the context, such as carrot.x
            [m], in the base frame; empty for a policy that looks at images.
        cameras: Names of the cameras that the policy needs.
        camera_topics: Their topics, in the same order; sensor_msgs/CompressedImage where the name
            ends in /compressed, sensor_msgs/Image otherwise. Empty: camera/<name>/image.
        best_effort_images: Whether the cameras' drivers publish best effort ("sensor data"): a
            subscription that asks for more gets nothing from them.
        max_image_px: Longest side of a picture on its way to the policy server; larger ones are
            made smaller. With the server's own size (224 for pi0) it gets the same pixels as
            without, in fewer bytes.
        frozen_after_s: A camera that sends one picture for longer than this is frozen. It must be
            shorter than a chunk: then what began on a frozen picture is not learned from. 0: never,
            for a simulated camera that is not in lock-step.
        black_below: A picture whose mean and spread lie both below this, of 255, shows nothing. 0:
            every picture shows something.
        prompt: Instruction for a policy that takes language.
        execute_steps: How many steps of each chunk the controller is to execute.
        overlap_steps: The next chunk is asked for so many steps before the end of the running one,
            which it then continues without a stop; as long as the policy takes, rounded up. The
            policy server needs the same number. 0: the arm stands still while the policy thinks.
        lock_step: Whether the simulation waits for commands: then all parts of an observation
            must carry one stamp, and their age does not matter.
        max_rounds_owed: In a simulation the next chunk waits until the learner has every transition
            and owes at most that many update rounds; -1 never waits, as on a real arm.
        max_observation_age_s: Oldest part of an observation where the world does not wait, counted
            from its arrival.
        max_image_lag_s: How much longer than the arm's state a picture may have been in transit, by
            the stamps of both; where the world does not wait. 0: any time, for a camera on another
            host whose clock is not synchronised.
        candidates: So many latents, with the chunks that they would lead to, are asked for beside
            what the policy server answers, and stored with the transition: for a learner that has
            no copy of the policy. The launch takes it from the learner's settings. 0: none.
        candidates_for: "people", beside the features alone, from which people drive, as hindsight
            needs them; or "chunks", with every chunk as well, as the method dsrl_na does.
        seed: Of the chunks' seeds, together with episode and chunk.
        unknown_learner_source: Who steers until the learner has reported: "uniform" or "base".
        probe: Settings that the episodes take turns with, whatever a learner says: "full@0",
            "repeated:1.5@0.3" or "warmup", see tmrl_agent.probe. Empty, except for `./tmrl probe`.
        deadline_s: Longest wait for an answer of the policy server.
        retry_first_s: Pause after the first failed request; it doubles with each further one.
        retry_max_s: Longest such pause.
        max_refusals: After so many refused chunks in a row the agent waits instead of asking again.
        wait_warning_s: Waiting longer than this (for an observation, an outcome, the controller) is
            reported as a problem; it must exceed the duration of a chunk.
        epsilon_cap: Largest magnitude of a component of a steered context noise; the controller's
            cap holds where it is lower.
        request_sigma_cap: For tests of the controller only: asks for sigma up to this cap instead
            of the controller's own; -1 for the controller's own.
        request_z_cap: For tests of the controller only, as request_sigma_cap.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: Annotated[str, NotEmpty("monday")]
    run_dir: Annotated[str, NotEmpty("runs/monday")]
    server: Annotated[str, NotEmpty("tcp://127.0.0.1:5760")]
    proprio_fields: Annotated[tuple[str, ...], StateField()]
    client_key: str = ""
    server_key: str = ""
    action_space: str = "bridge_delta_ee_7"
    context_objects: tuple[str, ...] = ()
    cameras: Annotated[tuple[str, ...], RosName("camera")] = ()
    camera_topics: tuple[str, ...] = ()
    best_effort_images: bool = False
    max_image_px: Annotated[int, Range(32)] = 640
    frozen_after_s: ShortS = 0.5
    black_below: Annotated[float, Range(0.0, 254.0)] = 8.0
    prompt: str = ""
    execute_steps: Annotated[int, Range(1)] = 5
    overlap_steps: Annotated[int, Range(0)] = 0
    lock_step: bool = False
    max_rounds_owed: Annotated[int, Range(-1)] = -1
    max_observation_age_s: Annotated[float, Range(0.0, 10.0, above=True, unit="s")] = 0.3
    max_image_lag_s: ShortS = 0.5
    candidates: Annotated[int, Range(0, MAX_CANDIDATES)] = 0
    candidates_for: Annotated[str, OneOf("people", "chunks")] = "people"
    seed: Annotated[int, SEED] = 0
    unknown_learner_source: Annotated[str, OneOf(SteeringSource.UNIFORM, SteeringSource.BASE)] = (
        "uniform"
    )
    probe: Annotated[tuple[str, ...], ProbeSetting()] = ()
    deadline_s: WaitS = 5.0
    retry_first_s: WaitS = 0.25
    retry_max_s: WaitS = 4.0
    max_refusals: Annotated[int, Range(1)] = 3
    wait_warning_s: WaitS = 5.0
    epsilon_cap: Positive = 3.0
    request_sigma_cap: float = CONTROLLERS_CAP
    request_z_cap: float = CONTROLLERS_CAP

    def __post_init__(self) -> None:
        """Refuses values that the agent cannot work with.

        Raises:
            ConfigError: Names the value and what it must be.
        """
        check_fields(self)
        if not self.proprio_fields:
            raise ConfigError("proprio_fields is empty; list the values that the policy expects")
        if self.retry_max_s < self.retry_first_s:
            raise ConfigError(
                f"retry_max_s is {self.retry_max_s}; it must be at least retry_first_s "
                f"({self.retry_first_s})"
            )
        if problem := too_long(self.overlap_steps, self.execute_steps):
            raise ConfigError(problem)
        if self.overlap_steps and self.candidates and self.candidates_for == "chunks":
            raise ConfigError(
                f"overlap_steps is {self.overlap_steps} and candidates is {self.candidates}: those "
                "of chunks begin where the arm stands; set one of the two to 0"
            )
        self._check_cameras()
        self._check_requested_caps()

    def _check_cameras(self) -> None:
        if len(set(self.cameras)) != len(self.cameras):
            raise ConfigError(f"cameras is {self.cameras}; each name may stand there once")
        if self.camera_topics and len(self.camera_topics) != len(self.cameras):
            raise ConfigError(
                f"camera_topics has {len(self.camera_topics)} topics for {len(self.cameras)} "
                "cameras; name one for each, in the order of cameras, or none"
            )

    def _check_requested_caps(self) -> None:
        sigma_cap, z_cap = self.request_sigma_cap, self.request_z_cap
        if sigma_cap != CONTROLLERS_CAP and not 0.0 <= sigma_cap <= 1.0:
            raise ConfigError(f"request_sigma_cap is {sigma_cap}; it must be -1 or in [0, 1]")
        if z_cap != CONTROLLERS_CAP and not z_cap > 0.0:
            raise ConfigError(f"request_z_cap is {z_cap}; it must be -1 or above 0")

    @property
    def image_topics(self) -> dict[str, str]:
        """Name of each camera -> topic of its pictures."""
        topics = self.camera_topics or tuple(f"camera/{name}/image" for name in self.cameras)
        return dict(zip(self.cameras, topics, strict=True))

    def image_source(self, camera: str) -> str:
        """How sentences name the pictures of a camera: by their topic, and by the camera."""
        topic = self.image_topics[camera]
        return topic if f"/{camera}/" in topic else f"{topic} (camera {camera})"

    @property
    def journal_path(self) -> Path:
        """Where the journal lies."""
        return Path(self.run_dir, "journal.sqlite")
