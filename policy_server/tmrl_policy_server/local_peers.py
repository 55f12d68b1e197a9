"""Clients inside this process, such as the connections of the websocket front end.

To the server they are peers like any other: greeted, bounded, answered by the same protocol.
"""

import queue
import secrets
from collections.abc import Callable

from tmrl_common.messages import Message
from tmrl_common.transport import Received

_PEER_BYTES = 16

Deliver = Callable[[int, Message], None]
"""Takes a request's id and its answer. Called in the server's thread; returns at once."""


class LocalPeers:
    """Carries requests to the server's thread and its answers back. Safe from any thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Starts without peers.

        Args:
            wake: Makes the server look; called after every request.
        """
        self._wake = wake
        self._requests: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._deliveries: dict[bytes, Deliver] = {}

    def join(self, deliver: Deliver) -> bytes:
        """Adds a peer and returns its name, which no client of the socket can guess."""
        peer = secrets.token_bytes(_PEER_BYTES)
        self._deliveries[peer] = deliver
        return peer

    def leave(self, peer: bytes) -> None:
        """Forgets a peer; answers that it has not got are dropped."""
        self._deliveries.pop(peer, None)

    def ask(self, peer: bytes, request_id: int, request: Message) -> None:
        """Hands a request to the server."""
        self._requests.put(Received(peer, request_id, request))
        self._wake()

    def take(self) -> list[Received]:
        """What was asked since the last call; for the server."""
        return [self._requests.get() for _ in range(self._requests.qsize())]

    def deliver(self, peer: bytes, request_id: int, message: Message) -> bool:
        """Hands an answer to its peer; False where the peer is none of these. For the server."""
        delivery = self._deliveries.get(peer)
        if delivery is None:
            return False
        delivery(request_id, message)
        return True
