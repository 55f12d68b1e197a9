"""A CSV file of metrics whose header may grow while a run continues.

The first columns are `step` and `time_s` (seconds since 1970); the others are metrics in the order
in which they first came. A row leaves out what was not measured. A new metric gets the next free
column: the file is then rewritten with the longer header and put in place of the old one in one
step, so that a reader sees one or the other. Columns never move and never go away.
"""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from tmrl_learner.errors import LearnerError

_FIXED = ("step", "time_s")


class MetricsFileError(LearnerError):
    """A file of metrics holds something else, or a metric has an impossible name."""


class MetricsFile:
    """Appends rows; one writer at a time.

    An existing file is appended to. A step that was done again after a crash has two rows then,
    of which the later one counts.

    Args:
        path: Of the file; its folder is made.

    Raises:
        MetricsFileError: The file is there and was not written by this class.
        OSError: The folder or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        self._columns: list[str] = [*_FIXED]
        if path.exists() and path.stat().st_size > 0:
            self._columns = self._read()[0]
            if tuple(self._columns[: len(_FIXED)]) != _FIXED:
                raise MetricsFileError(
                    f"{path} starts with the columns {', '.join(self._columns[:2])}, not with "
                    f"{', '.join(_FIXED)}; move it away or choose another run directory"
                )
        else:
            path.write_text(_line(self._columns), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8", newline="")

    def append(self, step: int, time_s: float, values: Mapping[str, float]) -> None:
        """Writes one row; it is with the operating system when this returns.

        Args:
            step: What the run counts in, e.g. gradient steps.
            time_s: Seconds since 1970.
            values: By name of the metric.

        Raises:
            MetricsFileError: A metric is called like a fixed column, or has no name.
            OSError: The disk refused.
        """
        for name in values:
            if name in _FIXED or not name:
                raise MetricsFileError(f"a metric cannot be called {name!r}; rename it")
        if new := [name for name in values if name not in self._columns]:
            self._grow(new)
        row = {"step": str(step), "time_s": f"{time_s:.3f}"}
        row |= {name: repr(float(value)) for name, value in values.items()}
        self._file.write(_line([row.get(column, "") for column in self._columns]))
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _read(self) -> list[list[str]]:
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                return list(csv.reader(file))
        except (UnicodeDecodeError, csv.Error) as error:
            raise MetricsFileError(
                f"{self._path} is no file of metrics ({error}); move it away or choose another run "
                "directory"
            ) from error

    def _grow(self, new: list[str]) -> None:
        rows = self._read()[1:]
        self._columns += new
        longer = self._path.with_name(self._path.name + ".partial")
        with longer.open("w", encoding="utf-8", newline="") as file:
            file.write(_line(self._columns))
            file.writelines(_line(row + [""] * (len(self._columns) - len(row))) for row in rows)
        self._file.close()
        os.replace(longer, self._path)
        self._file = self._path.open("a", encoding="utf-8", newline="")


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _cut_torn_line(path: Path) -> None:
    """A power cut may leave half a row at the end; it is no measurement."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
