"""Settings of one learning run: the parameters of the learning node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.algorithms import InstalledAlgorithm
from tmrl_common.candidates import MAX_CANDIDATES
from tmrl_common.constraints import SEED, NotEmpty, OneOf, Range, check_fields
from tmrl_common.ros_names import is_ros_name
from tmrl_learner.config import LearnerConfig, resolve
from tmrl_learner.tracking.config import WANDB_MODES


@dataclass(frozen=True)
class RunConfig:
    """Source of the transitions, destination of the actors, and where the run is kept.

    `LearnerConfig` says how the run learns; `preset` and `overrides` pick it.

    Attributes:
        robot: Name of the arm whose transitions are learned from.
        robots: Names of further arms that are learned from. Each has a rig, a journal and a run
            directory of its own; the last part of the directory's name, which is the session's, is
            the same for all.
        session: Identifier of the fine-tuning run.
        run_dir: Directory of the run; the checkpoint is kept in `checkpoint/` below it.
        server: Endpoint of the policy server that takes the actor's weights.
        client_key: File with this machine's secret CURVE key, for a server on another machine.
        server_key: File with the server's public key; goes with client_key.
        method: The algorithm; with "base" transitions are stored and nothing is learned.
        preset: Named settings of the learner (tmrl_learner.config.PRESETS).
        overrides: Changes to the preset, each "dotted.key=value".
        policy: Folder of the flow policy that the policy server serves; only the method "dsrl_na"
            and hindsight read it. The launch takes policy_server.checkpoint.
        candidates: Latents of each transition that the policy server says the actions of, from
            which "dsrl_na" and hindsight learn where there is no copy of the policy, as of a pi0.
            The launch takes agent.candidates. 0: there are none.
        execute_steps: Steps of each chunk that are executed, which "dsrl_na" learns with; the
            launch takes agent.execute_steps.
        offline_data: Folder that ./tmrl import made of demonstrations, from which
            replay.offline_share of every minibatch is drawn; empty for none. They have no latents,
            so the method must be "dsrl_na", or hindsight must be on.
        seed: Of networks and draws.
        actor_every_rounds: Update rounds between two publications of the actor.
        checkpoint_every_s: Longest time between two checkpoints while something changes, wall time.
        server_deadline_s: Longest wait for an answer of the policy server.
        intake: Where transitions come from: "ros", the topics and the service of an agent within
            reach of DDS, or "port", the door of the policy server, where a robot's uplink brings
            them. The launch takes "port" for parts:=gpu.
        wandb: "offline", "online" or "disabled": whether the metrics go to wandb besides
            `metrics.csv` in the run directory.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: Annotated[str, NotEmpty("monday")]
    run_dir: Annotated[str, NotEmpty("runs/monday")]
    server: Annotated[str, NotEmpty("tcp://127.0.0.1:5760")]
    robots: tuple[str, ...] = ()
    client_key: str = ""
    server_key: str = ""
    method: Annotated[str, InstalledAlgorithm()] = "tmrl"
    preset: str = "widowx_sim"
    overrides: tuple[str, ...] = ()
    policy: str = ""
    candidates: Annotated[int, Range(0, MAX_CANDIDATES)] = 0
    execute_steps: Annotated[int, Range(1)] = 5
    offline_data: str = ""
    seed: Annotated[int, SEED] = 0
    actor_every_rounds: Annotated[int, Range(1)] = 10
    checkpoint_every_s: Annotated[float, Range(0.0, above=True)] = 20.0
    server_deadline_s: Annotated[float, Range(0.0, above=True)] = 2.0
    intake: Annotated[str, OneOf("ros", "port")] = "ros"
    wandb: Annotated[str, OneOf(*WANDB_MODES)] = "offline"

    def __post_init__(self) -> None:
        """Refuses what could not work.

        Raises:
            ValueError: Names the value and the valid ones.
        """
        check_fields(self)
        for entry in self.overrides:
            if "=" not in str(entry):
                raise ValueError(
                    f"overrides has {entry!r}, which is not dotted.key=value, such as device=cuda"
                )
        for name in self.robots:
            if not is_ros_name(name) or self.all_robots.count(name) > 1:
                raise ValueError(
                    f"robots has {name!r} beside robot {self.robot!r}; give each further arm once, "
                    "by the name that its rig has under robot: letters, digits and underscores"
                )
        if self.needs_policy and not self.policy:
            asks = "method is dsrl_na" if self.method == "dsrl_na" else "hindsight is on"
            raise ValueError(
                f"{asks}, which needs a copy of the frozen policy in the learner's own process, "
                "and policy is empty: give the folder of the flow policy that the policy server "
                "serves, have candidates handed out (agent.candidates and candidates), or use the "
                "method tmrl or dsrl without hindsight"
            )
        if self.offline_data:
            self._check_offline()

    def _check_offline(self) -> None:
        """Refuses offline data of which this run would learn nothing."""
        if self.asks_policy and self.candidates:
            raise ValueError(
                f"offline_data is {self.offline_data!r}, and this run learns from the candidates "
                "of the policy server, which demonstrations do not have: leave offline_data empty"
            )
        if not self.asks_policy:
            raise ValueError(
                f"offline_data is {self.offline_data!r}, and method {self.method!r} learns nothing "
                "from demonstrations, which have no latents: use the method dsrl_na, set "
                "hindsight.candidates in overrides (256, say), or leave offline_data empty"
            )
        share, size = self.learner.replay.offline_share, self.learner.agent.batch_size
        if int(share * size) == 0:
            raise ValueError(
                f"offline_data is {self.offline_data!r}, and replay.offline_share is {share:g} of "
                f"minibatches of {size}, so nothing of it would be drawn: set "
                "replay.offline_share=0.25 in overrides, say, or leave offline_data empty"
            )

    @property
    def all_robots(self) -> tuple[str, ...]:
        """Names of all arms that are learned from."""
        return (self.robot, *self.robots)

    @property
    def needs_policy(self) -> bool:
        """Whether the learner needs a copy of the frozen policy."""
        return self.asks_policy and not self.candidates

    @property
    def asks_policy(self) -> bool:
        """Whether the learner asks the frozen policy which actions a latent leads to."""
        searches = self.method != "base" and self.learner.hindsight.candidates > 0
        return self.method == "dsrl_na" or searches

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
