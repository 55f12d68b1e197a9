"""A policy server as seen by a robot or a learner: blocking calls that always return in time.

One thread owns the socket and keeps the conversation alive; calls from any thread hand it a request
and wait for the answer, at most until their deadline.
"""

import hashlib
import logging
import math
import queue
import secrets
import socket
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import NamedTuple, TypeVar, cast

import numpy as np
import zmq

from tmrl_common.clock import SteadyClock
from tmrl_common.codec import decode, encode
from tmrl_common.errors import (
    ClientBusyError,
    ClientClosedError,
    DeadlineExceededError,
    DecodeError,
    EncodeError,
    LocalError,
    TmrlError,
    TransportError,
)
from tmrl_common.framing import DEFAULT_LIMITS, WireLimits
from tmrl_common.messages import (
    MAX_SEED,
    Act,
    ActorSpec,
    ChunkReply,
    Encode,
    Features,
    Hello,
    Ping,
    PolicyExpectation,
    Pong,
    Reply,
    Request,
    Swap,
    Swapped,
    Welcome,
)
from tmrl_common.protocol import ClientProtocol, ClientSettings, ClientState
from tmrl_common.transport.curve import ClientSecurity, secure_client
from tmrl_common.transport.library import check_libzmq
from tmrl_common.types import FloatArray, Observation, Steering, SteeringLimits, SteeringSource

_log = logging.getLogger(__name__)

_QUEUE = 4
_RECONNECT_MS = 100
_THREAD_GRACE_S = 1.0

R = TypeVar("R", bound=Reply)


