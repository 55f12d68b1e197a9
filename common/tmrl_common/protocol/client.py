"""The client's side: greeting, pairing answers with requests, deadlines, noticing a dead server.

The rules:

1. Nothing but hello is sent until the server has welcomed this connection; requests wait.
2. Every request ends exactly once: with its answer, with an error, or at its deadline. An answer
   that comes later is dropped and counted.
3. A server that stays silent is greeted again on a fresh connection, so that nothing queued for the
   old one is ever delivered. The policy of the first welcome is demanded from then on: a server
   that restarts with another one is refused.
4. A server that says that it is loading is greeted again with each heartbeat; requests wait.
"""

import dataclasses
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import NamedTuple, cast

from tmrl_common.errors import (
    ClientBusyError,
    DeadlineExceededError,
    DecodeError,
    ErrorCode,
    HandshakeRefusedError,
    RemoteError,
    RequestError,
    TmrlError,
)
from tmrl_common.messages import (
    REPLY_TYPES,
    Act,
    Encode,
    ErrorReply,
    Hello,
    Message,
    Ping,
    PolicyExpectation,
    Pong,
    Reply,
    Request,
    Welcome,
)

_REFUSALS = (ErrorCode.SPEC_MISMATCH, ErrorCode.UNSUPPORTED_VERSION, ErrorCode.WRONG_ROBOT)
_RESTARTED = (ErrorCode.NO_HANDSHAKE, ErrorCode.LOADING)
"""What a server answers that does not know this connection."""


class ClientState(Enum):
    """Where the conversation stands."""

    GREETING = auto()
    """Hello is to be sent, or waits for its answer."""
    READY = auto()
    """The server has welcomed this connection."""
    WAITING = auto()
    """The server is loading; greeted again after a heartbeat."""
    REFUSED = auto()
    """The two sides do not fit; greeted again after a while, in case the server is replaced."""


@dataclass(frozen=True)
class ClientSettings:
    """Pacing of a client.

    Attributes:
        heartbeat_s: Silence after which a ping is sent; also the wait between two greetings of a
            server that is loading.
        lost_after_s: Silence after which the server counts as lost and is greeted again; also the
            wait between two greetings.
        max_pending: Most requests in flight.
    """

    heartbeat_s: float = 1.0
    lost_after_s: float = 3.0
    max_pending: int = 8

    def __post_init__(self) -> None:
        """Refuses pacing that could not work.

        Raises:
            ValueError: The message names the field and its limit.
        """
        if not 0.0 < self.heartbeat_s < self.lost_after_s:
            raise ValueError(
                f"heartbeat_s is {self.heartbeat_s}; it must lie above 0 and below "
                f"lost_after_s, which is {self.lost_after_s}"
            )
        if self.max_pending < 1:
            raise ValueError(f"max_pending is {self.max_pending}; it must be at least 1")


@dataclass
class _Pending:
    """A request in flight."""

    request: Request
    deadline_at_s: float
    sent: bool = False


class Result(NamedTuple):
    """How a request ended.

    Attributes:
        request_id: As `ClientProtocol.submit` returned it.
        outcome: The answer, or why there is none.
    """

    request_id: int
    outcome: Reply | TmrlError


