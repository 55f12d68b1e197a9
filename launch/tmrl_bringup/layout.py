"""Where things lie in a checkout."""

from pathlib import Path


def repository_root() -> Path:
    """Returns the checkout that this package is linked from."""
    return Path(__file__).resolve().parents[2]
