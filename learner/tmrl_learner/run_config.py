"""Settings of one learning run: the parameters of the learning node."""

from dataclasses import dataclass

from tmrl_learner.config import LearnerConfig, resolve
from tmrl_learner.tracking.config import WANDB_MODES

METHODS = ("tmrl", "dsrl", "base")


@dataclass(frozen=True)
class RunConfig:
    """Source of the transitions, destination of the actors, and where the run is kept.

    `LearnerConfig` says how the run learns; `preset` and `overrides` pick it.

    Attributes:
        robot: Name of the arm whose transitions are learned from.
        session: Identifier of the fine-tuning run.
        run_dir: Directory of the run; the checkpoint is kept in `checkpoint/` below it.
        server: Endpoint of the policy server that takes the actor's weights.
        client_key: File with this machine's secret CURVE key, for a server on another machine.
        server_key: File with the server's public key; goes with client_key.
        method: "tmrl", "dsrl", or "base": transitions are stored and nothing is learned.
        preset: Named settings of the learner (tmrl_learner.config.PRESETS).
        overrides: Changes to the preset, each "dotted.key=value".
        seed: Of networks and draws.
        actor_every_rounds: Update rounds between two publications of the actor.
        checkpoint_every_s: Longest time between two checkpoints while something changes, wall time.
        server_deadline_s: Longest wait for an answer of the policy server.
        wandb: "offline", "online" or "disabled": whether the metrics go to wandb besides
            `metrics.csv` in the run directory.
    """

    robot: str
    session: str
    run_dir: str
    server: str
    client_key: str = ""
    server_key: str = ""
    method: str = "tmrl"
    preset: str = "widowx_sim"
    overrides: tuple[str, ...] = ()
    seed: int = 0
    actor_every_rounds: int = 10
    checkpoint_every_s: float = 20.0
    server_deadline_s: float = 2.0
    wandb: str = "offline"

    def __post_init__(self) -> None:
        """Refuses what could not work.

        Raises:
            ValueError: Names the value and the valid ones.
        """
        if self.method == "dsrl_na":
            raise ValueError(
                "method is dsrl_na, which needs the base policy in the learner's own process, and "
                "here it is in the policy server; run it in simulation with `python -m "
                f"tmrl_experiments finetune --method dsrl_na`, or use one of {', '.join(METHODS)}"
            )
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method}; valid: {', '.join(METHODS)}")
        if self.wandb not in WANDB_MODES:
            raise ValueError(f"wandb is {self.wandb}; valid: {', '.join(WANDB_MODES)}")
        if self.actor_every_rounds < 1:
            raise ValueError(
                f"actor_every_rounds is {self.actor_every_rounds}; it has to be at least 1"
            )
        for name in ("checkpoint_every_s", "server_deadline_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)} s; it has to be above 0")
        for entry in self.overrides:
            if "=" not in str(entry):
                raise ValueError(
                    f"overrides has {entry!r}, which is not dotted.key=value, such as device=cuda"
                )
        _ = self.learner

    @property
    def learner(self) -> LearnerConfig:
        """How the run learns: preset, method, seed and overrides.

        Without learning the buffer counts all the same; the frozen policy steers neither sigma nor
        epsilon, and its rows look like those of DSRL.
        """
        overrides: dict[str, object] = {"seed": self.seed}
        overrides |= dict(entry.split("=", 1) for entry in self.overrides)
        method = "dsrl" if self.method == "base" else self.method
        return resolve(self.preset, method, overrides)
