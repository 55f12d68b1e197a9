"""Text files that are whole or as they were, whenever the process dies."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file at once.

    Raises:
        OSError: The disk refused; the file is as it was.
    """
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
