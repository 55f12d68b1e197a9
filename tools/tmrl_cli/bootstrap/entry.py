"""What the `tmrl` executable calls: parse, set up, then continue inside the environment."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tmrl_cli import cli
from tmrl_cli.bootstrap import shell_settings
from tmrl_cli.bootstrap.environment import differences, runtime_environment
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.location import LocationError
from tmrl_cli.bootstrap.prepare import prepare
from tmrl_cli.bootstrap.steps import SetupError
from tmrl_common.storage import sentence_of
from tmrl_common.verbs import EXIT_REFUSED


def main(root: Path, argv: Sequence[str]) -> int:
    """Carries out one verb.

    Args:
        root: The checkout.
        argv: Arguments after the program's name.

    Returns:
        The exit status; most verbs replace this process instead of returning.
    """
    parsed = cli.parse(argv)
    parser = _host_parser(parsed.verb)
    if parser is not None:
        parsed = parser.parse_args(parsed.arguments, parsed)
    layout = Layout(root)
    started_s = time.monotonic()
    try:
        did_something = prepare(layout)
    except LocationError as error:
        sys.stderr.write(f"tmrl: {error}\n\n{error.remedy}\n")
        return EXIT_REFUSED
    except SetupError as error:
        sys.stderr.write(f"tmrl: set-up failed: {error}\n\n{error.remedy}\n")
        return 1
    except OSError as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        sys.stderr.write(f"tmrl: set-up failed: {sentence}\n")
        return EXIT_REFUSED
    except KeyboardInterrupt:
        sys.stderr.write("\ntmrl: set-up interrupted; ./tmrl setup resumes where it stopped\n")
        return 130
    if parsed.verb == "setup":
        state = "ready" if did_something else "ready, nothing to do"
        elapsed_s = time.monotonic() - started_s
        sys.stderr.write(f"tmrl: {state} ({elapsed_s:.1f} s). Next: ./tmrl demo\n")
        return 0
    environment = runtime_environment(layout, os.environ)
    if wrong := shell_settings.refusals(environment):
        sys.stderr.write("".join(f"tmrl {parsed.verb}: {sentence}\n" for sentence in wrong))
        return EXIT_REFUSED
    if parsed.verb == "env":
        for name, value in sorted(differences(environment, os.environ).items()):
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        return 0
    if parsed.verb == "run":
        return _replace_process([parsed.command, *parsed.arguments], environment)
    return _replace_process([str(layout.python), "-m", cli.__name__, *argv], environment)


def _host_parser(verb: str) -> argparse.ArgumentParser | None:
    """Returns the parser of a verb that is carried out here, outside the environment."""
    if cli.VERBS[verb].module:
        return None
    parser = argparse.ArgumentParser(prog=f"tmrl {verb}", description=cli.VERBS[verb].summary)
    if verb == "run":
        parser.add_argument("command", metavar="COMMAND")
        parser.add_argument("arguments", metavar="ARG", nargs=argparse.REMAINDER)
    return parser


def _replace_process(command: list[str], environment: dict[str, str]) -> int:
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        sys.stderr.write(f"tmrl: cannot run '{command[0]}': {error.strerror}\n")
        return 127
