"""A service whose answer comes later, without a coroutine: the EventsExecutor runs none.

The node's thread is free meanwhile, whichever executor spins it.
"""

import threading
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from tmrl_common.service_reply import ServiceReply

Answer = Callable[[ServiceReply], None]
"""To be called once with the reply, at once or later, from any thread."""


class _Later:
    """One response on its way; whichever comes last, the reply or whom to send it to, sends it."""

    def __init__(self, response: Any, log: Callable[[str], object]) -> None:
        self._response = response
        self._log = log
        self._lock = threading.Lock()
        self._send: Callable[[Any], None] | None = None
        self._replied = False

    def reply(self, reply: ServiceReply) -> None:
        self._response.success, self._response.message = reply.success, reply.message
        with self._lock:
            self._replied, send = True, self._send
        if send is not None:
            self._deliver(send)

    def send_with(self, send: Callable[[Any], None]) -> None:
        with self._lock:
            self._send, replied = send, self._replied
        if replied:
            self._deliver(send)

    def _deliver(self, send: Callable[[Any], None]) -> None:
        self._log(self._response.message)
        send(self._response)


def serve_deferred(
    node: Node, kind: Any, name: str, act: Callable[[Any, Answer], None], prefix: str = ""
) -> None:
    """Serves requests that are answered when there is an answer.

    Args:
        node: Whose service it is.
        kind: Type of the service; its response has `success` and `message`.
        name: Of the service.
        act: Takes a request, and with what to answer it.
        prefix: What the line of the log begins with.
    """
    logger = node.get_logger()

    def take(request: Any, response: Any) -> _Later:
        later = _Later(response, lambda message: logger.info(f"{prefix}{message}"))
        act(request, later.reply)
        return later

    service = node.create_service(kind, name, take)  # pyright: ignore[reportArgumentType]
    send_now = service.send_response

    def send_later(later: _Later, header: Any) -> None:
        later.send_with(lambda response: send_now(response, header))

    # Executors hand what the callback returned to this method, with whom it is for.
    setattr(service, "send_response", send_later)  # noqa: B010 - methods are not to be assigned
