"""Where the metrics of a run go besides its directory."""

from collections.abc import Mapping
from dataclasses import dataclass

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError

WANDB_MODES = ("offline", "online", "disabled")
"""wandb's own words; "off" would be a boolean in YAML."""

_DISABLED = ("disabled", "off", "none", "false", "no", "0")
_YES = ("1", "true", "yes", "on")


def wandb_mode(configured: str, environment: Mapping[str, str]) -> str:
    """The mode that is used: wandb's own variables may make it more private, never less.

    Args:
        configured: One of `WANDB_MODES`.
        environment: Variables of the process; `WANDB_MODE` and `WANDB_DISABLED` count.

    Returns:
        One of `WANDB_MODES`.
    """
    asked = environment.get("WANDB_MODE", "").strip().lower()
    if asked in _DISABLED or environment.get("WANDB_DISABLED", "").strip().lower() in _YES:
        return "disabled"
    # "dryrun" is the older word.
    return "offline" if configured == "online" and asked in ("offline", "dryrun") else configured


@dataclass(frozen=True)
class TrackingConfig:
    """What wandb receives; `metrics.csv` is written whatever stands here.

    Attributes:
        wandb: "offline" writes wandb's files into the run directory, for a later `wandb sync`;
            "online" sends them as well; "disabled" leaves wandb alone. The variables WANDB_MODE and
            WANDB_DISABLED may make it more private, see `wandb_mode`.
        project: Project that the run belongs to.
        group: Runs to be compared with each other; empty for none.
        name: Name of the run; empty for the name of its directory.
        close_timeout_s: Longest wait for wandb at the end of a run, s. What it has not sent by
            then stays in the run directory.
    """

    wandb: str = "offline"
    project: str = "tmrl"
    group: str = ""
    name: str = ""
    close_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuses unknown modes and a wait that is not positive.

        Raises:
            ConfigError: Names the value and the valid ones.
        """
        if self.wandb not in WANDB_MODES:
            raise ConfigError(
                f"wandb is {self.wandb!r}; {nearest_name(self.wandb, [*WANDB_MODES])}"
            )
        if not self.project:
            raise ConfigError("project is empty; wandb needs a name, for example tmrl")
        if not self.close_timeout_s > 0:
            raise ConfigError(
                f"close_timeout_s is {self.close_timeout_s}; it must be above 0 seconds"
            )