class PolicyClient:
    """Connection to a policy server. Safe to call from several threads; use as a context manager.

    The server need not be there yet, may restart and may vanish: calls fail with a
    `DeadlineExceededError` until it is back, and work again after that. The policy of the first
    welcome is demanded for the rest of the client's life.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        client: str,
        robot: str,
        expected: PolicyExpectation | None = None,
        settings: ClientSettings | None = None,
        security: ClientSecurity | None = None,
        limits: WireLimits = DEFAULT_LIMITS,
    ) -> None:
        """Starts the thread, which connects in the background.

        Args:
            endpoint: Such as "tcp://127.0.0.1:5760".
            client: Who this is, for the server's log.
            robot: Name of the arm.
            expected: What the policy served has to be; None accepts anything at first.
            settings: Pacing.
            security: Keys; needed where the server has some.
            limits: What it is willing to read.

        Raises:
            TransportError: The endpoint is not one, or libzmq is too old.
        """
        check_libzmq()
        self.endpoint = endpoint
        self._security = security
        self._limits = limits
        self._clock = SteadyClock()
        hello = Hello(client, robot, expected or PolicyExpectation())
        now_s = self._clock.now_s()
        self._protocol = ClientProtocol(hello, settings or ClientSettings(), now_s)
        self._mailbox: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._futures: dict[int, Future[Reply]] = {}
        self._closing = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._open_socket()
        except TransportError:
            self._context.term()
            raise
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.settimeout(0.0)
        self._wake_sender.settimeout(0.0)
        self._thread = threading.Thread(
            target=self._run, name=f"policy-client-{client}", daemon=True
        )
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether the server has welcomed this client and has not fallen silent."""
        return self._protocol.state is ClientState.READY

    @property
    def welcome(self) -> Welcome | None:
        """The newest welcome, with what is served; None before the first."""
        return self._protocol.welcome

    @property
    def late_replies(self) -> int:
        """Answers that came after their call had ended."""
        return self._protocol.late_replies

    def connect(self, *, deadline_s: float) -> Welcome:
        """Wait until the server has welcomed this client. The calls below need no connect before.

        Raises:
            HandshakeRefusedError: The policy served is not the one expected; names each difference.
            DeadlineExceededError: There was no welcome within `deadline_s`.
        """
        self.ping(deadline_s=deadline_s)
        return cast(Welcome, self.welcome)

    def act(
        self,
        observation: Observation,
        limits: SteeringLimits,
        steering: SteeringSource | Steering,
        *,
        deadline_s: float,
        seed: int | None = None,
    ) -> ChunkReply:
        """Ask for a chunk of actions.

        Args:
            observation: What the policy sees.
            limits: Caps to which the server clamps the steering.
            steering: Who picks z, sigma and epsilon, or the values themselves.
            deadline_s: Longest time that the call may take.
            seed: Of every random draw; None draws one, which the reply tells.

        Raises:
            DeadlineExceededError: There was no answer in time.
            RequestError: The server answered with an error; its code says which.
            HandshakeRefusedError: The policy served is not the one expected.
            LocalError: The call itself is wrong, or the client is closed.
        """
        explicit = steering if isinstance(steering, Steering) else None
        source = SteeringSource.EXPLICIT if isinstance(steering, Steering) else steering
        chosen_seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
        request = Act(observation, limits, source, explicit, chosen_seed)
        return self._call(request, ChunkReply, deadline_s)

    def encode(self, observation: Observation, *, deadline_s: float) -> FloatArray:
        """Ask for an observation's features, shape (features_dim,); raises as `act` does."""
        return self._call(Encode(observation), Features, deadline_s).features

    def swap(self, version: int, actor: ActorSpec, weights: bytes, *, deadline_s: float) -> int:
        """Hand the server a new steering actor; raises as `act` does.

        Args:
            version: Higher than every one before.
            actor: What the weights are for.
            weights: A safetensors file.
            deadline_s: Longest time that the call may take.

        Returns:
            Version that the server steers with now.
        """
        sha256 = hashlib.sha256(weights).hexdigest()
        request = Swap(version, sha256, actor, np.frombuffer(weights, dtype=np.uint8))
        return self._call(request, Swapped, deadline_s).version

    def ping(self, *, deadline_s: float) -> Pong:
        """Ask for the server's health; raises as `act` does."""
        return self._call(Ping(), Pong, deadline_s)

    def close(self) -> None:
        """End the thread; calls under way raise `ClientClosedError`. May be called twice."""
        self._closing.set()
        self._wake()
        self._thread.join()

    def __enter__(self) -> "PolicyClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, request: Request, reply_type: type[R], deadline_s: float) -> R:
        if self._closing.is_set():
            raise ClientClosedError("the policy client is closed")
        if not 0.0 < deadline_s < math.inf:
            raise LocalError(f"deadline_s is {deadline_s}; it has to be finite and above 0")
        future: Future[Reply] = Future()
        self._mailbox.put(_Call(request, self._clock.now_s() + deadline_s, future))
        self._wake()
        try:
            # The thread keeps the deadline; the grace only guards against its death.
            reply = future.result(deadline_s + _THREAD_GRACE_S)
        except TimeoutError as error:
            raise DeadlineExceededError("the client's own thread did not answer") from error
        if not isinstance(reply, reply_type):
            raise TypeError(f"the protocol let {type(reply).__name__} pass as an answer")
        return reply

    def _wake(self) -> None:
        try:
            self._wake_sender.send(b"\0")
        except OSError:
            # Full: the thread has a wake-up before it. Closed: it has ended.
            return

    def _run(self) -> None:
        """The thread: everything that touches the socket or the protocol."""
        try:
            while not self._closing.is_set():
                self._turn()
        finally:
            # Also after a fault of ours, which the thread's hook prints: no call may wait for ever.
            self._closing.set()
            self._socket.close()
            self._context.term()
            self._wake_receiver.close()
            self._wake_sender.close()
            self._fail_calls(ClientClosedError("the policy client was closed during the call"))

    def _turn(self) -> None:
        """Send, receive and report what is due, then wait for the next thing to do."""
        self._take_calls()
        self._protocol.advance(self._clock.now_s())
        if self._protocol.take_reconnect():
            self._socket.close()
            self._socket = self._open_socket()
        events = zmq.POLLIN if self._send_all() else zmq.POLLIN | zmq.POLLOUT
        self._report()
        poller = zmq.Poller()
        poller.register(self._socket, events)
        poller.register(self._wake_receiver, zmq.POLLIN)
        wait_s = self._protocol.next_event_s() - self._clock.now_s()
        ready = dict(poller.poll(max(0, math.ceil(1000.0 * wait_s))))
        if self._wake_receiver.fileno() in ready:
            self._wake_receiver.recv(4096)
        if ready.get(self._socket, 0) & zmq.POLLIN:
            self._receive_all()
            self._report()

    def _take_calls(self) -> None:
        while not self._mailbox.empty():
            call = self._mailbox.get()
            try:
                request_id = self._protocol.submit(call.request, call.deadline_at_s)
            except ClientBusyError as error:
                call.future.set_exception(error)
            else:
                self._futures[request_id] = call.future

    def _send_all(self) -> bool:
        """Sends what is due; whether all of it went out."""
        while (item := self._protocol.next_to_send(self._clock.now_s())) is not None:
            request_id, message = item
            try:
                self._socket.send_multipart(encode(request_id, message), zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            except EncodeError as error:
                self._protocol.withdraw(request_id, error)
            else:
                self._protocol.mark_sent(request_id)
        return True

    def _receive_all(self) -> None:
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            now_s = self._clock.now_s()
            try:
                request_id, message = decode([frame.buffer for frame in frames], self._limits)
            except DecodeError as error:
                _log.warning("the server sent something that is no message: %s", error)
                self._protocol.receive_undecodable(error, now_s)
            else:
                self._protocol.receive(request_id, message, now_s)

    def _report(self) -> None:
        for request_id, outcome in self._protocol.take_results():
            future = self._futures.pop(request_id)
            if isinstance(outcome, TmrlError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _fail_calls(self, error: TmrlError) -> None:
        while not self._mailbox.empty():
            self._mailbox.get().future.set_exception(error)
        for future in self._futures.values():
            future.set_exception(error)
        self._futures.clear()

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
        try:
            dealer.connect(self.endpoint)
        except zmq.ZMQError as error:
            dealer.close()
            raise TransportError(f"cannot connect to {self.endpoint}: {error.strerror}") from error
        return dealer


class _Call(NamedTuple):
    """A request on its way to the thread."""

    request: Request
    deadline_at_s: float
    future: Future[Reply]
