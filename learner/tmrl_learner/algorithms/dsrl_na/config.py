"""What DSRL-NA has beyond DSRL."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import Range, check_fields


@dataclass(frozen=True)
class DsrlNaConfig:
    """Distillation of the action critic into the latent critic; other methods ignore it.

    Attributes:
        uniform_share: Share of the latents, on which the latent critic is regressed, that is drawn
            uniformly over the actor's range; the rest are the actor's own. The uniform ones show
            the actor where to go, its own ones keep the critic right where it stands.
    """

    uniform_share: Annotated[float, Range(0.0, 1.0)] = 0.5

    def __post_init__(self) -> None:
        """Refuses what is no share.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "dsrl_na.")
