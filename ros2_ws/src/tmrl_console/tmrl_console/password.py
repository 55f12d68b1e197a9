"""`python -m tmrl_console.password FILE`: asks for a password and keeps its hash in a file."""

import argparse
import getpass
import json
import os
import sys
from pathlib import Path

from tmrl_common.errors import TmrlError
from tmrl_common.storage import refusals
from tmrl_console.access import PasswordHash

SHORTEST = 8


def write_password(path: Path, password: str) -> None:
    """Keeps the hash of a password in a file that only its owner may read.

    Raises:
        StorageError: The file cannot be written.
    """
    text = json.dumps(PasswordHash.of(password).as_dict()) + "\n"
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def main(argv: list[str] | None = None) -> int:
    """Asks twice and writes; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tmrl_console.password",
        description="Asks for the console's password and writes its hash into FILE.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    path = parser.parse_args(argv).file.expanduser()
    password = getpass.getpass("password: ")
    if len(password) < SHORTEST:
        sys.stderr.write(f"the password is shorter than {SHORTEST} characters; nothing written\n")
        return 2
    if getpass.getpass("the same again: ") != password:
        sys.stderr.write("the two differ; nothing written\n")
        return 2
    try:
        write_password(path, password)
    except TmrlError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{path}: written; name it as console.password_file\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
