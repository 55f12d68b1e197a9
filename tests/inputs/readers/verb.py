"""A command line of `./tmrl`, carried out within this process.

`given` is the list of arguments, verb first. `{folder}` stands for a folder that is there, `{file}`
for a file of text in it, `{bytes}` for a file that holds no text, `{byte}` for a byte that is no
UTF-8.
"""

import contextlib
import io
from pathlib import Path
from unittest import mock

from tmrl_cli import call, cli
from tmrl_cli.bootstrap import entry

from ..reading import Answer, Outcome


def read(given: list[str], folder: Path) -> Answer:
    """Refused: exit code 2 and a sentence."""
    (folder / "file").write_text("some text\n", encoding="utf-8")
    (folder / "bytes").write_bytes(bytes(range(256)))
    (folder / "folder").mkdir()
    named = {"{byte}": "\udcff", **{f"{{{n}}}": str(folder / n) for n in _THERE}}
    argv = [_replaced(str(argument), named) for argument in given]
    code, text = carry_out(argv, folder)
    if code == 0:
        return Answer(Outcome.TAKEN, text)
    told = code == 2 and text.strip() and "Traceback" not in text
    return Answer(Outcome.REFUSED if told else Outcome.WARNED, text)


def carry_out(argv: list[str], root: Path) -> tuple[int, str]:
    """The exit code of `./tmrl ARGV` in a checkout that is set up, and what it said.

    Args:
        argv: Verb and arguments.
        root: For the verbs that are carried out before the environment is entered.
    """
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(said))
        stack.enter_context(contextlib.redirect_stdout(printed))
        # Nobody is waited for: there is no rig.
        for name in ("_FIND_S", "_LIST_S"):
            stack.enter_context(mock.patch.object(call, name, 0.0))
        stack.enter_context(mock.patch.object(entry, "prepare", lambda _: False))
        try:
            parsed = cli.parse(argv)
            on_host = not cli.VERBS[parsed.verb].module
            code = entry.main(root, argv) if on_host else cli.main(argv)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue() or printed.getvalue()


_THERE = ("file", "bytes", "folder")


def _replaced(argument: str, named: dict[str, str]) -> str:
    for name, value in named.items():
        argument = argument.replace(name, value)
    return argument
