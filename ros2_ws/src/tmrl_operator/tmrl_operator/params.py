"""Parameters of the operator node."""

from dataclasses import dataclass

LABEL_MODES = ("auto", "manual")
RESETS = ("scene", "person")


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
            stands. A session that goes on would otherwise begin with random steering; a simulation
            would be through several episodes by then. False where no learner runs.
        peer_timeout_s: A controller, agent or arm that is silent for longer is lost, wall time.
        agent_timeout_s: An episode is aborted when the agent cannot go on for longer (no policy
            server, chunks refused, journal full), wall time.
        service_timeout_s: Longest wait for an answer of the controller or the scene, wall time.
        home_timeout_s: Longest wait for an arm on its way home, wall time; above the driver's own
            (arm.home_timeout_s), so that the driver can say what went wrong.
    """

    robot: str
    session: str
    run_dir: str
    time_limit_s: float
    label_mode: str = "auto"
    reset: str = "person"
    max_episodes: int = 0
    seed: int = 0
    wait_for_learner: bool = False
    peer_timeout_s: float = 5.0
    agent_timeout_s: float = 30.0
    service_timeout_s: float = 10.0
    home_timeout_s: float = 40.0

    def __post_init__(self) -> None:
        """Refuses what no session could be run with.

        Raises:
            ValueError: Names the value and the limit.
        """
        if self.label_mode not in LABEL_MODES:
            raise ValueError(f"label_mode is {self.label_mode}; valid: {', '.join(LABEL_MODES)}")
        if self.reset not in RESETS:
            raise ValueError(f"reset is {self.reset}; valid: {', '.join(RESETS)}")
        timeouts = ("peer_timeout_s", "agent_timeout_s", "service_timeout_s", "home_timeout_s")
        for name in ("time_limit_s", *timeouts):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)} s; it has to be above 0")
        for name in ("max_episodes", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be below 0")
