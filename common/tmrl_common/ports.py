"""A TCP port for a server of our own on this machine."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 20_000
_USUAL_END = 32_768
_FEWEST = 1_000
_TRIES = 100


def free_port(range_file: Path = _RANGE) -> int:
    """A port on the loopback address that nobody listens on.

    It lies below those from which the system takes the own ends of outgoing connections: one of
    those is free now and the end of somebody's connection when the server starts, or starts again.

    Args:
        range_file: Where the kernel keeps the two ends of that range.

    Returns:
        The port; where nearly all ports are for outgoing connections, one of them.
    """
    ports = range(_FIRST, max(_FIRST, _first_of_outgoing(range_file)))
    if len(ports) >= _FEWEST:
        # Several processes look at the same time: each shall come upon others than its neighbour.
        for port in random.SystemRandom().sample(ports, _TRIES):
            if _is_free(port):
                return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_of_outgoing(range_file: Path) -> int:
    try:
        return int(range_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_END


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
