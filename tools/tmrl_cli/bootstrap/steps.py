"""Runs one step of the set-up: progress on the terminal, output in a log, errors as sentences."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class SetupError(Exception):
    """A step of the set-up failed.

    Attributes:
        remedy: What the user can do about it, one or more lines.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


_STEPS_FORWARD = re.compile(
    r"(Starting >>>|Finished <<<|Collecting|Building|Built|Downloading|Downloaded|Installing"
    r"|Installed|Prepared|Resolved|Successfully|Get:|Unpacking|Setting up) "
)
"""How the lines begin with which the programs that are run here say how far they are. Only these
are shown; what they complain about is in the log."""


class Progress:
    """Prints one line per step: what it does, and how long it took."""

    def __init__(self) -> None:
        self._interactive = sys.stderr.isatty()
        self._title = ""
        self._activity = ""
        self._started_s = 0.0

    @contextmanager
    def step(self, title: str) -> Generator[None]:
        """Shows `title` while the body runs, and the elapsed time after it.

        Args:
            title: What is being done, a few words.
        """
        self._title, self._activity = title, ""
        self._started_s = time.monotonic()
        self._write(f"  {title} ...", ends_line=not self._interactive)
        end = "failed after"
        try:
            with self._ticking():
                yield
            end = "done in"
        finally:
            self._write(f"  {title}: {end} {self._elapsed_s():.1f} s", ends_line=True)

    def activity(self, text: str) -> None:
        """Shows what the running step is at; only on a terminal.

        Args:
            text: Newest line of output; not shown where it says nothing of progress.
        """
        if self._interactive and _STEPS_FORWARD.match(text):
            self._activity = text
            self._show_activity()

    @contextmanager
    def _ticking(self) -> Generator[None]:
        """Lets the elapsed seconds run on a terminal while the body runs."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(timeout=1.0):
                self._show_activity()

        thread = threading.Thread(target=tick, daemon=True)
        if self._interactive:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if self._interactive:
                thread.join()

    def _show_activity(self) -> None:
        line = f"  {self._title} ({self._elapsed_s():.0f} s) {self._activity}"
        self._write(line[: _terminal_width() - 1], ends_line=False)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def _write(self, text: str, *, ends_line: bool) -> None:
        clear = "\r\033[K" if self._interactive else ""
        sys.stderr.write(clear + text + ("\n" if ends_line else ""))
        sys.stderr.flush()


def _terminal_width() -> int:
    return os.get_terminal_size(sys.stderr.fileno()).columns


def run_logged(
    command: Sequence[str | Path],
    *,
    log_file: Path,
    progress: Progress,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Runs `command` with its output in `log_file` and its newest line on the terminal.

    Args:
        command: Program and arguments.
        log_file: Overwritten with standard output and standard error.
        progress: Where the activity is shown.
        env: Environment; that of this process where None.
        cwd: Working folder; that of this process where None.

    Returns:
        The exit status.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("w", encoding="utf-8") as log:
        log.write("$ " + " ".join(map(str, command)) + "\n")
        log.flush()
        with subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            # A child that outlives this process keeps the lock of the set-up (see prepare.py).
            close_fds=False,
            env=env,
            cwd=cwd,
        ) as process:
            if process.stdout is None:
                raise AssertionError("stdout is a pipe")
            for line in process.stdout:
                log.write(line)
                if line.strip():
                    progress.activity(line.strip())
    return process.returncode


def tail(log_file: Path, lines: int = 12) -> str:
    """Returns the last lines of a log file, indented.

    Args:
        log_file: File to read.
        lines: How many lines at most.
    """
    text = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join("    " + line for line in text[-lines:])
