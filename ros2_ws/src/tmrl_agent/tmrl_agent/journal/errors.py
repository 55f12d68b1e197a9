"""The journal's errors, and how SQLite's become them."""

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path

from tmrl_common.errors import LocalError


class JournalError(LocalError):
    """The journal could not do what was asked; what it held before is unchanged."""


class JournalFullError(JournalError):
    """There is no room left for the journal; the write may be tried again."""


class JournalCorruptError(JournalError):
    """The file is no journal, or its content is damaged."""


def damaged(path: Path, what: str) -> JournalCorruptError:
    """Returns the error for a file whose content is damaged."""
    return JournalCorruptError(
        f"{path} is damaged ({what}); keep a copy, save what is readable with "
        f"'sqlite3 {path.name} .recover', and start a new run directory"
    )


@contextlib.contextmanager
def sentences(path: Path) -> Generator[None, None, None]:
    """Turns SQLite's errors into ours, each with the file and the remedy."""
    try:
        yield
    except UnicodeDecodeError as error:
        # Python's module decodes texts, also those of SQLite's own complaints, without a care.
        raise damaged(path, "a text that is no UTF-8") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise JournalFullError(
                f"no room left for {path}; free disk space, then writing continues by itself"
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(path, str(error)) from error
        raise JournalError(f"{path}: {error}") from error
