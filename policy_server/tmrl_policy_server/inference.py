"""Where the work of the engine is done: in the thread of the sockets, or in one of its own.

Small policies answer within milliseconds; a hand-over between threads would only make them slower.
A pi0 needs tens of milliseconds and more, during which pings must be answered: it gets a thread.
"""

import dataclasses
import logging
import math
import queue
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from tmrl_common.candidates import ActionUnits
from tmrl_common.clock import Clock
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import Act, ChunkReply, Encode, Reply, Swap, Swapped, Timings
from tmrl_common.protocol import Admitted
from tmrl_common.types import PolicySpec
from tmrl_policy_server.accelerator import has_failed
from tmrl_policy_server.engine import Engine

_log = logging.getLogger(__name__)

_END_WITHIN_S = 2.0
_THREAD = "inference"
_GPU_FAILED = "the server's GPU failed; the server ends, and its supervisor starts it again"


class Finished(NamedTuple):
    """A request with its answer.

    Attributes:
        admitted: The request.
        reply: Its answer, or why there is none.
    """

    admitted: Admitted
    reply: Reply | RequestError


class Inference(Protocol):
    """Does work, one batch at a time."""

    @property
    def spec(self) -> PolicySpec:
        """What the engine serves."""
        ...

    @property
    def units(self) -> ActionUnits:
        """Of the policy's actions."""
        ...

    @property
    def busy_since_s(self) -> float | None:
        """When the work in progress began, steady clock; None where there is none."""
        ...

    @property
    def failed(self) -> bool:
        """Whether nothing can be made any more, because the GPU failed under this process."""
        ...

    def begin(self, work: Sequence[Admitted]) -> None:
        """Do this next. Only while there is no work in progress."""
        ...

    def take_finished(self) -> Sequence[Finished]:
        """What was finished since the last call, of the whole batch or of none of it."""
        ...

    def close(self) -> None:
        """Do no more work."""
        ...


def busy_s(inference: Inference, clock: Clock) -> float:
    """How long the work in progress has been running; 0 where there is none. From any thread.

    Infinite after the GPU failed: nothing will ever be finished.
    """
    if inference.failed:
        return math.inf
    since_s = inference.busy_since_s
    return 0.0 if since_s is None else clock.now_s() - since_s


def is_abandoned() -> bool:
    """Whether a pass still runs that did not end in time when its inference was closed."""
    return any(thread.name == _THREAD for thread in threading.enumerate())


class InlineInference:
    """Works in the caller's thread: `begin` returns when everything is finished.

    Attributes:
        spec: What the engine serves.
        units: Of the policy's actions.
        busy_since_s: When the work in progress began, for other threads.
        failed: Whether the GPU failed.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Takes an engine that was warmed up in the same thread."""
        self.spec, self.units = engine.spec, engine.units
        self.busy_since_s: float | None = None
        self.failed = False
        self._worker = _Worker(engine, clock)
        self._clock = clock
        self._finished: list[Finished] = []

    def begin(self, work: Sequence[Admitted]) -> None:
        """Do all of it."""
        self.busy_since_s = self._clock.now_s()
        try:
            self._finished = self._worker.answer_all(work)
            self.failed = self._worker.failed
        finally:
            self.busy_since_s = None

    def take_finished(self) -> Sequence[Finished]:
        """What `begin` did."""
        finished, self._finished = self._finished, []
        return finished

    def close(self) -> None:
        """Nothing is ever left over."""


