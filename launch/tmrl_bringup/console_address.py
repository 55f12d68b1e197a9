"""Where the console is found, said as soon as it is known: the console picks a free port."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tmrl_console.params import ADDRESS_FILE

_LOOK_S = 0.25


def forget_address(run_dir: Path) -> None:
    """Removes the address of an earlier session, before the processes are started."""
    (run_dir / ADDRESS_FILE).unlink(missing_ok=True)


async def announce(run_dir: Path, say: Callable[[str], None]) -> None:
    """Says where the console is, once it has noted that in the run directory.

    Args:
        run_dir: Directory of the run.
        say: Receives the sentence.
    """
    path = run_dir / ADDRESS_FILE
    while not (path.exists() and (address := path.read_text(encoding="utf-8").strip())):
        await asyncio.sleep(_LOOK_S)
    say(f"console {address}")
