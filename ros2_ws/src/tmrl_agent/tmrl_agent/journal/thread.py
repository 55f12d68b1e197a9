"""The one thread that writes the journal, so that no callback of the node ever waits for a disk."""

import queue
from collections.abc import Callable
from dataclasses import dataclass

from tmrl_agent.journal.errors import JournalError
from tmrl_agent.journal.journal import Journal
from tmrl_agent.transitions import Record
from tmrl_common.checked_thread import CheckedThread


@dataclass(frozen=True)
class Written:
    """A record is committed: it may be published."""

    record: Record


@dataclass(frozen=True)
class NotWritten:
    """A record is not in the journal.

    Attributes:
        problem: Why, with the remedy; it may be submitted again.
    """

    problem: str


WriteResult = Written | NotWritten


class JournalThread:
    """Writes records in the order in which they were submitted, and answers for each of them.

    Args:
        journal: It belongs to this thread from `start` to `close`.
        deliver: Called in this thread with every answer; hands it over to the node's thread.
    """

    def __init__(self, journal: Journal, deliver: Callable[[WriteResult], None]) -> None:
        self._journal = journal
        self._deliver = deliver
        self._records: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._thread = CheckedThread(self._run, "journal")

    @property
    def last_sequence(self) -> int:
        """Highest sequence number that is committed, or was ever given away."""
        return self._journal.last_sequence

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, record: Record) -> None:
        """Hands a record to the thread."""
        self._records.put(record)

    def check(self) -> None:
        """Raises what ended the thread, if something has; to be called regularly."""
        self._thread.check()

    def close(self) -> None:
        """Ends the thread, after it has written what was submitted."""
        self._records.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (record := self._records.get()) is not None:
            self._deliver(self._write(record))

    def _write(self, record: Record) -> WriteResult:
        try:
            self._journal.append(record.transitions, record.label)
        except JournalError as error:
            return NotWritten(str(error))
        return Written(record)
