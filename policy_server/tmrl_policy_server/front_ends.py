"""The doors beside ZeroMQ that the settings ask for: websocket clients of openpi, and Prometheus.

What they need is imported only where they are asked for.
"""

import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tmrl_common.clock import SteadyClock
from tmrl_common.closeable import Closeable
from tmrl_common.transport.curve import is_local
from tmrl_policy_server.config import ServerConfig
from tmrl_policy_server.inference import Inference, busy_s
from tmrl_policy_server.local_peers import LocalPeers
from tmrl_policy_server.meter import Meter, SilentMeter

_log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """What the server must know of its doors.

    Attributes:
        peers: Clients inside this process.
        meter: Counts.
    """

    peers: LocalPeers
    meter: Meter


class FrontEnds(Closeable):
    """Takes the addresses first and opens them when the engine is warm; a context manager."""

    def __init__(self, config: ServerConfig) -> None:
        """Takes the address for websocket clients.

        Raises:
            TransportError: It is taken, or reachable from elsewhere without keys.
        """
        self._config = config
        self._stack = ExitStack()
        self._keys: frozenset[str] = frozenset()
        self._reserved: socket.socket | None = None
        if config.websocket_bind:
            from tmrl_policy_server.websocket_front import read_api_keys, reserve

            if config.websocket_keys:
                self._keys = read_api_keys(Path(config.websocket_keys))
            self._reserved = reserve(config.websocket_bind, self._keys)
            self._stack.callback(self._reserved.close)

    def open(self, inference: Inference, wake: Callable[[], None]) -> Opened:
        """Lets clients in.

        Args:
            inference: Warm.
            wake: Makes the server look at the peers' requests.

        Raises:
            TransportError: An address was taken in the meantime.
        """
        clock = SteadyClock()
        peers = LocalPeers(wake)
        if self._reserved is not None:
            self._open_websocket(self._reserved, peers, inference)
        if not self._config.metrics_bind:
            return Opened(peers, SilentMeter())
        from tmrl_policy_server.prometheus import PrometheusMeter

        meter = PrometheusMeter(lambda: busy_s(inference, clock))
        self._stack.callback(meter.listen(self._config.metrics_bind))
        _log.info("metrics on http://%s/metrics", self._config.metrics_bind)
        if not is_local(f"tcp://{self._config.metrics_bind}"):
            _log.warning(
                "%s can be reached from other machines, and shows its figures to whoever asks; "
                "listen on 127.0.0.1:PORT, or keep the port behind a firewall",
                self._config.metrics_bind,
            )
        return Opened(peers, meter)

    def _open_websocket(
        self, reserved: socket.socket, peers: LocalPeers, inference: Inference
    ) -> None:
        from tmrl_policy_server.openpi_dialect import OpenpiDialect
        from tmrl_policy_server.websocket_front import WebsocketFront

        config, clock = self._config, SteadyClock()
        dialect = OpenpiDialect(inference.spec, config.websocket_caps, config.websocket_deadline_s)
        front = WebsocketFront(
            reserved,
            peers,
            dialect,
            lambda: busy_s(inference, clock),
            keys=self._keys,
            max_clients=config.max_clients,
            deadline_s=config.websocket_deadline_s,
        )
        self._stack.callback(front.close)
        _log.info("clients of openpi on ws://%s:%d", *front.address)
        if not is_local(f"tcp://{config.websocket_bind}"):
            _log.warning(
                "%s CAN BE REACHED FROM OTHER MACHINES AND NOTHING ON IT IS ENCRYPTED, the API "
                "keys included; put it behind a tunnel or a proxy with TLS, or use ZeroMQ",
                config.websocket_bind,
            )

    def close(self) -> None:
        """Closes the doors that were opened."""
        self._stack.close()
