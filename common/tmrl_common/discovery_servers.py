"""How ROS_DISCOVERY_SERVER is read, by the standard library only: `./tmrl` needs it early."""

import re
from dataclasses import dataclass

_SERVER = re.compile(
    r"(?P<tcp>TCPv[46]:)?(?:UDPv[46]:)?"
    r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d+))?"
)
"""As Fast DDS reads it: HOST, HOST:PORT, or TCPv4:[HOST]:PORT."""
_DEFAULT_PORT = 11811
_LAST_PORT = 65535


@dataclass(frozen=True)
class DiscoveryServer:
    """One server.

    Attributes:
        host: Name or address.
        port: Where it listens.
        over_tcp: Whether it is spoken to over TCP, not UDP.
    """

    host: str
    port: int
    over_tcp: bool


def server_of(text: str) -> DiscoveryServer | None:
    """Returns the server that a part of the variable names; None where it names none.

    Args:
        text: Between two semicolons.
    """
    found = _SERVER.fullmatch(text.strip())
    if found is None:
        return None
    port = int(found["port"] or _DEFAULT_PORT)
    if port > _LAST_PORT:
        return None
    return DiscoveryServer(found["bracketed"] or found["host"], port, bool(found["tcp"]))
