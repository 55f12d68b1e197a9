"""The board: everything that the page shows, in sections that change one by one.

Whoever learns something pins a section up; each page is sent what is newer than what it has. It is
the one thing that the ROS thread and the web thread share.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Section = Mapping[str, Any]
"""One section: plain values, as JSON has them."""


@dataclass(frozen=True)
class News:
    """What a page does not have yet.

    Attributes:
        version: Of the board; to be asked with next time.
        sections: Those that changed, by name.
    """

    version: int
    sections: Mapping[str, Section]


class Board:
    """Sections by name, each with the version in which it last changed. Safe between threads."""

    def __init__(self) -> None:
        """Begins empty, in version 0."""
        self._lock = threading.Lock()
        self._version = 0
        self._sections: dict[str, tuple[int, Section]] = {}

    def pin(self, name: str, section: Section) -> None:
        """Puts a section up; one that says the same as before changes nothing.

        Args:
            name: Of the section.
            section: Must not be changed afterwards.
        """
        with self._lock:
            if name in self._sections and self._sections[name][1] == section:
                return
            self._version += 1
            self._sections[name] = self._version, section

    def since(self, version: int) -> News:
        """Returns what changed after a version; since 0 everything."""
        with self._lock:
            newer = {n: s for n, (at, s) in self._sections.items() if at > version}
            return News(self._version, newer)

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """Returns one value of one section, or the default where it is not there."""
        with self._lock:
            found = self._sections.get(section)
        return default if found is None else found[1].get(key, default)
