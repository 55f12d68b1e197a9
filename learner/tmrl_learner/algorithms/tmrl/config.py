"""Hyper-parameters of TMRL (method reference: paper section II-D and its appendix tables)."""

from dataclasses import dataclass

from tmrl_common.errors import ConfigError


@dataclass(frozen=True)
class TmrlConfig:
    """The latent-space actor-critic. DSRL is the same agent with `sigma_head` off and sigma 0.

    Attributes:
        sigma_head: Whether the actor chooses the context timestep; otherwise it is `sigma_max` in
            every chunk.
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
        sigma_entropy: Target entropy of the sigma head, likewise. A head that saturates at the
            largest sigma, where all new behaviour is, lies far below -1; a target of -1 would keep
            pushing it away from there.
    """

    sigma_head: bool = True
    epsilon_head: bool = False
    z_bound: float = 2.0
    sigma_max: float = 1.0
    epsilon_bound: float = 2.0
    hidden: int = 128
    actor_layers: int = 2
    critic_layers: int = 2
    critics: int = 5
    learning_rate: float = 7e-4
    batch_size: int = 128
    utd: int = 5
    gamma: float = 0.99
    polyak: float = 0.005
    initial_temperature: float = 0.1
    entropy_per_dim: float = -1.0
    epsilon_entropy: float = -1.0
    sigma_entropy: float = -1.0

    def __post_init__(self) -> None:
        """Refuses values with which the method is not defined.

        Raises:
            ConfigError: Names the value and the range.
        """
        for name in ("hidden", "actor_layers", "critic_layers", "critics", "batch_size", "utd"):
            if getattr(self, name) < 1:
                raise ConfigError(f"agent.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("z_bound", "epsilon_bound", "learning_rate", "initial_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"agent.{name} is {getattr(self, name)}; it must be above 0")
        for name in ("gamma", "polyak"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"agent.{name} is {getattr(self, name)}; it must lie in (0, 1]")
        if not 0 <= self.sigma_max <= 1:
            raise ConfigError(f"agent.sigma_max is {self.sigma_max}; it must lie in [0, 1]")
        if self.sigma_head and self.sigma_max == 0:
            raise ConfigError(
                "agent.sigma_max is 0, which leaves the sigma head nothing to choose; raise it, or "
                "take the method dsrl"
            )
