"""The server's socket: a ROUTER that hands over messages and never blocks on a slow client."""

import logging
import math
import secrets
import threading
from typing import NamedTuple, cast

import zmq

from tmrl_common.closeable import Closeable
from tmrl_common.codec import decode, encode
from tmrl_common.errors import DecodeError, TransportError
from tmrl_common.framing import DEFAULT_LIMITS, WireLimits
from tmrl_common.messages import Message
from tmrl_common.transport.curve import ServerSecurity, secure_server
from tmrl_common.transport.library import check_libzmq
from tmrl_common.transport.multipart import receive_frames, send_frames

_log = logging.getLogger(__name__)

_QUEUE_PER_CLIENT = 16
"""More than a client has in flight. A queue that is nearly full wakes its ends again and again."""
_WAKE_ENDPOINT = "inproc://wake"
_POLLIN = int(zmq.POLLIN)


class Received(NamedTuple):
    """Something that a client sent.

    Attributes:
        peer: Connection that it came from.
        request_id: Of the request; 0 where it could not be read.
        content: The message, or why it is none.
        owner: Robot that the key of the connection belongs to; empty for any.
    """

    peer: bytes
    request_id: int
    content: Message | DecodeError
    owner: str = ""


class RouterSocket(Closeable):
    """Owns a bound ROUTER socket. Use from one thread, but for `wake`, as a context manager.

    Attributes:
        endpoint: Where it listens, with the port that was really taken.
    """

    def __init__(
        self,
        endpoint: str,
        security: ServerSecurity | None = None,
        limits: WireLimits = DEFAULT_LIMITS,
    ) -> None:
        """Binds.

        Args:
            endpoint: Such as "tcp://127.0.0.1:5760"; port "*" takes a free one.
            security: Keys and allow-list; needed beyond this machine.
            limits: What it is willing to read.

        Raises:
            TransportError: The endpoint is taken, impossible, or reachable without keys.
        """
        check_libzmq()
        self._limits = limits
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE_PER_CLIENT)
        self._socket.setsockopt(zmq.RCVHWM, _QUEUE_PER_CLIENT)
        self._socket.setsockopt(zmq.MAXMSGSIZE, limits.message_bytes)
        self._authenticator = None
        self._owners = dict(security.owners) if security is not None else {}
        # A message from within the process ends a wait; to poll beside the socket costs more.
        self._wake_peer = secrets.token_bytes(16)
        self._wake_lock = threading.Lock()
        self._waker = self._context.socket(zmq.DEALER)
        self._waker.setsockopt(zmq.LINGER, 0)
        self._waker.setsockopt(zmq.SNDHWM, 1)
        self._waker.setsockopt(zmq.ROUTING_ID, self._wake_peer)
        self._timeout_ms = -1
        try:
            self._authenticator = secure_server(self._context, self._socket, endpoint, security)
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise _cannot_bind(endpoint, error) from error
        except TransportError:
            self.close()
            raise
        self.endpoint = (
            cast(bytes, self._socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
        )
        self._socket.bind(_WAKE_ENDPOINT)
        self._waker.connect(_WAKE_ENDPOINT)

    def receive(self, timeout_s: float, most: int) -> list[Received]:
        """Waits for messages and takes those that are there.

        Args:
            timeout_s: Longest wait for the first one; `wake` ends it too.
            most: Largest number to take; the rest waits in the socket's bounded queues.
        """
        received: list[Received] = []
        timeout_ms = max(0, math.ceil(1000 * timeout_s))
        if timeout_ms != self._timeout_ms:
            self._socket.setsockopt(zmq.RCVTIMEO, timeout_ms)
            self._timeout_ms = timeout_ms
        try:
            peer, *frames = receive_frames(self._socket)
        except zmq.Again:
            return received
        while True:
            self._take(peer.bytes, frames, received)
            if len(received) >= most or not self._more_there():
                return received
            peer, *frames = receive_frames(self._socket)

    def _more_there(self) -> bool:
        return bool(cast(int, self._socket.getsockopt(zmq.EVENTS)) & _POLLIN)

    def _take(self, peer: bytes, frames: list[zmq.Frame], received: list[Received]) -> None:
        if peer == self._wake_peer:
            return
        try:
            request_id, content = decode([frame.buffer for frame in frames], self._limits)
        except DecodeError as error:
            request_id, content = error.request_id, error
        # What the authenticator vouches for; no frame of the message can forge it.
        key = frames[-1].get("User-Id") if self._owners and frames else ""
        received.append(Received(peer, request_id, content, self._owners.get(str(key), "")))

    def wake(self) -> None:
        """Ends the wait of `receive`, or the next one. Safe from any thread."""
        with self._wake_lock:
            try:
                self._waker.send(b"", zmq.NOBLOCK)
            except zmq.ZMQError:
                # Full: a wake-up is in progress already. Closed: nobody waits any more.
                return

    def send(self, peer: bytes, request_id: int, message: Message) -> None:
        """Sends to a client; a client that is gone or does not read loses the message."""
        frames = encode(request_id, message)
        try:
            send_frames(self._socket, [peer, *frames])
        except zmq.ZMQError as error:
            _log.warning("an answer could not be sent: %s", error)

    def close(self) -> None:
        """Releases the endpoint; what was not sent, or not read by its client, is dropped."""
        with self._wake_lock:
            self._waker.close()
        self._socket.close()
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()


def _cannot_bind(endpoint: str, error: zmq.ZMQError) -> TransportError:
    if error.errno == zmq.EADDRINUSE:
        return TransportError(
            f"{endpoint} is in use by another process, perhaps an earlier server; "
            "end that one or choose another port"
        )
    return TransportError(f"cannot listen on {endpoint}: {error.strerror}")
