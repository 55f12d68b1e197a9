"""The small text files of a data set, and what a file is that is not what it should be."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tmrl_common.json_object import is_json_object
from tmrl_common.stand_ins import stand_in
from tmrl_learner.pi0.lerobot.errors import DatasetError

_BEGINNING_BYTES = 512
_PACKED = (
    (b"\x1f\x8b", "compressed with gzip; unpack it"),
    (b"PK\x03\x04", "a zip file; unpack it"),
)


def read_text(path: Path, remedy: str) -> str:
    """Reads a text file, with or without a byte order mark.

    Args:
        path: Of the file.
        remedy: What to do where there is none.

    Raises:
        DatasetError: It is absent, cannot be opened, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(f"there is no {path}; {remedy}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is {what_it_is(path, 'no UTF-8 text; save it as UTF-8')}"
        ) from error


def json_lines(path: Path, required: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Reads a file of one JSON object per line.

    Args:
        path: Of the file.
        required: Names that every object has.

    Returns:
        Where each object stands, for messages, and the object.

    Raises:
        DatasetError: The file is absent or damaged, or an object lacks a name.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    # Lines end with a line feed alone: a text may hold the other separators that Python knows.
    text = read_text(path, "copy the data set again")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            values = json.loads(line)
        except ValueError as error:
            raise DatasetError(
                f"{where} is {what_it_is(path, f'not valid JSON: {error}')}"
            ) from error
        if not is_json_object(values):
            raise DatasetError(f"{where} holds a {type(values).__name__}; it must hold an object")
        if missing := [name for name in required if name not in values]:
            raise DatasetError(f"{where} lacks {', '.join(missing)}")
        found.append((where, values))
    return found


def what_it_is(path: Path, otherwise: str) -> str:
    """What a file is by its first bytes, with the remedy, where it is not what it should be.

    Args:
        path: Of a file.
        otherwise: The answer where the bytes say nothing.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING_BYTES)
    except OSError as error:
        return f"a file that cannot be opened: {error.strerror}"
    if found := stand_in(beginning):
        return found
    for bytes_of_it, answer in _PACKED:
        if beginning.startswith(bytes_of_it):
            return answer
    return otherwise
