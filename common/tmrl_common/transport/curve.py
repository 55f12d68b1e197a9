"""Encryption and authentication with CURVE: keys, allow-list, and no way to forget them.

CURVE without an allow-list would accept any key, so there is no server security without one. A
server without keys may listen on this machine only.
"""

import ipaddress
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import zmq
from zmq.auth.thread import ThreadAuthenticator

from tmrl_common.errors import TransportError
from tmrl_common.ros_names import is_ros_name

KEY_CHARACTERS = 40
_ZAP_DOMAIN = b"tmrl"


@dataclass(frozen=True, repr=False)
class KeyPair:
    """A CURVE key pair in Z85 text; it prints without its secret.

    Attributes:
        public: May be handed to anyone.
        secret: Stays on its machine.
    """

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"

    @classmethod
    def new(cls) -> "KeyPair":
        """A fresh random pair."""
        return cls(*zmq.curve_keypair())

    @classmethod
    def load(cls, path: Path) -> "KeyPair":
        """Reads the secret key in a file; the public one follows from it.

        Raises:
            TransportError: The file is absent, holds no key, or is open to other users.
        """
        secret = read_key(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise TransportError(
                f"secret key {path} has mode {mode:04o}, so other users of this machine may open "
                f"it; run `chmod 600 {path}`, and make a new pair if any of them could have read it"
            )
        return cls(zmq.curve_public(secret), secret)

    def save(self, path: Path) -> None:
        """Writes the secret key to `path` (readable by its owner alone), the public to `path.pub`.

        Raises:
            FileExistsError: There is a key already; it is not replaced.
        """
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(self.secret + b"\n")
        path.with_name(path.name + ".pub").write_bytes(self.public + b"\n")


@dataclass(frozen=True)
class ServerSecurity:
    """What a server needs to listen beyond its own machine.

    Attributes:
        keys: The server's own pair.
        allowed: Public keys of the clients that may connect.
        owners: Robot by public key, of those that may speak for that one alone.
    """

    keys: KeyPair
    allowed: frozenset[bytes]
    owners: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuses a server that nobody could reach.

        Raises:
            ValueError: The allow-list is empty.
        """
        if not self.allowed:
            raise ValueError("the allow-list is empty; add the public key of each client")


@dataclass(frozen=True)
class ClientSecurity:
    """What a client needs to reach a server with keys.

    Attributes:
        keys: The client's own pair; its public key must be in the server's allow-list.
        server_public: Public key of the server.
    """

    keys: KeyPair
    server_public: bytes


def server_security(secret_key: Path, allowed_keys: Path) -> ServerSecurity:
    """Keys of a server from its files.

    Args:
        secret_key: File with the server's own secret key.
        allowed_keys: File with the public keys of the clients, as `read_keys` reads it. A line may
            end in `robot=NAME`: who has that key speaks for that robot alone.

    Raises:
        TransportError: A file is absent, holds no key, or a word with "=" that is not `robot=NAME`.
        ValueError: The allow-list is empty.
    """
    entries = _entries(allowed_keys)
    owners: dict[str, str] = {}
    for key, words in entries.items():
        for name, sign, value in (word.partition("=") for word in words):
            if sign and (name != "robot" or not is_ros_name(value)):
                raise TransportError(
                    f"{allowed_keys} says {name}={value} after a key; it may say robot=NAME, the "
                    "robot that this key speaks for"
                )
            if sign:
                owners[key.decode(errors="replace")] = value
    return ServerSecurity(KeyPair.load(secret_key), frozenset(entries), owners)


def client_security(client_key: str, server_key: str) -> ClientSecurity | None:
    """Keys of a client from its settings.

    Args:
        client_key: Path of the file with the client's own secret key; empty for none.
        server_key: Path of the file with the server's public key; empty for none.

    Returns:
        None where both are empty.

    Raises:
        TransportError: One is given without the other, or a file is absent or holds no key.
    """
    if bool(client_key) != bool(server_key):
        raise TransportError("client_key and server_key go together; give both or neither")
    if not client_key:
        return None
    return ClientSecurity(KeyPair.load(Path(client_key)), read_key(Path(server_key)))


def read_key(path: Path) -> bytes:
    """Reads the one key in a file.

    Raises:
        TransportError: The file is absent or holds no key.
    """
    keys = read_keys(path)
    if len(keys) != 1:
        raise TransportError(f"{path} holds {len(keys)} keys; it must hold one")
    return next(iter(keys))


def read_keys(path: Path) -> frozenset[bytes]:
    """Reads keys, one a line; text after a key and lines that start with # are comments.

    Raises:
        TransportError: The file is absent, or a line holds no key.
    """
    return frozenset(_entries(path))


def _entries(path: Path) -> dict[bytes, list[str]]:
    """Keys of a file, each with the words after it; of a key that stands twice, those of both.

    Raises:
        TransportError: The file is absent, or a line holds no key.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TransportError(f"key file {path} cannot be read: {error.strerror}") from error
    entries: dict[bytes, list[str]] = {}
    for line in lines:
        if not line.strip() or line.startswith(b"#"):
            continue
        key, *words = line.split()
        if len(key) != KEY_CHARACTERS:
            raise TransportError(
                f"{path} holds a key of {len(key)} characters; CURVE keys have {KEY_CHARACTERS}"
            )
        entries.setdefault(key, []).extend(word.decode(errors="replace") for word in words)
    return entries


def is_local(endpoint: str) -> bool:
    """Whether only this machine can reach an endpoint."""
    parts = urlsplit(endpoint)
    if parts.scheme in ("ipc", "inproc"):
        return True
    # The port may be "*", which urlsplit would refuse to read; the host is never affected.
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secure_server(
    context: "zmq.Context[zmq.Socket[bytes]]",
    socket: "zmq.Socket[bytes]",
    endpoint: str,
    security: ServerSecurity | None,
) -> ThreadAuthenticator | None:
    """Prepares a socket before it is bound.

    Returns:
        The running authenticator, to be stopped with the socket; None for a local server.

    Raises:
        TransportError: The endpoint is reachable from elsewhere and there are no keys.
    """
    if security is None:
        if not is_local(endpoint):
            raise TransportError(
                f"{endpoint} can be reached from other machines and no keys are given; "
                "listen on tcp://127.0.0.1:PORT, or give the server keys and an allow-list"
            )
        return None
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback(_ZAP_DOMAIN.decode(), _AllowList(security.allowed))
    socket.setsockopt(zmq.ZAP_DOMAIN, _ZAP_DOMAIN)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, security.keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, security.keys.secret)
    return authenticator


def secure_client(socket: "zmq.Socket[bytes]", security: ClientSecurity | None) -> None:
    """Prepares a socket before it connects."""
    if security is not None:
        socket.setsockopt(zmq.CURVE_PUBLICKEY, security.keys.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, security.keys.secret)
        socket.setsockopt(zmq.CURVE_SERVERKEY, security.server_public)


class _AllowList:
    """Answers the authenticator whether a key may connect."""

    def __init__(self, allowed: Collection[bytes]) -> None:
        self._allowed = allowed

    def callback(self, domain: str, key: bytes) -> bool:
        """The name and arguments are pyzmq's."""
        return domain == _ZAP_DOMAIN.decode() and key in self._allowed
