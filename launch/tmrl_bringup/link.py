"""Where a rig's policy server is, and the keys with which this machine reaches it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tmrl_bringup.rig import Rig, path_in_rig
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
        """Refuses an address that is none, and a way through the network without keys.

        Raises:
            ConfigError: Names the key and the remedy.
        """
        if not _is_endpoint(self.endpoint):
            raise ConfigError(
                f"endpoint is {self.endpoint!r}; write it as tcp://HOST:PORT with a port from 1 to "
                "65535, such as tcp://192.168.1.20:5760"
            )
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
            "client_key": str(path_in_rig(self.client_key)) if self.client_key else "",
            "server_key": str(path_in_rig(self.server_key)) if self.server_key else "",
        }


def _is_endpoint(text: str) -> bool:
    """Whether a client can connect to it."""
    parts = urlsplit(text)
    if parts.scheme == "ipc":
        return True
    try:
        return parts.scheme == "tcp" and bool(parts.hostname and parts.port)
    except ValueError:  # The port is no number, or too large for one.
        return False


NAMES = ("endpoint", "client_key", "server_key")
"""Keys of `policy_server` that are the clients', not the server's own."""


def link_of(rig: Rig) -> ServerLink:
    """The link of a rig whose keys are complete.

    Raises:
        ConfigError: Its values are impossible.
    """
    server = rig.parts["policy_server"]
    return ServerLink(**{name: str(server[name]) for name in NAMES if name in server})
