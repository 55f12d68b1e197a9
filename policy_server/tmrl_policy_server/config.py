"""What a policy server is told when it starts."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from tmrl_common.errors import ConfigError


class Method(StrEnum):
    """Which fine-tuning method the server serves."""

    TMRL = "tmrl"
    """The actor picks z, sigma and, where it has that head, epsilon."""
    DSRL = "dsrl"
    """The actor picks z only; sigma is 0."""
    BASE = "base"
    """No actor: the pre-trained policy as it is."""


@dataclass(frozen=True)
class EngineConfig:
    """How steering is picked. The bounds have to be those with which the learner trains.

    Attributes:
        method: Which heads steer: "tmrl", "dsrl" or "base".
        z_bound: Largest magnitude of a component of z, for the actor and during warm-up.
        sigma_max: Largest sigma, in (0, 1].
        epsilon_head: Whether epsilon is steered; otherwise it is drawn at random.
        epsilon_bound: Largest magnitude of a component of a steered epsilon.
        warmup_marginal_fraction: Share of warm-up chunks, in [0, 1], whose sigma is the largest
            allowed; the other ones draw it uniformly. The marginal is where new behaviour is.
        action_transform: How the policy's actions become the robot's; see
            `tmrl_policy_server.action_transform`.
    """

    method: Method = Method.TMRL
    z_bound: float = 2.0
    sigma_max: float = 1.0
    epsilon_head: bool = False
    epsilon_bound: float = 2.0
    warmup_marginal_fraction: float = 0.0
    action_transform: str = "xyz_gripper_to_bridge_delta_ee_7"

    def __post_init__(self) -> None:
        """Refuse unknown methods and bounds that make no range.

        Raises:
            ConfigError: The message names the field, its value and its range.
        """
        if self.method not in tuple(Method):
            raise ConfigError(f"method is '{self.method}'; it has to be one of {', '.join(Method)}")
        for name in ("z_bound", "epsilon_bound"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} is {value}; it has to be a finite number above 0")
        if not 0.0 < self.sigma_max <= 1.0:
            raise ConfigError(f"sigma_max is {self.sigma_max}; it has to lie in (0, 1]")
        if not 0.0 <= self.warmup_marginal_fraction <= 1.0:
            raise ConfigError(
                f"warmup_marginal_fraction is {self.warmup_marginal_fraction}; "
                "it has to lie in [0, 1]"
            )

    @property
    def sigma_head(self) -> bool:
        """Whether sigma is steered."""
        return self.method == Method.TMRL


@dataclass(frozen=True)
class ServerConfig:
    """Where the server listens and what it serves.

    Attributes:
        checkpoint: Folder of the base policy.
        bind: Endpoint; beyond this machine it needs `secret_key` and `allowed_keys`.
        secret_key: File with the server's CURVE secret key; empty for none.
        allowed_keys: File with the public keys of the clients, one a line; empty for none.
        max_clients: Connections remembered at a time.
        threads: Threads of the network's arithmetic; one is best for small policies.
    """

    checkpoint: str
    bind: str = "tcp://127.0.0.1:5760"
    secret_key: str = ""
    allowed_keys: str = ""
    max_clients: int = 64
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse keys without an allow-list and the reverse, and counts below 1.

        Raises:
            ConfigError: The message names the field and the remedy.
        """
        if bool(self.secret_key) != bool(self.allowed_keys):
            raise ConfigError("secret_key and allowed_keys go together; give both or neither")
        for name in ("max_clients", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it has to be at least 1")
