"""The configuration of a policy server."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from tmrl_common.constraints import NotEmpty, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_common.types import SteeringLimits

Cap = Annotated[float, Range(0.0, above=True)]


@dataclass(frozen=True)
class EngineConfig:
    """How chunks are made. Which heads steer, and within which bounds, the actor determines.

    Attributes:
        warmup_marginal_fraction: Share of warm-up chunks, in [0, 1], whose sigma is the largest
            allowed; the other ones draw it uniformly. The marginal is where new behaviour is.
        action_transform: How the policy's actions become the robot's; see
            `tmrl_policy_server.action_transform`.
        overlap_steps: Steps of a chunk that are still executed while the next one is made, as the
            agent's; the features then say what they are. 0: chunks never overlap.
    """

    warmup_marginal_fraction: Annotated[float, Range(0.0, 1.0)] = 0.0
    action_transform: str = "xyz_gripper_to_bridge_delta_ee_7"
    overlap_steps: Annotated[int, Range(0)] = 0

    def __post_init__(self) -> None:
        """Refuses a share outside of its range.

        Raises:
            ConfigError: The message names the field, its value and its range.
        """
        check_fields(self)


class InferencePlace(StrEnum):
    """Which thread the networks run in."""

    AUTO = "auto"
    """A pi0 in a thread of its own, a small policy in the thread of the sockets."""
    INLINE = "inline"
    """The thread of the sockets: quickest, and pings wait for the pass in progress."""
    THREAD = "thread"
    """A thread of its own: pings are answered during a pass."""


@dataclass(frozen=True)
class ServerLimits:
    """How many clients and requests the server takes on at a time.

    Attributes:
        max_clients: Connections remembered.
        max_batch: Requests for chunks in one pass through the policy.
        batch_window_s: Longest wait for the requests of other robots.
    """

    max_clients: int = 64
    max_batch: int = 8
    batch_window_s: float = 0.005


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
        inference: Which thread the networks run in: "auto", "inline" or "thread".
        batch_window_s: Longest time that a request waits for those of other robots, and at most a
            quarter of what a pass takes; none waits while there is one robot.
        max_batch: Most requests for chunks in one pass through the policy.
        websocket_bind: HOST:PORT for clients of openpi; empty for none. Beyond this machine it
            needs `websocket_keys`.
        websocket_keys: File with the API keys that these clients may show, one a line; empty for
            none.
        websocket_deadline_s: Longest time that a request of such a client may take.
        websocket_sigma_cap: Largest sigma for such clients, whose requests carry no caps.
        websocket_z_cap: Largest magnitude of a component of a steered z for them.
        websocket_epsilon_cap: Largest magnitude of a component of a steered epsilon for them.
        metrics_bind: HOST:PORT for Prometheus; empty for none.
    """

    checkpoint: Annotated[str, NotEmpty("~/checkpoints/cspi0_bridge")]
    bind: str = "tcp://127.0.0.1:5760"
    secret_key: str = ""
    allowed_keys: str = ""
    max_clients: Annotated[int, Range(1, 65536)] = 64
    threads: Annotated[int, Range(1, 1024)] = 1
    inference: InferencePlace = InferencePlace.AUTO
    batch_window_s: Annotated[float, Range(0.0, 1.0)] = 0.005
    max_batch: Annotated[int, Range(1, 4096)] = 8
    websocket_bind: str = ""
    websocket_keys: str = ""
    websocket_deadline_s: Annotated[float, Range(0.0, 3600.0, above=True)] = 10.0
    websocket_sigma_cap: Annotated[float, Range(0.0, 1.0)] = 1.0
    websocket_z_cap: Cap = 2.0
    websocket_epsilon_cap: Cap = 2.0
    metrics_bind: str = ""

    def __post_init__(self) -> None:
        """Refuses keys without an allow-list and the reverse, and numbers out of range.

        Raises:
            ConfigError: The message names the field and the remedy.
        """
        check_fields(self)
        if bool(self.secret_key) != bool(self.allowed_keys):
            raise ConfigError("secret_key and allowed_keys go together; give both or neither")
        if self.websocket_keys and not self.websocket_bind:
            raise ConfigError("websocket_keys is given without websocket_bind; give both")

    @property
    def websocket_caps(self) -> SteeringLimits:
        """Caps on the steering of websocket clients."""
        return SteeringLimits(
            self.websocket_sigma_cap, self.websocket_z_cap, self.websocket_epsilon_cap
        )

    @property
    def limits(self) -> ServerLimits:
        """How many clients and requests it takes on."""
        return ServerLimits(self.max_clients, self.max_batch, self.batch_window_s)


def assigned(assignment: str) -> tuple[str, str]:
    """Name and value of a setting as command lines take it, NAME=VALUE.

    Raises:
        ConfigError: There is no equals sign.
    """
    name, separator, value = assignment.partition("=")
    if not separator:
        raise ConfigError(f"--set {assignment} is not of the form NAME=VALUE")
    return name, value