class ThreadInference:
    """Works in a thread of its own, which also loads the engine: it belongs to that thread alone.

    Attributes:
        spec: What the engine serves.
        units: Of the policy's actions.
        busy_since_s: When the work in progress began.
        failed: Whether the GPU failed; true before the work at which it did is finished.
    """

    def __init__(self, make: Callable[[], Engine], clock: Clock, wake: Callable[[], None]) -> None:
        """Starts the thread and waits until its engine is there.

        Args:
            make: Makes the engine and warms it up; called in the thread.
            clock: Steady clock.
            wake: Called in the thread whenever there is something to take.

        Raises:
            Exception: What `make` raised.
        """
        self.busy_since_s: float | None = None
        self.failed = False
        self._clock = clock
        self._wake = wake
        self._work: queue.SimpleQueue[Sequence[Admitted] | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[list[Finished]] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[Engine | BaseException] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(make,), name=_THREAD, daemon=True)
        self._thread.start()
        made = self._made.get()
        if isinstance(made, BaseException):
            raise made
        self.spec, self.units = made.spec, made.units

    def begin(self, work: Sequence[Admitted]) -> None:
        """Hands a batch over to the thread."""
        self.busy_since_s = self._clock.now_s()
        self._work.put(work)

    def take_finished(self) -> Sequence[Finished]:
        """The batch in progress, once all of it is finished."""
        if self._finished.empty():
            return ()
        self.busy_since_s = None
        return self._finished.get()

    def close(self) -> None:
        """Ends the thread. One that hangs is left behind and ends with the process."""
        self._work.put(None)
        self._thread.join(_END_WITHIN_S)
        if self._thread.is_alive():
            _log.warning("the inference in progress does not end; it is abandoned")

    def _run(self, make: Callable[[], Engine]) -> None:
        try:
            engine = make()
        except BaseException as error:  # noqa: BLE001 - raised where the engine is waited for
            self._made.put(error)
            return
        self._made.put(engine)
        worker = _Worker(engine, self._clock)
        while (work := self._work.get()) is not None:
            finished = worker.answer_all(work)
            self.failed = worker.failed
            self._finished.put(finished)
            self._wake()


class _Worker:
    """Does work with an engine, in the engine's thread.

    Attributes:
        failed: Whether the GPU failed; nothing is asked of it any more.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.failed = False
        self._engine = engine
        self._clock = clock

    def answer_all(self, work: Sequence[Admitted]) -> list[Finished]:
        """Swaps and encodings one by one as they stand, all chunks in one pass at the end."""
        engine, finished = self._engine, list[Finished]()
        for admitted in work:
            if not isinstance(admitted.request, Act):
                finished += self._guarded([admitted], lambda each=admitted: [_simple(engine, each)])
        acts = [admitted for admitted in work if isinstance(admitted.request, Act)]
        if acts:
            finished += self._guarded(acts, lambda: _chunks(engine, acts, self._clock))
        return finished

    def _guarded(
        self, work: Sequence[Admitted], do: Callable[[], Sequence[Reply | RequestError]]
    ) -> list[Finished]:
        """Answers to work; a fault of ours costs these requests an answer, never the server."""
        if not self.failed:
            try:
                return [Finished(*pair) for pair in zip(work, do(), strict=True)]
            except Exception as error:  # noqa: BLE001 - the edge of the process: logged, answered
                _log.exception("a request failed in a way that is not foreseen")
                self.failed = has_failed(error)
        detail = _GPU_FAILED if self.failed else ErrorCode.INTERNAL.sentence
        return [Finished(each, RequestError(ErrorCode.INTERNAL, detail)) for each in work]


def _simple(engine: Engine, admitted: Admitted) -> Reply | RequestError:
    request = admitted.request
    try:
        if isinstance(request, Encode):
            return engine.look(request)
        if isinstance(request, Swap):
            return Swapped(engine.swap(request))
    except RequestError as error:
        _log.warning("%s", error)
        return error
    raise TypeError(f"{type(request).__name__} is not answered here")


def _chunks(
    engine: Engine, acts: Sequence[Admitted], clock: Clock
) -> list[ChunkReply | RequestError]:
    began_s = clock.now_s()
    requests = [admitted.request for admitted in acts if isinstance(admitted.request, Act)]
    chunks = engine.act_batch(requests)
    now_s = clock.now_s()
    return [
        chunk if isinstance(chunk, RequestError) else _timed(chunk, admitted, began_s, now_s)
        for admitted, chunk in zip(acts, chunks, strict=True)
    ]


def _timed(chunk: ChunkReply, admitted: Admitted, began_s: float, now_s: float) -> ChunkReply:
    """The chunk with the times since its request came in."""
    spent = chunk.timings
    timings = Timings(
        wait_s=began_s - admitted.received_at_s,
        encode_s=spent.encode_s,
        steer_s=spent.steer_s,
        sample_s=spent.sample_s,
        total_s=now_s - admitted.received_at_s,
    )
    return dataclasses.replace(chunk, timings=timings)
