"""Shape and training distribution of a flow policy."""

import difflib
from dataclasses import dataclass

from tmrl_policies.corruption import DEFAULT_SCHEDULE, noise_schedule

NETWORK_NAMES = ("mlp", "transformer")


@dataclass(frozen=True)
class FlowPolicyConfig:
    """Shape and training distribution of a :class:`FlowPolicy`.

    Attributes:
        proprio_dim: Length P of the robot state, never corrupted; 0 where everything is context.
        context_dim: Length C of the context.
        action_dim: Length A of one action.
        horizon: Number H of actions in a chunk.
        hidden: Width of the blocks.
        blocks: Number of blocks.
        flow_steps: Euler steps from noise to actions.
        context_smoothing: False trains and serves sigma = 0 only (behaviour cloning).
        schedule: Name of the noise schedule of the context.
        clean_fraction: Share of training samples with an uncorrupted context, on top of sigma
            uniform in [0, 1]. Without it the network reads the object's place from the arm's own
            pose, which is right at every noise level, and stops looking at the context.
        context_dropout: Share of training samples whose context is replaced by a null context, for
            classifier-free guidance; 0 for every other policy.
        network: "mlp" over the whole chunk, or "transformer" over its actions. The paper uses the
            latter (4 blocks, 4 heads, width 128 to 256), which costs tens of times more per step.
        heads: Attention heads of the transformer, a divisor of ``hidden``.
    """

    proprio_dim: int = 5
    context_dim: int = 4
    action_dim: int = 4
    horizon: int = 16
    hidden: int = 128
    blocks: int = 3
    flow_steps: int = 5
    context_smoothing: bool = True
    schedule: str = DEFAULT_SCHEDULE
    clean_fraction: float = 0.25
    context_dropout: float = 0.0
    network: str = "mlp"
    heads: int = 4

    def __post_init__(self) -> None:
        """Refuses sizes that are too small, unknown names and shares outside their ranges.

        Raises:
            ValueError: The message names the field, its value and its limit.
        """
        if self.proprio_dim < 0:
            raise ValueError(f"proprio_dim is {self.proprio_dim}; it must be at least 0")
        for name in (
            "context_dim",
            "action_dim",
            "horizon",
            "hidden",
            "blocks",
            "flow_steps",
        ):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if not 0.0 <= self.clean_fraction <= 1.0:
            raise ValueError(f"clean_fraction is {self.clean_fraction}; it must lie in [0, 1]")
        if not 0.0 <= self.context_dropout < 1.0:
            raise ValueError(f"context_dropout is {self.context_dropout}; it must lie in [0, 1)")
        if self.context_smoothing and self.context_dropout > 0.0:
            raise ValueError(
                f"context_dropout is {self.context_dropout} with context_smoothing; a smoothed "
                "policy has its marginal at sigma = 1, set one of the two"
            )
        self._check_network()
        noise_schedule(self.schedule)

    def _check_network(self) -> None:
        if self.network not in NETWORK_NAMES:
            nearest = difflib.get_close_matches(self.network, NETWORK_NAMES, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"unknown network '{self.network}'; did you mean '{nearest}'? "
                f"There are: {', '.join(NETWORK_NAMES)}"
            )
        if self.heads < 1:
            raise ValueError(f"heads is {self.heads}; it must be at least 1")
        if self.network == "transformer" and self.hidden % self.heads != 0:
            raise ValueError(
                f"hidden is {self.hidden} with {self.heads} heads; it must be a multiple of heads"
            )
