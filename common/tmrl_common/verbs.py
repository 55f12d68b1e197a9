"""A command line made of verbs: `PROGRAM VERB [ARGUMENTS]`, each verb in a module of its own.

`./tmrl` reads this module before any package is installed, so it imports the standard library only
and imports the module of a verb when the verb is called.
"""

import argparse
import difflib
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tmrl_common.errors import TmrlError
from tmrl_common.storage import sentence_of

EXIT_REFUSED = 2
_COLUMN_GAP = 2


@dataclass(frozen=True)
class Verb:
    """One verb of a command line.

    Attributes:
        usage: Its arguments in short.
        summary: What it does, one line.
        module: Module with `main(argv) -> int`; empty where the caller carries it out itself.
    """

    usage: str
    summary: str
    module: str


def parse(
    program: str, description: str, verbs: Mapping[str, Verb], argv: Sequence[str], epilog: str
) -> argparse.Namespace:
    """Parses the verb; its own arguments are left to the verb.

    Args:
        program: How the command line begins, such as "tmrl".
        description: What it is for, one line.
        verbs: Verb by name.
        argv: Arguments after the program's name.
        epilog: Text below the list of verbs.

    Returns:
        Namespace with `verb` and `arguments`.

    Raises:
        SystemExit: Help was asked for (0), or there is no such verb (2).
    """
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} VERB [ARGUMENTS]",
        description=description,
        epilog=f"verbs:\n{_listing(verbs)}\n\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parsed = parser.parse_args(argv or ["--help"])
    if parsed.verb not in verbs:
        nearest = difflib.get_close_matches(parsed.verb, list(verbs), n=1, cutoff=0.5)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        parser.error(f"no verb '{parsed.verb}'{hint} (verbs: {', '.join(verbs)})")
    return parsed


def run(program: str, description: str, verbs: Mapping[str, Verb], argv: Sequence[str]) -> int:
    """Parses the command line and carries its verb out.

    Args:
        program: How the command line begins, such as "python -m tmrl_learner".
        description: What it is for, one line.
        verbs: Verb by name; each has a module.
        argv: Arguments after the program's name.

    Returns:
        The exit status.
    """
    parsed = parse(program, description, verbs, argv, "'VERB --help' says more about one.")
    return call(f"{program} {parsed.verb}", verbs[parsed.verb], parsed.arguments)


def call(program: str, verb: Verb, arguments: list[str]) -> int:
    """Imports the module of a verb and carries the verb out.

    This is the edge of every command line: what the user can mend, a wrong value or a disk that
    refuses, becomes one sentence here; anything else is a fault of ours and keeps its traceback.

    Args:
        program: How the command line begins, verb included; it begins the sentence.
        verb: To carry out.
        arguments: Of the verb.

    Returns:
        The exit status; 2 after such a sentence.
    """
    main: Callable[[list[str]], int] = importlib.import_module(verb.module).main
    try:
        return main(arguments)
    except TmrlError as error:
        sentence = str(error)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
    sys.stderr.write(f"{program}: {sentence}\n")
    return EXIT_REFUSED


def _listing(verbs: Mapping[str, Verb]) -> str:
    """Two columns that never touch: the first is as wide as its longest entry."""
    left = {name: f"{name} {verb.usage}".strip() for name, verb in verbs.items()}
    width = max(map(len, left.values())) + _COLUMN_GAP
    return "\n".join(f"  {left[name]:{width}}{verb.summary}" for name, verb in verbs.items())
