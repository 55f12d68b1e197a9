"""Where a rig's policy server is, and the keys with which this machine reaches it."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tmrl_bringup.rig import Rig
from tmrl_common.errors import ConfigError
from tmrl_common.transport.curve import is_local


@dataclass(frozen=True)
class ServerLink:
    """How agent and learner reach the policy server.

    Attributes:
        endpoint: Address of the policy server: tcp://127.0.0.1:PORT where it is to be started on
            this machine, tcp://HOST:PORT where it runs on another one.
        client_key: File with this machine's secret CURVE key (made by ./tmrl keys); needed for a
            server on another machine.
        server_key: File with the server's public key; goes with client_key.
    """

    endpoint: str
    client_key: str = ""
    server_key: str = ""

    def __post_init__(self) -> None:
        """Refuse an address that is none, and a way through the network without keys.

        Raises:
            ConfigError: Names the key and the remedy.
        """
        parts = urlsplit(self.endpoint)
        if parts.scheme != "ipc" and not (parts.scheme == "tcp" and parts.hostname):
            raise ConfigError(f"endpoint is {self.endpoint!r}; write it as tcp://HOST:PORT")
        if bool(self.client_key) != bool(self.server_key):
            raise ConfigError("client_key and server_key go together; give both or neither")
        if not self.local and not self.client_key:
            raise ConfigError(
                f"endpoint is {self.endpoint}, on another machine, and client_key and server_key "
                "are empty; make a key with ./tmrl keys and see docs/guides/remote_gpu.md"
            )

    @property
    def local(self) -> bool:
        """Whether the server is to run on this machine."""
        return is_local(self.endpoint)

    @property
    def bind(self) -> str:
        """Where the server listens, on the machine that it runs on."""
        return self.endpoint if self.local else f"tcp://*:{urlsplit(self.endpoint).port}"

    @property
    def key_files(self) -> dict[str, str]:
        """Paths of the two keys as the nodes take them; empty where there are none."""
        return {
            "client_key": str(Path(self.client_key).expanduser()) if self.client_key else "",
            "server_key": str(Path(self.server_key).expanduser()) if self.server_key else "",
        }


NAMES = ("endpoint", "client_key", "server_key")
"""Keys of `policy_server` that are the clients', not the server's own."""


def link_of(rig: Rig) -> ServerLink:
    """The link of a rig whose keys are complete.

    Raises:
        ConfigError: Its values are impossible.
    """
    server = rig.parts["policy_server"]
    return ServerLink(**{name: str(server[name]) for name in NAMES if name in server})
