"""A client's connection: its socket, its conversation, and who may touch them.

Whoever holds the turn, and nobody else, touches them. A call takes the turn while nobody has it and
moves its own request and answer: a hand-over to another thread and back would cost more than all
the rest on this side. While somebody has the turn, a call hands its request to that thread and
waits. A thread of the connection's own takes the turn when there is something to do and no call to
do it: greeting, heartbeats, and calls that are left over.
"""

import logging
import math
import queue
import socket
import threading
from typing import cast

import zmq

from tmrl_common.clock import SteadyClock
from tmrl_common.codec import decode, encode
from tmrl_common.errors import (
    ClientBusyError,
    ClientClosedError,
    DeadlineExceededError,
    DecodeError,
    EncodeError,
    TmrlError,
    TransportError,
)
from tmrl_common.framing import WireLimits
from tmrl_common.messages import Hello, Reply, Request
from tmrl_common.protocol import ClientProtocol, ClientSettings, ClientState
from tmrl_common.transport.curve import ClientSecurity, secure_client
from tmrl_common.transport.handshake_monitor import HandshakeMonitor
from tmrl_common.transport.multipart import send_frames

_log = logging.getLogger(__name__)

_QUEUE = 16
"""More than can be in flight. A queue that is nearly full wakes its ends again and again."""
_RECONNECT_MS = 100
_POLLIN, _POLLOUT, _NOBLOCK = int(zmq.POLLIN), int(zmq.POLLOUT), int(zmq.NOBLOCK)
_THREAD_GRACE_S = 1.0
_CLOSED = "the policy client was closed during the call"


