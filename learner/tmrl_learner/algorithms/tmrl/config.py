"""Hyper-parameters of TMRL (method reference: paper section II-D and its appendix tables)."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import Range, check_fields
from tmrl_common.errors import ConfigError

Layers = Annotated[int, Range(1, 64)]
Bound = Annotated[float, Range(0.0, 1e3, above=True)]
Entropy = Annotated[float, Range(-1e3, 1e3)]


@dataclass(frozen=True)
class TmrlConfig:
    """The latent-space actor-critic. DSRL is the same agent with `sigma_head` off and sigma 0.

    Attributes:
        sigma_head: Whether the actor chooses the context timestep; otherwise it is `sigma_max` in
            every chunk.
        sigma_levels: How many context timesteps the actor chooses from, evenly spaced from 0 to
            sigma_max; 0: any. Where the best ones are the ends, a choice of 2 is learned from fewer
            episodes and does not stop between them.
        epsilon_head: Whether the actor chooses the context noise; otherwise it is drawn at random.
        z_bound: Largest magnitude of a component of z.
        sigma_max: Largest context timestep, in [0, 1], above 0 where it is chosen.
        epsilon_bound: Largest magnitude of a component of epsilon.
        hidden: Width of every hidden layer of actor and critics.
        actor_layers: Number of hidden layers of the actor.
        critic_layers: Number of hidden layers of each critic.
        critics: Size of the ensemble; targets and actor use its minimum.
        learning_rate: Of actor, critics and temperatures (Adam).
        batch_size: Rows of one critic update, and of the actor update.
        utd: Critic updates per stored transition; one actor update follows them.
        gamma: Discount per chunk, whatever the number of control steps in it.
        polyak: Share of the critic that its target takes over per critic update.
        initial_temperature: Start of every entropy temperature.
        entropy_per_dim: Target entropy of the z head per dimension, in nats of the tanh-squashed
            action in [-1, 1]; -1 is SAC's usual choice.
        epsilon_entropy: Target entropy of the epsilon head per dimension, likewise.
        sigma_entropy: Target entropy of the sigma head, likewise; with `sigma_levels` that of the
            draw, from 0 (always the same level) to log(sigma_levels) (all alike). A head that
            saturates at the largest sigma, where all new behaviour is, lies far below -1; a target
            of -1 would keep pushing it away from there.
    """

    sigma_head: bool = True
    sigma_levels: Annotated[int, Range(0, 100)] = 0
    epsilon_head: bool = False
    z_bound: Bound = 2.0
    sigma_max: Annotated[float, Range(0.0, 1.0)] = 1.0
    epsilon_bound: Bound = 2.0
    hidden: Annotated[int, Range(1, 16384)] = 128
    actor_layers: Layers = 2
    critic_layers: Layers = 2
    critics: Annotated[int, Range(1, 256)] = 5
    learning_rate: Annotated[float, Range(0.0, 1.0, above=True)] = 7e-4
    batch_size: Annotated[int, Range(1, 1_000_000)] = 128
    utd: Annotated[int, Range(1, 10_000)] = 5
    gamma: Annotated[float, Range(0.0, 1.0, above=True)] = 0.99
    polyak: Annotated[float, Range(0.0, 1.0, above=True)] = 0.005
    initial_temperature: Annotated[float, Range(0.0, 1e6, above=True)] = 0.1
    entropy_per_dim: Entropy = -1.0
    epsilon_entropy: Entropy = -1.0
    sigma_entropy: Entropy = -1.0

    def __post_init__(self) -> None:
        """Refuses values with which the method is not defined.

        Raises:
            ConfigError: Names the value and the range.
        """
        check_fields(self, "agent.")
        if self.sigma_head and self.sigma_max == 0:
            raise ConfigError(
                "agent.sigma_max is 0, which leaves the sigma head nothing to choose; raise it, or "
                "take the method dsrl"
            )
        if self.sigma_levels == 1:
            raise ConfigError(
                "agent.sigma_levels is 1, which leaves nothing to choose; set at least 2, or 0 for "
                "any sigma"
            )
