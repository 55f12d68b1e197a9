"""The one thread that asks the policy server, so that no callback of the node ever waits for it."""

import queue
from collections.abc import Callable
from typing import Protocol

from tmrl_agent.probe import Probe
from tmrl_agent.requests import (
    Answer,
    AskChunk,
    AskFeatures,
    ChunkAnswer,
    Connection,
    FailedAnswer,
    FeaturesAnswer,
)
from tmrl_common.candidates import CandidateRequest
from tmrl_common.checked_thread import CheckedThread
from tmrl_common.clock import Clock
from tmrl_common.errors import ClientClosedError, LocalError, TmrlError
from tmrl_common.messages import ChunkReply, Features, Pong, Welcome
from tmrl_common.types import (
    FloatArray,
    Observation,
    Steering,
    SteeringLimits,
    SteeringSource,
)

_WATCH_PERIOD_S = 0.5
_PING_DEADLINE_S = 1.0


class PolicyServer(Protocol):
    """What the thread needs of `tmrl_common.transport.client.PolicyClient`."""

    @property
    def connected(self) -> bool:
        """Whether the server has welcomed this client and has not fallen silent."""
        ...

    @property
    def welcome(self) -> Welcome | None:
        """The newest welcome; None before the first."""
        ...

    def act(
        self,
        observation: Observation,
        limits: SteeringLimits,
        steering: SteeringSource | Steering,
        *,
        deadline_s: float,
        seed: int,
        committed: FloatArray | None = None,
        candidates: CandidateRequest | None = None,
    ) -> ChunkReply:
        """A chunk of actions."""
        ...

    def look(
        self,
        observation: Observation,
        candidates: CandidateRequest | None,
        *,
        deadline_s: float,
    ) -> Features:
        """Features."""
        ...

    def ping(self, *, deadline_s: float) -> Pong:
        """The server's health."""
        ...

    def close(self) -> None:
        """Ends every call in flight."""
        ...


class InferenceThread:
    """Asks the policy server one request at a time, and watches the connection in between.

    Args:
        server: The policy server; it belongs to this thread, which closes it.
        deadline_s: Longest wait for an answer.
        clock: Steady clock.
        deliver: Called in this thread with every answer; hands it over to the node's thread.
    """

    def __init__(
        self,
        server: PolicyServer,
        deadline_s: float,
        clock: Clock,
        deliver: Callable[[Answer], None],
    ) -> None:
        self._server = server
        self._deadline_s = deadline_s
        self._clock = clock
        self._deliver = deliver
        self._requests: queue.SimpleQueue[AskChunk | AskFeatures | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._thread = CheckedThread(self._run, "inference")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def ask(self, request: AskChunk | AskFeatures) -> None:
        """Hands a request to the thread."""
        self._requests.put(request)

    def check(self) -> None:
        """Raises what ended the thread, if something has; to be called regularly."""
        self._thread.check()

    def close(self) -> None:
        """Ends the thread and every call in flight."""
        self._requests.put(None)
        self._server.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._watch()
            while True:
                try:
                    request = self._requests.get(timeout=_WATCH_PERIOD_S)
                except queue.Empty:
                    self._watch()
                    continue
                if request is None:
                    return
                self._deliver(self._answer(request))
                self._watch()
        except ClientClosedError:
            return

    def _answer(self, request: AskChunk | AskFeatures) -> Answer:
        start_s = self._clock.now_s()
        try:
            if isinstance(request, AskFeatures):
                seen = self._server.look(
                    request.observation, request.candidates, deadline_s=self._deadline_s
                )
                return FeaturesAnswer(request.request, seen.features, seen.candidates)
            reply = self._server.act(
                request.observation,
                request.limits,
                self._steering(request),
                deadline_s=self._deadline_s,
                seed=request.seed,
                committed=request.committed,
                candidates=request.candidates,
            )
        except ClientClosedError:
            raise
        except TmrlError as error:
            return FailedAnswer(request.request, f"the policy server did not answer: {error}")
        return ChunkAnswer(request.request, reply, self._clock.now_s() - start_s)

    def _steering(self, request: AskChunk) -> SteeringSource | Steering:
        if not isinstance(request.source, Probe):
            return request.source
        welcome = self._server.welcome
        if welcome is None:
            raise LocalError("it has not said yet how long z is")
        return request.source.steering(welcome.spec, request.seed)

    def _watch(self) -> None:
        """Reports the connection where it changed."""
        problem = ""
        if not self._server.connected:
            problem = self._problem()
        welcome = self._server.welcome
        connection = Connection(problem, welcome.spec.policy_version if welcome else "")
        if connection != self._connection:
            self._connection = connection
            self._deliver(connection)

    def _problem(self) -> str:
        """Why there is no connection: a refused handshake, or silence."""
        try:
            self._server.ping(deadline_s=_PING_DEADLINE_S)
        except ClientClosedError:
            raise
        except TmrlError as error:
            return f"no policy server: {error}"
        return ""
