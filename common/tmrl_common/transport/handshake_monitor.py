"""Why the encryption between a client and its server does not come about, as libzmq sees it.

A message never says so: the server drops who has the wrong key before anything is understood. But
libzmq tells its own side how far it came, and each pair of keys that do not fit ends elsewhere.
"""

import zmq
from zmq.utils.monitor import recv_monitor_message

from tmrl_common.transport.curve import ClientSecurity

_DROPPED_TIMES = 3
"""A server that dies in a handshake drops it once, one with another key drops it every time."""
_KEYS_ON_ONE_SIDE = int(zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
"""Other errors of the protocol are those of whatever else listens there."""
_EVENTS = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
)


class HandshakeMonitor:
    """Listens to one socket's handshakes. Belongs to the thread of the socket.

    Attributes:
        socket: To be polled; readable when there is news.
    """

    def __init__(
        self, dealer: "zmq.Socket[bytes]", endpoint: str, security: ClientSecurity | None
    ) -> None:
        """Begins to listen.

        Args:
            dealer: Not connected yet.
            endpoint: That it will connect to.
            security: The client's keys.
        """
        self._dealer = dealer
        self._endpoint = endpoint
        self._security = security
        self._dropped = 0
        self.socket = dealer.get_monitor_socket(int(_EVENTS))

    def close(self) -> None:
        """Ends; to be called before the socket itself is closed."""
        self._dealer.disable_monitor()
        self.socket.close(0)

    def trouble(self) -> str:
        """Takes the news in; returns why the keys do not fit, empty where nothing says so."""
        found = ""
        while self.socket.poll(0):
            news = recv_monitor_message(self.socket)
            event, value = int(news["event"]), int(news["value"])
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._dropped, found = 0, ""
            elif event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                self._dropped += 1
                if self._dropped >= _DROPPED_TIMES:
                    found = self._dropped_sentence()
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH or value == _KEYS_ON_ONE_SIDE:
                found = self._sentence(event)
        return found

    def _sentence(self, event: int) -> str:
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and self._security is not None:
            public = self._security.keys.public.decode()
            return (
                f"the server at {self._endpoint} does not know the key of this machine: add "
                f"{public} to its file allowed_keys, and restart it"
            )
        if self._security is None:
            return (
                f"the server at {self._endpoint} asks for keys, and this side has none: give "
                "client_key and server_key, as `./tmrl keys` makes them"
            )
        return (
            f"the server at {self._endpoint} has no keys, and this side has some: leave client_key "
            "and server_key empty, or start the server with its own"
        )

    def _dropped_sentence(self) -> str:
        if self._security is None:
            return (
                f"the server at {self._endpoint} drops every handshake: it asks for keys, and this "
                "side has none: give client_key and server_key, as `./tmrl keys` makes them"
            )
        return (
            f"the server at {self._endpoint} drops every handshake: server_key is not the public "
            "key of this server, or the server has no keys; copy its file .key.pub again, and "
            "check the address"
        )
