"""What installed packages offer as Python entry points, read from their metadata.

Nothing of a package is imported before it is chosen.
"""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points


def installed(group: str) -> EntryPoints:
    """Returns the entry points of a group, in the order of the path; two may share a name."""
    return _on_path(tuple(sys.path), group)


@lru_cache(maxsize=4)
def _on_path(path: tuple[str, ...], group: str) -> EntryPoints:
    """What is installed on a path; to read the metadata of every package takes a while."""
    del path
    return entry_points(group=group)


def package_of(entry: EntryPoint) -> str:
    """Names the package that offers an entry point, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def packages_of(entries: EntryPoints) -> str:
    """Names the packages that offer entry points of one name, as a sentence needs them."""
    return " and ".join(sorted(package_of(entry) for entry in entries))


def cause_of(error: Exception) -> str:
    """Says what somebody else's module raised when it was imported."""
    return f"{type(error).__name__}: {error}"
