"""`./tmrl journal recover RUN`: gives a journal back what it lost, from the learner's copy."""

import argparse
import sys
from pathlib import Path

from tmrl_agent.journal.recovery import Recovered, recover
from tmrl_common.transition_copy import FILE_NAME

_DESCRIPTION = f"""\
Puts back the transitions that a run's journal lost (with its -wal file, say), from the copy that
the learner keeps, {FILE_NAME}. A row that is there is never touched; each one that is
put back is checked against its content hash. Stop the session first."""


def main(argv: list[str]) -> int:
    """Recovers a journal.

    Returns:
        0; 1 where numbers stay lost.
    """
    parser = argparse.ArgumentParser(prog="./tmrl journal", description=_DESCRIPTION)
    parser.add_argument("verb", choices=("recover",))
    parser.add_argument("run", metavar="RUN", type=Path, help="directory of the run")
    parser.add_argument("--copy", metavar="FILE", type=Path, help=f"default: RUN/{FILE_NAME}")
    parsed = parser.parse_args(argv)
    results = recover(parsed.run, parsed.copy)
    for result in results:
        sys.stdout.write(_line(result))
    return 1 if any(result.lost for result in results) else 0


def _line(result: Recovered) -> str:
    back = f"{len(result.restored)} rows given back{_span(result.restored)}"
    lost = f"; {len(result.lost)} stay lost{_span(result.lost)}" if result.lost else ""
    return f"{result.robot}/{result.session}: {back}{lost}\n"


def _span(numbers: tuple[int, ...]) -> str:
    return f" ({numbers[0]} to {numbers[-1]})" if numbers else ""
