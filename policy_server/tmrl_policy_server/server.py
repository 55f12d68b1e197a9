"""The loop of the policy server: read what is there, answer, make chunks for what waits.

One thread does all of it. A ping therefore says that the whole server works: with a thread of its
own it would be answered while inference hangs.
"""

import dataclasses
import logging
import secrets
from collections.abc import Callable

from tmrl_common.clock import Clock, SteadyClock
from tmrl_common.errors import DecodeError, ErrorCode, RequestError
from tmrl_common.messages import Act, ChunkReply, Encode, Features, Reply, Swap, Swapped
from tmrl_common.protocol import Admitted, ServerIdentity, ServerProtocol, ServerSettings
from tmrl_common.transport import RouterSocket
from tmrl_policy_server.engine import Engine

_log = logging.getLogger(__name__)

_NAME = "tmrl_policy_server"
_MOST_MESSAGES_A_TURN = 256
_POLL_S = 0.1


class PolicyServer:
    """Connects a socket, the protocol and an engine. Use from one thread."""

    def __init__(
        self,
        engine: Engine,
        socket: RouterSocket,
        max_clients: int,
        clock: Clock | None = None,
    ) -> None:
        """Takes a warm engine and a bound socket.

        Args:
            engine: Makes the chunks.
            socket: Where requests come from; closed by its owner.
            max_clients: Connections remembered at a time.
            clock: None takes the machine's.
        """
        self._engine = engine
        self._socket = socket
        self._clock = clock or SteadyClock()
        identity = ServerIdentity(_NAME, secrets.token_hex(8), engine.spec)
        settings = ServerSettings(max_clients=max_clients)
        self._protocol = ServerProtocol(identity, settings, self._clock.now_s())

    def run(self, stopped: Callable[[], bool]) -> None:
        """Serve until `stopped` says so; it is asked several times a second."""
        while not stopped():
            self.turn(_POLL_S)

    def turn(self, wait_s: float) -> None:
        """Take in what has come, at most `wait_s` from now, and answer all of it."""
        for peer, request_id, content in self._socket.receive(wait_s, _MOST_MESSAGES_A_TURN):
            if isinstance(content, DecodeError):
                self._protocol.receive_undecodable(peer, content)
            else:
                self._protocol.receive(peer, request_id, content, self._clock.now_s())
        # Health before inference: what has been answered already does not wait for chunks.
        self._send_answers()
        work = self._protocol.take_work(self._clock.now_s())
        for admitted in work:
            if not isinstance(admitted.request, Act):
                self._guarded([admitted], lambda admitted=admitted: [self._simple(admitted)])
        acts = [admitted for admitted in work if isinstance(admitted.request, Act)]
        if acts:
            self._guarded(acts, lambda: self._chunks(acts))
        self._send_answers()

    def _guarded(self, work: list[Admitted], do: Callable[[], list[Reply | RequestError]]) -> None:
        """Answer work; a fault of ours costs these requests an answer, never the server."""
        try:
            replies = do()
        except Exception:  # noqa: BLE001 - the edge of the process: logged, answered, not hidden
            _log.exception("a request failed in a way that is not foreseen")
            failure = RequestError(ErrorCode.INTERNAL, ErrorCode.INTERNAL.sentence)
            replies = [failure] * len(work)
        for admitted, reply in zip(work, replies, strict=True):
            if isinstance(reply, RequestError):
                self._protocol.refuse(admitted.peer, admitted.request_id, reply.code, reply.detail)
            else:
                self._protocol.answer(admitted.peer, admitted.request_id, reply)

    def _simple(self, admitted: Admitted) -> Reply | RequestError:
        request = admitted.request
        try:
            if isinstance(request, Encode):
                features = self._engine.encode(request.observation)
                return Features(features, self._engine.spec.policy_version)
            if isinstance(request, Swap):
                version = self._engine.swap(request)
                self._protocol.actor_version = version
                return Swapped(version)
        except RequestError as error:
            _log.warning("%s", error)
            return error
        raise TypeError(f"{type(request).__name__} is not answered here")

    def _chunks(self, acts: list[Admitted]) -> list[Reply | RequestError]:
        began_s = self._clock.now_s()
        requests = [admitted.request for admitted in acts if isinstance(admitted.request, Act)]
        chunks = self._engine.act_batch(requests)
        return [
            self._timed(admitted, chunk, began_s)
            for admitted, chunk in zip(acts, chunks, strict=True)
        ]

    def _timed(
        self, admitted: Admitted, chunk: ChunkReply | RequestError, began_s: float
    ) -> ChunkReply | RequestError:
        if isinstance(chunk, RequestError):
            return chunk
        self._protocol.chunks_served += 1
        timings = dataclasses.replace(
            chunk.timings,
            wait_s=began_s - admitted.received_at_s,
            total_s=self._clock.now_s() - admitted.received_at_s,
        )
        return dataclasses.replace(chunk, timings=timings)

    def _send_answers(self) -> None:
        for peer, request_id, message in self._protocol.take_answers():
            self._socket.send(peer, request_id, message)