class ClientProtocol:
    """State of one client's conversation. Every method takes the time; none blocks.

    Attributes:
        state: Where the conversation stands.
        welcome: The newest welcome; None before the first.
        late_replies: Answers that came after their request had ended.
    """

    def __init__(self, hello: Hello, settings: ClientSettings, now_s: float) -> None:
        """Starts greeting."""
        self.state = ClientState.GREETING
        self.welcome: Welcome | None = None
        self.late_replies = 0
        self._hello = hello
        self._settings = settings
        self._refusal: RemoteError | None = None
        self._loading = ""
        self._next_id = 1
        self._pending: dict[int, _Pending] = {}
        self._results: list[Result] = []
        self._hello_id = 0
        self._hello_sent = False
        self._ping_id = 0
        self._ping_sent = False
        self._last_heard_s = now_s
        self._reconnect = False

    @property
    def at_rest(self) -> bool:
        """Whether nothing is to be sent or expected before `next_event_s`."""
        return self.state is ClientState.READY and not self._pending and self._ping_id == 0

    def submit(self, request: Request, deadline_at_s: float) -> int:
        """Takes a request on.

        Returns:
            Its id, under which `take_results` reports how it ended.

        Raises:
            ClientBusyError: `max_pending` requests are in flight.
        """
        if len(self._pending) >= self._settings.max_pending:
            raise ClientBusyError(
                f"{len(self._pending)} requests are in flight, which is the most for one client; "
                "wait for their answers"
            )
        request_id = self._new_id()
        self._pending[request_id] = _Pending(request, deadline_at_s)
        return request_id

    def next_to_send(self, now_s: float) -> tuple[int, Message] | None:
        """What to send now; call `mark_sent` once it is out. None: nothing."""
        if self.state is not ClientState.READY:
            if self._hello_sent or self.state is not ClientState.GREETING:
                return None
            self._hello_id = self._hello_id or self._new_id()
            return self._hello_id, self._hello
        for request_id, pending in self._pending.items():
            if not pending.sent:
                return request_id, _with_budget(pending.request, pending.deadline_at_s - now_s)
        if self._ping_id and not self._ping_sent:
            return self._ping_id, Ping()
        return None

    def mark_sent(self, request_id: int) -> None:
        """Notes that what `next_to_send` named is out."""
        if request_id == self._hello_id:
            self._hello_sent = True
        elif request_id == self._ping_id:
            self._ping_sent = True
        elif request_id in self._pending:
            self._pending[request_id].sent = True

    def withdraw(self, request_id: int, error: TmrlError) -> None:
        """Ends a request that cannot be sent at all.

        Raises:
            TmrlError: It was not a caller's request but hello or ping.
        """
        if request_id not in self._pending:
            raise error
        self._finish(request_id, error)

    def receive(self, request_id: int, message: Message, now_s: float) -> None:
        """Takes in a message from the server."""
        self._last_heard_s = now_s
        pending = self._pending.get(request_id)
        if request_id == self._hello_id and self.state is ClientState.GREETING:
            self._receive_greeting(message, now_s)
        elif request_id == self._ping_id:
            self._receive_heartbeat(message, now_s)
        elif pending is None:
            self.late_replies += 1
        elif isinstance(message, ErrorReply) and message.code in _RESTARTED:
            # The request goes out again after the next welcome.
            if self.state is ClientState.READY:
                self._greet_anew(now_s)
        elif isinstance(message, ErrorReply):
            self._finish(request_id, RequestError(message.code, message.message))
        elif type(message) is REPLY_TYPES[type(pending.request)]:
            self._finish(request_id, cast(Reply, message))
        else:
            names = type(pending.request).__name__, type(message).__name__
            detail = "the server answered {} with {}".format(*names)
            self._finish(request_id, RequestError(ErrorCode.MALFORMED, detail))

    def receive_undecodable(self, error: DecodeError, now_s: float) -> None:
        """Takes in that the server sent something that is no message of this version."""
        self._last_heard_s = now_s
        if self.state is ClientState.GREETING and error.code is ErrorCode.UNSUPPORTED_VERSION:
            self._refuse(HandshakeRefusedError(error.code, error.detail))
        elif error.request_id in self._pending:
            self._finish(error.request_id, error)

    def refuse_keys(self, why: str) -> None:
        """Takes in that the encryption does not come about; a welcome has proved otherwise."""
        if self.state is ClientState.GREETING:
            self._refuse(HandshakeRefusedError(ErrorCode.KEYS_REFUSED, why))

    def advance(self, now_s: float) -> None:
        """Lets time pass: ends requests whose deadline is over, pings, notices a silent server."""
        for request_id, pending in list(self._pending.items()):
            if now_s >= pending.deadline_at_s:
                detail = self._why_late(pending, now_s)
                self._finish(request_id, DeadlineExceededError(detail, self._loading))
        silence_s = now_s - self._last_heard_s
        if silence_s >= self._settings.lost_after_s:
            self._reconnect, self._loading = True, ""
            self._greet_anew(now_s)
        elif self.state is ClientState.WAITING and silence_s >= self._settings.heartbeat_s:
            self._greet_anew(now_s)
        elif self.state is ClientState.READY and silence_s >= self._settings.heartbeat_s:
            if self._ping_id == 0:
                self._ping_id, self._ping_sent = self._new_id(), False
        elif self.state is ClientState.REFUSED:
            self._fail_all()

    def next_event_s(self) -> float:
        """When `advance` has something to do, unless something arrives before."""
        quiet_s = self._settings.lost_after_s
        ready = self.state is ClientState.READY and self._ping_id == 0
        if ready or self.state is ClientState.WAITING:
            quiet_s = self._settings.heartbeat_s
        deadlines = [pending.deadline_at_s for pending in self._pending.values()]
        return min([self._last_heard_s + quiet_s, *deadlines])

    def take_results(self) -> list[Result]:
        """How requests ended since the last call."""
        results, self._results = self._results, []
        return results

    def take_reconnect(self) -> bool:
        """Whether the shell must replace the connection by a fresh one; asked once."""
        reconnect, self._reconnect = self._reconnect, False
        return reconnect

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _receive_greeting(self, message: Message, now_s: float) -> None:
        if isinstance(message, Welcome):
            self.welcome = message
            self.state, self._refusal, self._loading = ClientState.READY, None, ""
            self._hello = dataclasses.replace(
                self._hello, expected=PolicyExpectation.exactly(message.spec)
            )
        elif isinstance(message, ErrorReply) and message.code in _REFUSALS:
            self._refuse(HandshakeRefusedError(message.code, message.message))
        elif isinstance(message, ErrorReply) and message.code is ErrorCode.LOADING:
            self.state, self._loading = ClientState.WAITING, message.message
        else:
            self._greet_anew(now_s)

    def _receive_heartbeat(self, message: Message, now_s: float) -> None:
        self._ping_id = 0
        restarted = isinstance(message, ErrorReply) or (
            isinstance(message, Pong)
            and self.welcome is not None
            and message.epoch != self.welcome.epoch
        )
        if restarted and self.state is ClientState.READY:
            self._greet_anew(now_s)

    def _refuse(self, refusal: RemoteError) -> None:
        self.state, self._refusal = ClientState.REFUSED, refusal
        self._fail_all()

    def _fail_all(self) -> None:
        if self._refusal is not None:
            for request_id in list(self._pending):
                self._finish(request_id, self._refusal)

    def _greet_anew(self, now_s: float) -> None:
        self.state = ClientState.GREETING
        self._hello_id, self._hello_sent = 0, False
        self._ping_id = 0
        self._last_heard_s = now_s
        for pending in self._pending.values():
            pending.sent = False

    def _finish(self, request_id: int, outcome: Reply | TmrlError) -> None:
        del self._pending[request_id]
        self._results.append(Result(request_id, outcome))

    def _why_late(self, pending: _Pending, now_s: float) -> str:
        if self._loading:
            return f"the server is there and not ready yet: {self._loading}"
        if self.welcome is None:
            return "the server was never reached; check that it runs, its address and the keys"
        if not pending.sent:
            return "the connection to the server is lost; it is being tried again"
        silence_s = now_s - self._last_heard_s
        return f"no answer in time; the server was last heard {silence_s:.1f} s ago"


def _with_budget(request: Request, budget_s: float) -> Request:
    """The request with the time that is left; kinds that carry none as they are."""
    return replace(request, budget_s=budget_s) if isinstance(request, Act | Encode) else request
