"""A policy server as seen by a robot or a learner: blocking calls that always return in time."""

import hashlib
import math
import secrets
from typing import TypeVar, cast

import numpy as np

from tmrl_common.candidates import CandidateRequest
from tmrl_common.closeable import Closeable
from tmrl_common.desk_messages import Offer, Parcel, Report, Wanted
from tmrl_common.errors import LocalError
from tmrl_common.framing import DEFAULT_LIMITS, WireLimits
from tmrl_common.messages import (
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
    no_actions,
)
from tmrl_common.protocol import ClientSettings, ClientState
from tmrl_common.transport.connection import ClientConnection
from tmrl_common.transport.curve import ClientSecurity
from tmrl_common.transport.library import check_libzmq
from tmrl_common.types import (
    MAX_SEED,
    FloatArray,
    Observation,
    Steering,
    SteeringLimits,
    SteeringSource,
)

R = TypeVar("R", bound=Reply)


class PolicyClient(Closeable):
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
            expected: What the policy served must be; None accepts anything at first.
            settings: Pacing.
            security: Keys; needed where the server has some.
            limits: What it is willing to read.

        Raises:
            TransportError: The endpoint is not one, or libzmq is too old.
        """
        check_libzmq()
        self.endpoint = endpoint
        hello = Hello(client, robot, expected or PolicyExpectation())
        self._connection = ClientConnection(
            endpoint, hello, settings or ClientSettings(), security, limits
        )

    @property
    def connected(self) -> bool:
        """Whether the server has welcomed this client and has not fallen silent."""
        return self._connection.protocol.state is ClientState.READY

    @property
    def welcome(self) -> Welcome | None:
        """The newest welcome, with what is served; None before the first."""
        return self._connection.protocol.welcome

    @property
    def late_replies(self) -> int:
        """Answers that came after their call had ended."""
        return self._connection.protocol.late_replies

    def connect(self, *, deadline_s: float) -> Welcome:
        """Waits until the server has welcomed this client. The calls below need no connect before.

        Raises:
            HandshakeRefusedError: The policy served is not the one expected, or the keys do not
                fit; names what differs.
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
        committed: FloatArray | None = None,
        candidates: CandidateRequest | None = None,
    ) -> ChunkReply:
        """Asks for a chunk of actions.

        Args:
            observation: What the policy sees.
            limits: Caps to which the server clamps the steering.
            steering: Who picks z, sigma and epsilon, or the values themselves.
            deadline_s: Longest time that the call may take.
            seed: Of every random draw; None draws one, which the reply tells.
            committed: Actions that the chunk begins with, see `Act`; None for none.
            candidates: Which candidates are wanted beside the chunk.

        Raises:
            DeadlineExceededError: There was no answer in time.
            RequestError: The server answered with an error; its code says which.
            HandshakeRefusedError: The policy served is not the one expected.
            LocalError: The call itself is wrong, or the client is closed.
        """
        explicit = steering if isinstance(steering, Steering) else None
        source = SteeringSource.EXPLICIT if isinstance(steering, Steering) else steering
        chosen_seed = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
        request = Act(
            observation,
            limits,
            source,
            explicit,
            chosen_seed,
            committed=no_actions() if committed is None else committed,
            candidates=candidates,
        )
        return self._call(request, ChunkReply, deadline_s)

    def encode(self, observation: Observation, *, deadline_s: float) -> FloatArray:
        """Asks for an observation's features, shape (features_dim,); raises as `act` does."""
        return self._call(Encode(observation), Features, deadline_s).features

    def look(
        self,
        observation: Observation,
        candidates: CandidateRequest | None,
        *,
        deadline_s: float,
    ) -> Features:
        """Asks for an observation's features, and for candidates where some are wanted.

        Args:
            observation: What the policy would see.
            candidates: Which candidates are wanted beside the features.
            deadline_s: Longest time that the call may take.
        """
        return self._call(Encode(observation, candidates=candidates), Features, deadline_s)

    def swap(self, version: int, actor: ActorSpec, weights: bytes, *, deadline_s: float) -> int:
        """Hands the server a new steering actor; raises as `act` does.

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

    def offer(self, offer: Offer, *, deadline_s: float) -> Wanted:
        """Tells what a robot's journal holds, and asks what the learner wants; raises as `act`."""
        return self._call(offer, Wanted, deadline_s)

    def report(self, report: Report, *, deadline_s: float) -> Parcel:
        """Tells how a learner stands, and asks for what it wants; raises as `act` does."""
        return self._call(report, Parcel, deadline_s)

    def ping(self, *, deadline_s: float) -> Pong:
        """Asks for the server's health; raises as `act` does."""
        return self._call(Ping(), Pong, deadline_s)

    def close(self) -> None:
        """Ends the thread; calls in flight raise `ClientClosedError`. May be called twice."""
        self._connection.close()

    def _call(self, request: Request, reply_type: type[R], deadline_s: float) -> R:
        if not 0.0 < deadline_s < math.inf:
            raise LocalError(f"deadline_s is {deadline_s}; it must be finite and above 0")
        reply = self._connection.call(request, deadline_s)
        if not isinstance(reply, reply_type):
            raise TypeError(f"the protocol let {type(reply).__name__} pass as an answer")
        return reply
