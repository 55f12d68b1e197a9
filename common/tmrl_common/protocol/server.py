"""The server's side: who has been greeted, what is admitted, what has expired.

Hello and ping are answered at once, and so is what passes between a journal and a learner, which
inference has no part in. Of each client at most one act, one encode and one swap wait;
a newer one takes the place of the older, which is answered with SUPERSEDED. So the work that waits
is bounded by the number of clients, and an arm never gets a chunk for an observation that it has
already replaced.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tmrl_common.candidates import ActionUnits
from tmrl_common.desk_messages import Offer, Report
from tmrl_common.errors import DecodeError, ErrorCode
from tmrl_common.messages import (
    Act,
    Encode,
    ErrorReply,
    Hello,
    Message,
    Ping,
    Pong,
    Reply,
    Swap,
    Welcome,
)
from tmrl_common.protocol.desk import DeskError, LearnerDesk
from tmrl_common.protocol.handshake import mismatches
from tmrl_common.types import PolicySpec

_log = logging.getLogger(__name__)

Work = Act | Encode | Swap


@dataclass(frozen=True)
class ServerSettings:
    """Bounds of a server.

    Attributes:
        max_clients: Connections remembered; beyond, the one that was quiet longest is forgotten and
            must greet again.
        log_malformed_every: Of how many broken messages one is logged.
    """

    max_clients: int = 64
    log_malformed_every: int = 1000


@dataclass(frozen=True)
class ServerIdentity:
    """What the server says about itself.

    Attributes:
        server: Its name.
        epoch: Identifies this life of the process.
        spec: What it serves.
        units: Of the policy's actions; None where they are not known.
    """

    server: str
    epoch: str
    spec: PolicySpec
    units: ActionUnits | None = None


class Admitted(NamedTuple):
    """Work that a client waits for.

    Attributes:
        peer: Connection that asked.
        request_id: Of the request.
        request: The work.
        received_at_s: When it came, steady clock.
    """

    peer: bytes
    request_id: int
    request: Work
    received_at_s: float


class Answer(NamedTuple):
    """A message to send.

    Attributes:
        peer: Connection to send it to.
        request_id: Of the request that it answers.
        message: The answer.
    """

    peer: bytes
    request_id: int
    message: Reply


class ServerProtocol:
    """State of a server's conversations. Every method takes the time; none blocks.

    Attributes:
        actor_version: What welcome and pong tell; the server sets it after a swap.
        chunks_served: Chunks answered since the start.
        requests_refused: Errors answered since the start.
        busy_since_s: When the work in progress began, steady clock; None where there is none. The
            server sets it; pong tells for how long.
    """

    def __init__(self, identity: ServerIdentity, settings: ServerSettings, now_s: float) -> None:
        """Starts without clients."""
        self.actor_version = 0
        self.chunks_served = 0
        self.requests_refused = 0
        self.busy_since_s: float | None = None
        self._identity = identity
        self._settings = settings
        self._started_at_s = now_s
        self._greeted: OrderedDict[bytes, None] = OrderedDict()
        self._waiting: dict[tuple[bytes, type[Work]], Admitted] = {}
        self._answers: list[Answer] = []
        self._malformed = 0
        self._desk = LearnerDesk()

    def receive(
        self, peer: bytes, request_id: int, message: Message, now_s: float, owner: str = ""
    ) -> None:
        """Takes in a message of a client.

        Args:
            peer: Connection that it came from.
            request_id: Of the request.
            message: The message.
            now_s: Steady clock.
            owner: Robot that the key of the connection belongs to; empty for a key that may speak
                for any.
        """
        if owner and isinstance(message, Hello | Offer | Report) and message.robot != owner:
            self._refuse_robot(peer, request_id, message.robot, owner)
        elif isinstance(message, Hello):
            self._greet(peer, request_id, message)
        elif isinstance(message, Ping):
            self.answer(peer, request_id, self._pong(now_s))
        elif not isinstance(message, Act | Encode | Swap | Offer | Report):
            detail = f"{type(message).__name__} is not a request"
            self.refuse(peer, request_id, ErrorCode.UNKNOWN_KIND, detail)
        elif peer not in self._greeted:
            self.refuse(peer, request_id, ErrorCode.NO_HANDSHAKE, ErrorCode.NO_HANDSHAKE.sentence)
        elif isinstance(message, Offer | Report):
            self._pass_on(peer, request_id, message, now_s)
        else:
            self._admit(Admitted(peer, request_id, message, now_s))

    def _refuse_robot(self, peer: bytes, request_id: int, robot: str, owner: str) -> None:
        detail = (
            f"the key is that of robot {owner}, and a message speaks for {robot}: start the rig "
            f"with robot:={owner}, or use a key whose line in the server's allow-list ends in "
            f"robot={robot}"
        )
        _log.warning("refused: %s", detail)
        self.refuse(peer, request_id, ErrorCode.WRONG_ROBOT, detail)

    def _pass_on(self, peer: bytes, request_id: int, message: Offer | Report, now_s: float) -> None:
        try:
            self.answer(peer, request_id, self._desk.take(message, now_s))
        except DeskError as error:
            self.refuse(peer, request_id, ErrorCode.BAD_REQUEST, str(error))

    def receive_undecodable(self, peer: bytes, error: DecodeError) -> None:
        """Takes in bytes that are no message; they cost an answer and, at times, a line."""
        if self._malformed % self._settings.log_malformed_every == 0:
            _log.warning("broken message %d of some client: %s", self._malformed + 1, error)
        self._malformed += 1
        self.refuse(peer, error.request_id, error.code, error.detail)

    @property
    def waiting(self) -> Sequence[Admitted]:
        """Work that waits, oldest first."""
        return tuple(self._waiting.values())

    def take_work(self, now_s: float, most_acts: int | None = None) -> list[Admitted]:
        """Work to be done now, swaps first; what has expired is answered instead.

        Args:
            now_s: Steady clock.
            most_acts: Most requests for chunks to take, oldest first; the others keep waiting.
                None takes all.
        """
        work: list[Admitted] = []
        acts = 0
        for key, admitted in list(self._waiting.items()):
            is_act = isinstance(admitted.request, Act)
            if self._expired(admitted, now_s):
                del self._waiting[key]
            elif not is_act or most_acts is None or acts < most_acts:
                acts += is_act
                del self._waiting[key]
                work.append(admitted)
        return sorted(work, key=lambda each: isinstance(each.request, Act))

    def _expired(self, admitted: Admitted, now_s: float) -> bool:
        """Whether a request has run out of time; it is answered then."""
        if isinstance(admitted.request, Swap):
            return False
        waited_s, budget_s = now_s - admitted.received_at_s, admitted.request.budget_s
        if waited_s < budget_s:
            return False
        detail = f"it had {budget_s:.3f} s left and waited {waited_s:.3f} s"
        self.refuse(admitted.peer, admitted.request_id, ErrorCode.DEADLINE_EXPIRED, detail)
        return True

    def answer(self, peer: bytes, request_id: int, message: Reply) -> None:
        """Puts an answer out for sending."""
        self._answers.append(Answer(peer, request_id, message))

    def refuse(self, peer: bytes, request_id: int, code: ErrorCode, detail: str) -> None:
        """Answers with an error."""
        self.requests_refused += 1
        self.answer(peer, request_id, ErrorReply(code, detail))

    def take_answers(self) -> list[Answer]:
        """What is to be sent since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def _greet(self, peer: bytes, request_id: int, hello: Hello) -> None:
        differences = mismatches(hello.expected, self._identity.spec)
        if differences:
            self._greeted.pop(peer, None)
            detail = "; ".join(differences)
            _log.warning("refused %s of robot %s: %s", hello.client, hello.robot, detail)
            self.refuse(peer, request_id, ErrorCode.SPEC_MISMATCH, detail)
            return
        self._greeted[peer] = None
        self._greeted.move_to_end(peer)
        if len(self._greeted) > self._settings.max_clients:
            self._greeted.popitem(last=False)
        _log.info("welcomed %s of robot %s", hello.client, hello.robot)
        identity = self._identity
        welcome = Welcome(
            identity.server, identity.epoch, identity.spec, self.actor_version, identity.units
        )
        self.answer(peer, request_id, welcome)

    def _admit(self, admitted: Admitted) -> None:
        self._greeted.move_to_end(admitted.peer)
        key = (admitted.peer, type(admitted.request))
        older = self._waiting.pop(key, None)
        if older is not None:
            detail = f"request {admitted.request_id} of the same client took its place"
            self.refuse(older.peer, older.request_id, ErrorCode.SUPERSEDED, detail)
        self._waiting[key] = admitted

    def _pong(self, now_s: float) -> Pong:
        return Pong(
            self._identity.epoch,
            self.actor_version,
            now_s - self._started_at_s,
            self.chunks_served,
            self.requests_refused,
            0.0 if self.busy_since_s is None else now_s - self.busy_since_s,
        )
