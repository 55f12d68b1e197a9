"""Parameters of the operator node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import SEED, NotEmpty, OneOf, Range, check_fields

LABEL_MODES = ("auto", "manual")
RESETS = ("scene", "person")

TimeoutS = Annotated[float, Range(0.0, 600.0, above=True, unit="s")]
EpisodeS = Annotated[float, Range(0.0, 3600.0, above=True, unit="s")]
Count = Annotated[int, Range(0)]


@dataclass(frozen=True)
class OperatorConfig:
    """How episodes are run.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        run_dir: Directory of the run; episodes are noted in `episodes.jsonl` below it.
        time_limit_s: Longest episode, s of ROS time.
        label_mode: "auto": ground truth labels by itself; "manual": a person labels, detectors only
            suggest.
        reset: "scene": scene/reset puts everything back (simulation); "person": the arm drives home
            and a person confirms with operator/reset_done.
        max_episodes: The session goes idle after that many labelled episodes; 0 for no end.
        seed: Of the layouts that the scene is reset to.
        wait_for_learner: Whether the first episode waits until the learner has said where it
            stands. A resumed session would otherwise begin with random steering; a simulation would
            be through several episodes by then. False where no learner runs.
        peer_timeout_s: A controller, agent or arm that is silent for longer is lost, wall time.
        agent_timeout_s: An episode is aborted when the agent cannot continue for longer (no policy
            server, chunks refused, journal full), wall time.
        service_timeout_s: Longest wait for an answer of the controller or the scene, wall time.
        home_timeout_s: Longest wait for an arm on its way home, wall time; above the driver's own
            (arm.home_timeout_s), so that the driver can say what went wrong.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: Annotated[str, NotEmpty("monday")]
    run_dir: Annotated[str, NotEmpty("runs/monday")]
    time_limit_s: EpisodeS
    label_mode: Annotated[str, OneOf(*LABEL_MODES)] = "auto"
    reset: Annotated[str, OneOf(*RESETS)] = "person"
    max_episodes: Count = 0
    seed: Annotated[int, SEED] = 0
    wait_for_learner: bool = False
    peer_timeout_s: Annotated[float, Range(0.0, 60.0, above=True, unit="s")] = 5.0
    agent_timeout_s: TimeoutS = 30.0
    service_timeout_s: TimeoutS = 10.0
    home_timeout_s: TimeoutS = 40.0

    def __post_init__(self) -> None:
        """Refuses what no session could be run with.

        Raises:
            ConfigError: Names the value and the limit.
        """
        check_fields(self)