class ClientConnection:
    """Carries calls of any thread to a server and their outcomes back, always in time.

    Attributes:
        protocol: The conversation; others may read it.
    """

    def __init__(
        self,
        endpoint: str,
        hello: Hello,
        settings: ClientSettings,
        security: ClientSecurity | None,
        limits: WireLimits,
    ) -> None:
        """Starts the thread, which connects in the background; see `PolicyClient`.

        Raises:
            TransportError: The endpoint is not one.
        """
        self._endpoint = endpoint
        self._security = security
        self._limits = limits
        self._clock = SteadyClock()
        self.protocol = ClientProtocol(hello, settings, self._clock.now_s())
        self._mailbox: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._calls: dict[int, _Call] = {}
        self._closing = threading.Event()
        self._turn = threading.Lock()
        self._left_over = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._open_socket()
        except TransportError:
            self._context.term()
            raise
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.settimeout(0.0)
        self._wake_sender.settimeout(0.0)
        self._poller = zmq.Poller()
        self._poller.register(self._wake_receiver, _POLLIN)
        self._events = 0
        self._hears_handshake = False
        name = f"policy-client-{hello.client}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, request: Request, deadline_s: float) -> Reply:
        """Sends a request and waits for its answer, at most until the deadline.

        Raises:
            TmrlError: There is no answer; says why.
        """
        if self._closing.is_set():
            raise ClientClosedError("the policy client is closed")
        call = _Call(request, self._clock.now_s() + deadline_s)
        if self._turn.acquire(blocking=False):
            self._drive(call)
        else:
            self._hand_over(call, deadline_s)
        if call.outcome is None or isinstance(call.outcome, TmrlError):
            raise call.outcome or ClientClosedError(_CLOSED)
        return call.outcome

    def close(self) -> None:
        """Ends the thread; calls in flight raise `ClientClosedError`. May be called twice."""
        self._closing.set()
        self._left_over.set()
        self._wake()
        self._thread.join()

    def _drive(self, call: "_Call") -> None:
        """Moves bytes until the call has ended; the caller has taken the turn, which ends here."""
        try:
            self._submit(call)
            while call.outcome is None and not self._closing.is_set():
                self._advance()
            if call.outcome is None:
                self._fail_calls(ClientClosedError(_CLOSED))
        finally:
            self._turn.release()
            if self._has_work():
                self._left_over.set()

    def _hand_over(self, call: "_Call", deadline_s: float) -> None:
        """Lets whoever has the turn move the bytes of a call."""
        call.ended = threading.Event()
        self._mailbox.put(call)
        self._wake()
        # The turn may have ended before the call was in the mailbox.
        self._left_over.set()
        # Whoever has the turn keeps the deadline; the grace only guards against its death.
        if not call.ended.wait(deadline_s + _THREAD_GRACE_S):
            raise DeadlineExceededError("the client's own thread did not answer")

    def _wake(self) -> None:
        try:
            self._wake_sender.send(b"\0")
        except OSError:
            # Full: whoever waits has a wake-up before it. Closed: nobody waits any more.
            return

    def _run(self) -> None:
        """The thread: whatever no call does."""
        try:
            while not self._closing.is_set():
                with self._turn:
                    self.protocol.advance(self._clock.now_s())
                    while self._has_work() and not self._closing.is_set():
                        self._advance()
                    wait_s = self.protocol.next_event_s() - self._clock.now_s()
                if not self._has_work():
                    self._left_over.wait(max(0.0, wait_s))
                self._left_over.clear()
        finally:
            # Also after a fault of ours, which the thread's hook prints: no call may wait for ever.
            self._closing.set()
            self._wake()
            with self._turn:
                self._monitor.close()
                self._socket.close()
                self._context.term()
                self._wake_receiver.close()
                self._wake_sender.close()
                self._fail_calls(ClientClosedError(_CLOSED))

    def _has_work(self) -> bool:
        return bool(self._calls) or not self._mailbox.empty() or not self.protocol.at_rest

    def _advance(self) -> None:
        """Sends, receive and reports what is due, and waits for the next thing to do in between."""
        self._take_calls()
        self.protocol.advance(self._clock.now_s())
        if self.protocol.take_reconnect():
            self._watch(0)
            self._hear_handshake(wanted=False)
            self._monitor.close()
            self._socket.close()
            self._socket = self._open_socket()
        self._watch(_POLLIN if self._send_all() else _POLLIN | _POLLOUT)
        self._hear_handshake(wanted=self.protocol.state is ClientState.GREETING)
        self._report()
        wait_s = self.protocol.next_event_s() - self._clock.now_s()
        for ready, events in self._poller.poll(max(0, math.ceil(1000.0 * wait_s))):
            if ready is self._monitor.socket:
                if trouble := self._monitor.trouble():
                    self.protocol.refuse_keys(trouble)
            elif ready is not self._socket:
                self._wake_receiver.recv(4096)
            elif events & _POLLIN:
                self._receive_all()
        self._report()

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._poller.register(self._socket, events)
            self._events = events

    def _hear_handshake(self, *, wanted: bool) -> None:
        """Listens only while there is no welcome: afterwards it would cost every call something."""
        if wanted != self._hears_handshake:
            self._hears_handshake = wanted
            self._poller.register(self._monitor.socket, _POLLIN if wanted else 0)

    def _take_calls(self) -> None:
        while not self._mailbox.empty():
            self._submit(self._mailbox.get())

    def _submit(self, call: "_Call") -> None:
        try:
            request_id = self.protocol.submit(call.request, call.deadline_at_s)
        except ClientBusyError as error:
            call.end(error)
        else:
            self._calls[request_id] = call

    def _send_all(self) -> bool:
        """Sends what is due; whether all of it went out."""
        while (item := self.protocol.next_to_send(self._clock.now_s())) is not None:
            request_id, message = item
            try:
                # Copied: to learn when a frame is out would take a thread, which costs more.
                send_frames(self._socket, encode(request_id, message))
            except zmq.Again:
                return False
            except EncodeError as error:
                self.protocol.withdraw(request_id, error)
            else:
                self.protocol.mark_sent(request_id)
        return True

    def _receive_all(self) -> None:
        more = True
        while more:
            # Answers are small: copying them costs less than keeping track of frames.
            frames = self._socket.recv_multipart(_NOBLOCK)
            more = bool(cast(int, self._socket.getsockopt(zmq.EVENTS)) & _POLLIN)
            now_s = self._clock.now_s()
            try:
                request_id, message = decode(frames, self._limits)
            except DecodeError as error:
                _log.warning("the server sent something that is no message: %s", error)
                self.protocol.receive_undecodable(error, now_s)
            else:
                self.protocol.receive(request_id, message, now_s)

    def _report(self) -> None:
        for request_id, outcome in self.protocol.take_results():
            self._calls.pop(request_id).end(outcome)

    def _fail_calls(self, error: TmrlError) -> None:
        while not self._mailbox.empty():
            self._mailbox.get().end(error)
        for call in self._calls.values():
            call.end(error)
        self._calls.clear()

    def _open_socket(self) -> "zmq.Socket[bytes]":
        """A fresh connection; what was queued for an older one is gone."""
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.SNDHWM, _QUEUE)
        dealer.setsockopt(zmq.RCVHWM, _QUEUE)
        dealer.setsockopt(zmq.IMMEDIATE, 1)
        dealer.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        dealer.setsockopt(zmq.MAXMSGSIZE, self._limits.message_bytes)
        secure_client(dealer, self._security)
        self._monitor = HandshakeMonitor(dealer, self._endpoint, self._security)
        try:
            dealer.connect(self._endpoint)
        except zmq.ZMQError as error:
            self._monitor.close()
            dealer.close()
            raise TransportError(f"cannot connect to {self._endpoint}: {error.strerror}") from error
        return dealer


class _Call:
    """A request in flight.

    Attributes:
        request: What is asked.
        deadline_at_s: Until when, steady clock.
        outcome: The answer, or why there is none; None until then.
        ended: Set with the outcome, where another thread waits for it.
    """

    def __init__(self, request: Request, deadline_at_s: float) -> None:
        """Begins without an outcome."""
        self.request = request
        self.deadline_at_s = deadline_at_s
        self.outcome: Reply | TmrlError | None = None
        self.ended: threading.Event | None = None

    def end(self, outcome: Reply | TmrlError) -> None:
        """Notes the outcome."""
        self.outcome = outcome
        if self.ended is not None:
            self.ended.set()
