"""Who answers while the policy is loaded, which takes minutes for a pi0 of full size.

Whoever greets is answered that the server is loading, and how far it is. So nobody takes it for a
server that is gone, and no greetings pile up in its queue.
"""

import threading
from collections.abc import Callable

from tmrl_common.closeable import Closeable
from tmrl_common.errors import DecodeError, ErrorCode
from tmrl_common.messages import ErrorReply
from tmrl_common.transport import RouterSocket

_POLL_S = 0.2
_MOST_MESSAGES_A_TURN = 64


class LoadingDoor(Closeable):
    """Answers on the server's socket, in a thread of its own, until it is closed.

    The socket belongs to that thread meanwhile, whichever thread loads. A context manager.
    """

    def __init__(self, socket: RouterSocket, sentence: Callable[[], str]) -> None:
        """Starts answering.

        Args:
            socket: Bound; handed back by `close`.
            sentence: How far the server is; called for each answer.
        """
        self._socket = socket
        self._sentence = sentence
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loading_door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops answering; what comes from now on waits for the server."""
        self._closing.set()
        self._socket.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            received = self._socket.receive(_POLL_S, _MOST_MESSAGES_A_TURN)
            for peer, request_id, content, _ in received:
                answer = ErrorReply(ErrorCode.LOADING, self._sentence())
                if isinstance(content, DecodeError):
                    answer = ErrorReply(content.code, content.detail)
                self._socket.send(peer, request_id, answer)
