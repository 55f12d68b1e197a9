"""Where the metrics of a run go besides its directory."""

from dataclasses import dataclass

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError

WANDB_MODES = ("offline", "online", "disabled")
"""wandb's own words; "off" would be a boolean in YAML."""


@dataclass(frozen=True)
class TrackingConfig:
    """What wandb receives; `metrics.csv` is written whatever stands here.

    Attributes:
        wandb: "offline" writes wandb's files into the run directory, for a later `wandb sync`;
            "online" sends them as well; "disabled" leaves wandb alone.
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
