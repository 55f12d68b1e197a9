"""A command line of `./tmrl`, carried out within this process.

`given` is the list of arguments, verb first. `{folder}` stands for a folder that is there, `{file}`
for a file of text in it, `{bytes}` for a file that holds no text, `{byte}` for a byte that is no
UTF-8.
"""

from pathlib import Path

from tmrl_cli.testing import carry_out

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


_THERE = ("file", "bytes", "folder")


def _replaced(argument: str, named: dict[str, str]) -> str:
    for name, value in named.items():
        argument = argument.replace(name, value)
    return argument
