"""The journal on the robot's machine: every transition and label, committed before it is published.

SQLite in WAL mode with synchronous=FULL: what `Journal.append` has returned for survives a crash of
the process and a loss of power (0.44 ms per transition, where a chunk lasts 100 ms and more).
"""

from tmrl_agent.journal.errors import JournalCorruptError, JournalError, JournalFullError
from tmrl_agent.journal.journal import Journal
from tmrl_agent.journal.reader import MAX_FETCH, JournalReader
from tmrl_agent.journal.thread import JournalThread, NotWritten, WriteResult, Written

__all__ = [
    "MAX_FETCH",
    "Journal",
    "JournalCorruptError",
    "JournalError",
    "JournalFullError",
    "JournalReader",
    "JournalThread",
    "NotWritten",
    "WriteResult",
    "Written",
]
