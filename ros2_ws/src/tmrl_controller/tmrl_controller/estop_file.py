"""Remembers a latched e-stop over the end of the process: only a person clears it, no restart."""

import os
from pathlib import Path

from tmrl_common.chunks import ControllerMode
from tmrl_controller.decisions import ControllerStatus


class EstopFile:
    """A file that exists as long as the e-stop is latched; its text is the reason.

    Attributes:
        problem: Why the file does not say what it should; empty while it does.
    """

    def __init__(self, path: str) -> None:
        """Takes where to remember it.

        Args:
            path: The file; empty remembers nothing.
        """
        self._path = Path(path) if path else None
        self._kept: str | None = None
        self.problem = ""

    def read(self) -> str:
        """Why the e-stop was latched when the last process ended; empty where it was not.

        A file that cannot be read counts as a latched e-stop.
        """
        if self._path is None:
            return ""
        try:
            self._kept = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            return f"the file of the e-stop cannot be read ({error}): look at the cell, clear it"
        return self._kept or "the e-stop was latched before the restart"

    def follow(self, status: ControllerStatus) -> str:
        """Writes or removes the file, where the status says so.

        Args:
            status: The newest one.

        Returns:
            `problem`, as it is now.
        """
        wanted = status.reason if status.mode is ControllerMode.ESTOP else None
        if self._path is None or wanted == self._kept:
            self.problem = ""
            return ""
        try:
            if wanted is None:
                self._path.unlink(missing_ok=True)
            else:
                self._write(self._path, wanted)
        except OSError as error:
            what = (
                "a restart would clear the e-stop" if wanted else "a restart would latch it again"
            )
            self.problem = (
                f"{what}: {self._path} cannot be written "
                f"({error.strerror}); free the disk or mend "
                "the folder's permissions, it is tried again every second"
            )
        else:
            self._kept, self.problem = wanted, ""
        return self.problem

    def _write(self, path: Path, reason: str) -> None:
        """Whole or not at all, and on the disk when it returns."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(reason)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
