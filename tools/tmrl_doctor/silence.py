"""Why nothing is heard of a process that DDS has found: the same sentence for every command."""

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from tmrl_common.discovery_servers import server_of

_MARKS_OF_A_CONTAINER = ("/.dockerenv", "/run/.containerenv")
_ANSWER_S = 0.2


def likely_cause(environment: Mapping[str, str] = os.environ) -> str:
    """Says what most likely lies between here and a node that was found and is not heard.

    Participants find each other over the network, and on one machine hand messages over in
    /dev/shm: two containers with one network and a /dev/shm each find and never hear each other.

    Args:
        environment: Variables of this process.
    """
    if absent := absent_servers(environment.get("ROS_DISCOVERY_SERVER", "")):
        return f"nobody listens at the discovery server {', '.join(absent)}: start it, or unset it"
    shared = "start both with --network=host and --ipc=host, so that they share one /dev/shm"
    if any(Path(mark).exists() for mark in _MARKS_OF_A_CONTAINER):
        return f"this is a container, and the other one likely has another /dev/shm: {shared}"
    return (
        "its process hangs (see its log in the run directory), or it runs in a container "
        f"whose /dev/shm is another: {shared}"
    )


def absent_servers(value: str) -> list[str]:
    """Returns the discovery servers of whose machine it is known that nobody listens there.

    Args:
        value: Of ROS_DISCOVERY_SERVER. A machine that answers nothing at all counts as there.
    """
    servers = [server for part in value.split(";") if (server := server_of(part))]
    return [f"{s.host}:{s.port}" for s in servers if not s.over_tcp and _refuses(s.host, s.port)]


def _refuses(host: str, port: int) -> bool:
    """Whether a datagram is answered by 'port unreachable'."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.settimeout(_ANSWER_S)
            probe.connect(address)
            probe.send(b"\0")
            probe.recv(1)
    except TimeoutError:
        return False
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return False
