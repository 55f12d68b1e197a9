"""A run directory, read without disturbing a session that writes to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tmrl_agent.journal import MAX_FETCH, JournalReader
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome
from tmrl_run.errors import RunError

CONFIG_FILE = "config.yaml"
_JOURNAL = "journal.sqlite"
_LEDGER = "episodes.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """A run and what its configuration says about it.

    Attributes:
        path: Of the directory.
        config: Content of `config.yaml`, by section and key.
    """

    path: Path
    config: Mapping[str, Any]

    @property
    def robot(self) -> str:
        """Name of the arm."""
        return str(self.config.get("robot", ""))

    @property
    def session(self) -> str:
        """Name of the session, also where the directory has been renamed."""
        return str(self.value("agent", "session", self.path.name))

    @property
    def recordings(self) -> Path:
        """Folder of the recordings; it may not exist."""
        return self.path / "recordings"

    @property
    def control_rate_hz(self) -> float:
        """Control steps per second.

        Raises:
            RunError: The configuration does not say.
        """
        rate_hz = self.value("controller", "control_rate_hz", None)
        if not isinstance(rate_hz, int | float) or not rate_hz > 0:
            raise RunError(
                f"{self.path / CONFIG_FILE}: controller.control_rate_hz is {rate_hz!r}; it must be "
                "a number above 0: put the file back as the session wrote it"
            )
        return float(rate_hz)

    def value(self, section: str, key: str, otherwise: Any) -> Any:
        """A value of the configuration, or another where it is not given."""
        values = self.config.get(section)
        return values.get(key, otherwise) if isinstance(values, dict) else otherwise

    def transitions(self) -> list[Transition]:
        """The newest revision of every chunk, in the order of episodes and chunks.

        Raises:
            JournalError: The journal is damaged.
        """
        newest: dict[tuple[int, int], Transition] = {}
        last = 0
        with JournalReader(self.path / _JOURNAL, self.robot, self.session) as journal:
            while batch := journal.fetch(last + 1, MAX_FETCH):
                last = batch[-1].sequence
                for each in batch:
                    key = each.episode, each.chunk
                    if key not in newest or each.revision > newest[key].revision:
                        newest[key] = each
        return [newest[key] for key in sorted(newest)]

    def ledger(self) -> list[dict[str, Any]]:
        """Every whole line of the ledger; what is torn or no object is passed over.

        A session may be writing the last one, and newer software may write lines of other kinds.
        """
        path = self.path / _LEDGER
        if not path.exists():
            return []
        lines: list[dict[str, Any]] = []
        for text in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and isinstance(line.get("event"), str):
                lines.append(line)
        return lines

    def outcomes(self) -> dict[int, Outcome]:
        """The newest label of each episode: the ledger's, else that of the journal."""
        with JournalReader(self.path / _JOURNAL, self.robot, self.session) as journal:
            found = journal.outcomes()
        for line in self.ledger():
            number, name = line.get("episode"), str(line.get("outcome"))
            if (
                line["event"] == "labelled"
                and isinstance(number, int)
                and name in Outcome.__members__
            ):
                found[number] = Outcome[name]
        return found


def open_run(path: Path) -> RunFolder:
    """Reads the configuration of a run.

    Raises:
        RunError: There is no such folder, or it is not the run directory of a session.
    """
    if not path.is_dir():
        raise RunError(f"there is no folder {path}; give the run directory of a session")
    for name in (CONFIG_FILE, _JOURNAL):
        if not (path / name).is_file():
            raise RunError(
                f"{path} has no {name}; give the run directory of a session, as `./tmrl up` and "
                "`./tmrl demo` print it at their start"
            )
    try:
        content = yaml.safe_load((path / CONFIG_FILE).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path / CONFIG_FILE} cannot be read: {error}; put it back") from error
    if not isinstance(content, dict) or not isinstance(content.get("robot"), str):
        raise RunError(f"{path / CONFIG_FILE} names no robot; put the file back")
    return RunFolder(path, content)
