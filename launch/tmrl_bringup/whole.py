"""What the checks of a whole rig look at."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tmrl_bringup.rig import Rig


@dataclass(frozen=True)
class Whole:
    """A rig, and those of its values that can be compared with each other.

    Attributes:
        rig: With the session's values in it.
        parts: Those that are to be started here. Nothing is said of others, whose values may be
            those of another machine.
        values: By section and key, in the fields' types and with their defaults; without what is
            missing or impossible.
    """

    rig: Rig
    parts: frozenset[str]
    values: Mapping[str, Mapping[str, Any]]

    def get(self, section: str, key: str) -> Any:
        """A value; None where it is missing, impossible, or of a part that is not started here."""
        return self.values.get(section, {}).get(key)


Check = Callable[[Whole], Iterable[str]]
