"""Options of a session that reach several parts at once: method, seed, run directory, labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_bringup.rig import Rig, RigError, nearest
from tmrl_learner.config import resolve
from tmrl_learner.errors import ConfigError

METHODS = ("tmrl", "dsrl", "base")
LABEL_MODES = ("auto", "manual")


@dataclass(frozen=True)
class SessionOptions:
    """What distinguishes one session from another on the same rig.

    Attributes:
        run_dir: Directory of the run; its name is the name of the session.
        method: "tmrl", "dsrl" (z only, on plain behaviour cloning) or "base" (no learning).
        seed: Of layouts, exploration and learning.
        label: "auto" (ground truth labels) or "manual" (a person labels through the service).
        max_episodes: The session stops after that many; 0 for no end.
    """

    run_dir: Path
    method: str = "tmrl"
    seed: int = 0
    label: str = "auto"
    max_episodes: int = 0

    def __post_init__(self) -> None:
        """Refuses unknown methods and label modes.

        Raises:
            RigError: Names the valid ones.
        """
        if self.method not in METHODS:
            raise RigError(f"unknown method {self.method}; {nearest(self.method, [*METHODS])}")
        if self.label not in LABEL_MODES:
            raise RigError(
                f"unknown label mode {self.label}; {nearest(self.label, [*LABEL_MODES])}"
            )
        if self.max_episodes < 0:
            raise RigError(f"episodes is {self.max_episodes}; it has to be 0 (no end) or more")

    @property
    def session(self) -> str:
        """Name of the session."""
        return self.run_dir.name

    def apply(self, rig: Rig) -> Rig:
        """The rig with this session's values in every part that needs them.

        The policy server scales the steering by the same bounds as the learner; they are the
        learner's to say, and are copied from its configuration unless the rig says otherwise.

        Raises:
            RigError: The learner's preset or its overrides are unknown or out of range.
        """
        endpoint = rig.parts["policy_server"]["bind"]
        checkpoint = Path(rig.parts["policy_server"]["checkpoint"])
        if self.method == "dsrl":
            # DSRL steers plain behaviour cloning, which is trained beside the smoothed policy.
            checkpoint = checkpoint.with_name("bc")
        common = {"session": self.session, "run_dir": str(self.run_dir)}
        overrides: dict[str, Any] = {
            **{f"agent.{key}": value for key, value in common.items()},
            **{f"operator.{key}": value for key, value in common.items()},
            **{f"learning.{key}": value for key, value in common.items()},
            "agent.server": endpoint,
            "agent.seed": self.seed,
            "driver.run_dir": str(self.run_dir),
            "operator.label_mode": self.label,
            "operator.max_episodes": self.max_episodes,
            "operator.seed": self.seed,
            "learning.method": self.method,
            "learning.seed": self.seed,
            "learning.server": endpoint,
            "policy_server.method": self.method,
            "policy_server.checkpoint": str(checkpoint),
        }
        bounds = {f"policy_server.{key}": value for key, value in self._bounds(rig).items()}
        return rig.with_overrides({**bounds, **overrides})

    def _bounds(self, rig: Rig) -> dict[str, Any]:
        """Bounds of the steering, as the learner is configured, where the rig is silent."""
        learning = rig.parts["learning"]
        changes = dict(entry.split("=", 1) for entry in learning.get("overrides", ()))
        method = "tmrl" if self.method == "base" else self.method
        try:
            agent = resolve(learning["preset"], method, changes).agent
        except ConfigError as error:
            raise RigError(f"learning: {error}") from error
        bounds = {
            "z_bound": agent.z_bound,
            "sigma_max": agent.sigma_max,
            "epsilon_head": agent.epsilon_head,
            "epsilon_bound": agent.epsilon_bound,
        }
        return {k: v for k, v in bounds.items() if k not in rig.parts["policy_server"]}
