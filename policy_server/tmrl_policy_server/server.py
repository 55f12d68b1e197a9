"""The loop of the policy server: read what is there, answer, have chunks made for what waits.

One thread runs it and owns the socket. It answers hello and ping itself, also while the inference
works in a thread of its own; pong says for how long that has been busy
(docs/decisions/0005-server-threads.md).
"""

import gc
import secrets
import time
from collections.abc import Callable, Iterable, Sequence

from tmrl_common.clock import Clock, SteadyClock
from tmrl_common.errors import DecodeError, RequestError
from tmrl_common.messages import Act, Swapped
from tmrl_common.protocol import Admitted, ServerIdentity, ServerProtocol, ServerSettings
from tmrl_common.transport import Received, RouterSocket
from tmrl_policy_server.accelerator import AcceleratorFailedError
from tmrl_policy_server.batching import BatchWindow
from tmrl_policy_server.config import ServerLimits
from tmrl_policy_server.inference import Finished, Inference
from tmrl_policy_server.local_peers import LocalPeers
from tmrl_policy_server.meter import Meter, SilentMeter

_NAME = "tmrl_policy_server"
_MOST_MESSAGES_A_TURN = 256
_POLL_S = 0.1
_ANSWERS_ARRIVE_WITHIN_S = 1.0
"""Clients lose what they have not read yet when their connection ends, so it must not at once."""


class PolicyServer:
    """Connects sockets, the protocol and the inference. Use from one thread."""

    def __init__(
        self,
        inference: Inference,
        socket: RouterSocket,
        limits: ServerLimits,
        *,
        local_peers: LocalPeers | None = None,
        meter: Meter | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Takes a warm engine and a bound socket.

        Args:
            inference: Makes the chunks; closed by its owner.
            socket: Where requests come from; closed by its owner.
            limits: How many clients, and how many requests at a time.
            local_peers: Clients inside this process; None for none.
            meter: Counts; None does not.
            clock: None takes the machine's.
        """
        self._inference = inference
        self._socket = socket
        self._limits = limits
        self._local = local_peers or LocalPeers(socket.wake)
        self._meter = meter or SilentMeter()
        self._clock = clock or SteadyClock()
        self._began_s = 0.0
        self._window = BatchWindow(limits.batch_window_s, limits.max_batch)
        identity = ServerIdentity(_NAME, secrets.token_hex(8), inference.spec, inference.units)
        settings = ServerSettings(max_clients=limits.max_clients)
        self._protocol = ServerProtocol(identity, settings, self._clock.now_s())

    def run(self, stopped: Callable[[], bool]) -> None:
        """Serves until `stopped` says so; it is asked several times a second.

        Raises:
            AcceleratorFailedError: The GPU failed; everybody who waited for it has had an answer.
        """
        # What is there by now stays: no later garbage collection needs to look at it.
        gc.collect()
        gc.freeze()
        while not stopped():
            self.turn(_POLL_S)
            if self._inference.failed and self._inference.busy_since_s is None:
                time.sleep(_ANSWERS_ARRIVE_WITHIN_S)
                raise AcceleratorFailedError(
                    "the GPU failed, and only a new process can use it again; the log has its error"
                )

    def turn(self, wait_s: float) -> None:
        """Takes in what has come, at most `wait_s` from now, and answers what can be answered."""
        self._take_in(self._socket.receive(self._wait_at_most_s(wait_s), _MOST_MESSAGES_A_TURN))
        self._take_in(self._local.take())
        self._collect()
        # Health before inference: what has been answered already does not wait for chunks.
        self._send_answers()
        if self._begin_work():
            self._collect()
            self._send_answers()

    def _wait_at_most_s(self, wait_s: float) -> float:
        """How long to wait for messages: until a batch must begin, at most `wait_s`."""
        waiting = self._protocol.waiting
        if not waiting or self._inference.busy_since_s is not None:
            return wait_s
        now_s = self._clock.now_s()
        return min(wait_s, max(0.0, self._batch_begins_at_s(waiting, now_s) - now_s))

    def _batch_begins_at_s(self, waiting: Sequence[Admitted], now_s: float) -> float:
        acts = [each for each in waiting if isinstance(each.request, Act)]
        if len(acts) < len(waiting):
            return now_s  # Something waits that no other robot could join.
        return self._window.begins_at_s(acts, now_s)

    def _take_in(self, received: Iterable[Received]) -> None:
        self._protocol.busy_since_s = self._inference.busy_since_s
        for peer, request_id, content, owner in received:
            if isinstance(content, DecodeError):
                self._protocol.receive_undecodable(peer, content)
            else:
                self._meter.asked(peer, request_id, content)
                self._protocol.receive(peer, request_id, content, self._clock.now_s(), owner)

    def _begin_work(self) -> bool:
        """Hands waiting work to the inference, if it is time; whether any was handed over."""
        waiting = self._protocol.waiting
        if not waiting or self._inference.busy_since_s is not None or self._inference.failed:
            return False
        now_s = self._clock.now_s()
        if self._batch_begins_at_s(waiting, now_s) > now_s:
            return False
        work = self._protocol.take_work(now_s, self._limits.max_batch)
        if work:
            self._meter.batch(sum(isinstance(each.request, Act) for each in work))
            self._began_s = now_s
            self._inference.begin(work)
        return True

    def _collect(self) -> None:
        finished = self._inference.take_finished()
        for each in finished:
            self._finish(each)
        if finished and isinstance(finished[-1].admitted.request, Act):
            self._window.note_pass(self._clock.now_s() - self._began_s)

    def _finish(self, finished: Finished) -> None:
        peer, request_id = finished.admitted.peer, finished.admitted.request_id
        reply = finished.reply
        if isinstance(reply, RequestError):
            self._protocol.refuse(peer, request_id, reply.code, reply.detail)
            return
        if isinstance(reply, Swapped):
            self._protocol.actor_version = reply.version
        elif isinstance(finished.admitted.request, Act):
            self._protocol.chunks_served += 1
        self._protocol.answer(peer, request_id, reply)

    def _send_answers(self) -> None:
        for peer, request_id, message in self._protocol.take_answers():
            self._meter.answered(peer, request_id, message)
            if not self._local.deliver(peer, request_id, message):
                self._socket.send(peer, request_id, message)
