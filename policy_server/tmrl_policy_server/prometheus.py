"""Figures of the server for Prometheus, over HTTP from a thread of its own."""

from collections.abc import Callable
from dataclasses import fields

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from tmrl_common.errors import TransportError
from tmrl_common.messages import (
    FAR_SEPARATOR,
    KINDS,
    ChunkReply,
    ErrorReply,
    Message,
    Swapped,
    Timings,
)

_KIND_OF = {message_type: kind for kind, message_type in KINDS.items()}
_STAGES = {field.name: field.name.removesuffix("_s") for field in fields(Timings)}
_STAGE_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 32)


class PrometheusMeter:
    """Counts for Prometheus.

    Attributes:
        registry: Holds the figures.
    """

    def __init__(self, busy_s: Callable[[], float]) -> None:
        """Starts at zero.

        Args:
            busy_s: How long the inference in progress has been running; asked at every scrape.
        """
        self.registry = CollectorRegistry()
        self._open: dict[tuple[bytes, int], str] = {}
        self._requests = Counter(
            "tmrl_requests",
            "Requests answered.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._stages = Histogram(
            "tmrl_stage_seconds",
            "Where the time of a chunk went.",
            ("stage",),
            buckets=_STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self._batches = Histogram(
            "tmrl_batch_size",
            "Requests for chunks in one pass through the policy.",
            buckets=_BATCH_BUCKETS,
            registry=self.registry,
        )
        self._version = Gauge(
            "tmrl_actor_version",
            "Version of the steering actor; 0 for none.",
            registry=self.registry,
        )
        self._far_states = Counter(
            "tmrl_far_states",
            "Chunks whose robot state was far outside of the training data, by column.",
            ("column",),
            registry=self.registry,
        )
        waiting = Gauge(
            "tmrl_queue_depth",
            "Requests that wait or are being worked on.",
            registry=self.registry,
        )
        waiting.set_function(lambda: float(len(self._open)))
        busy = Gauge(
            "tmrl_busy_seconds",
            "How long the inference in progress has been running; 0 for none.",
            registry=self.registry,
        )
        busy.set_function(busy_s)

    def listen(self, bind: str) -> Callable[[], None]:
        """Answers Prometheus.

        Args:
            bind: HOST:PORT.

        Returns:
            Ends it.

        Raises:
            TransportError: The address is taken or impossible.
        """
        host, separator, port = bind.rpartition(":")
        if not separator or not host or not port.isdecimal():
            raise TransportError(f"metrics_bind is '{bind}'; it must be HOST:PORT")
        try:
            server, thread = start_http_server(int(port), host.strip("[]"), self.registry)
        except (OSError, OverflowError) as error:
            raise TransportError(f"cannot serve metrics on {bind}: {error}") from error

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return close

    def asked(self, peer: bytes, request_id: int, request: Message) -> None:
        """Remembers of what kind a request is."""
        self._open[peer, request_id] = _KIND_OF[type(request)]

    def batch(self, chunks: int) -> None:
        """Count a pass."""
        self._batches.observe(chunks)

    def answered(self, peer: bytes, request_id: int, answer: Message) -> None:
        """Count an answer, and where its time went."""
        kind = self._open.pop((peer, request_id), "unreadable")
        outcome = str(answer.code) if isinstance(answer, ErrorReply) else "ok"
        self._requests.labels(kind, outcome).inc()
        if isinstance(answer, ChunkReply):
            for name, stage in _STAGES.items():
                self._stages.labels(stage).observe(getattr(answer.timings, name))
            for column in filter(None, answer.far_state.split(FAR_SEPARATOR)):
                self._far_states.labels(column).inc()
        elif isinstance(answer, Swapped):
            self._version.set(answer.version)
