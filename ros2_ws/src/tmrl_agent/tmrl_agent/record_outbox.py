"""The records on their way to the journal, in order, one at a time."""

from collections import deque

from tmrl_agent.params import AgentConfig
from tmrl_agent.transitions import Record
from tmrl_common.backoff import Backoff
from tmrl_common.clock import Clock


class RecordOutbox:
    """Hands out one record at a time, again after growing pauses when the journal refuses it.

    Args:
        config: How long the pauses are.
        clock: Steady clock.
        last_sequence: Number of the newest transition in the journal.

    Attributes:
        last_sequence: Number of the newest committed transition; 0 before the first.
        problem: Why the journal refused the first record; empty while it does not.
    """

    def __init__(self, config: AgentConfig, clock: Clock, last_sequence: int) -> None:
        self.last_sequence = last_sequence
        self.problem = ""
        self._clock = clock
        self._retry = Backoff(config.retry_first_s, config.retry_max_s)
        self._records: deque[Record] = deque()
        self._is_writing = False

    @property
    def is_empty(self) -> bool:
        """Whether everything that was decided is committed."""
        return not self._records

    @property
    def records(self) -> list[Record]:
        """What is not committed yet, oldest first."""
        return list(self._records)

    def put(self, record: Record) -> None:
        """Queues a record; one without content is passed over."""
        if record:
            self._records.append(record)

    def due(self) -> list[Record]:
        """The record to write now; none while one is being written or a pause lasts."""
        if not self._records or self._is_writing or not self._retry.is_due(self._clock.now_s()):
            return []
        self._is_writing = True
        return [self._records[0]]

    def written(self) -> Record:
        """The record that was handed out is committed.

        Returns:
            That record, which may be published now.
        """
        self._is_writing = False
        self.problem = ""
        self._retry.succeeded()
        record = self._records.popleft()
        if record.transitions:
            self.last_sequence = record.transitions[-1].sequence
        return record

    def failed(self, problem: str) -> None:
        """The journal refused; the record stays first in line.

        Args:
            problem: Why, one sentence.
        """
        self._is_writing = False
        self.problem = problem
        self._retry.failed(self._clock.now_s())
