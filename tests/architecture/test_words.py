"""How this house writes: plain words, and docstrings that describe.

The words below were once everywhere and read as translated. Names in the code may be what they are;
what counts is prose: pages, comments, docstrings and the sentences that people get to read.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BETTER = {
    r"ha(s|ve|d) to": "must, need to",
    r"told": "reported, commanded, given, asked",
    r"under way": "in flight, in progress, current",
    r"(go|goes|going|went|gone) on": "continue, resume, keep -ing",
    r"anew": "again",
    r"in vain": "without success, or say what failed",
}
NEWLINE = "\n"
GAP = r"[\s#>*]+"
"""Between two words: also a line break, with the marks that begin the next line."""
WORDS = re.compile(rf"\b({'|'.join(BETTER)})\b".replace(" ", GAP), re.IGNORECASE)
IMPERATIVE = re.compile(
    r"(Add|Answer|Apply|Ask|Begin|Build|Call|Carry|Check|Choose|Close|Compute|Create|Decide|"
    r"Declare|Draw|Drop|Encode|End|Fill|Find|Follow|Forget|Get|Hand|Have|Install|Join|Judge|"
    r"Keep|Lay|Leave|Let|Listen|Load|Look|Make|Move|Note|Open|Parse|Pass|Prepare|Publish|Put|"
    r"Raise|Read|Record|Refuse|Release|Remember|Render|Replace|Return|Roll|Run|Save|Scale|"
    r"Send|Serve|Set|Show|Start|Stop|Store|Take|Train|Turn|Use|Wait|Write)\b"
)
PROSE = {"STRING", "COMMENT", "FSTRING_MIDDLE"}


@cache
def tracked(suffixes: tuple[str, ...]) -> list[Path]:
    listed = subprocess.run(
        ("git", "ls-files"), cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    mine = (ROOT / name for name in listed if name.endswith(suffixes))
    return [path for path in mine if path.exists() and path != Path(__file__).resolve()]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The pieces of prose in a file, each with its first line; line breaks are spaces."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if tokenize.tok_name[token.type] in PROSE:
            yield token.start[0], token.string


def offences(line: int, text: str) -> list[str]:
    """What a piece of prose says that this house says otherwise, with its line."""
    found = []
    for match in WORDS.finditer(text):
        word = re.sub(GAP, " ", match[0])
        better = next(b for w, b in BETTER.items() if re.fullmatch(w, word, re.IGNORECASE))
        found.append(f"{line + text.count(NEWLINE, 0, match.start())} says '{word}'; say: {better}")
    return found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("it has\n        to wait", "5 says 'has to'"),
        ("# one\n# goes\n# on", "6 says 'goes on'"),
        ("it is told apart, once", "5 says 'told'"),
    ],
)
def test_words_are_found_with_their_lines_and_across_them(text, said):
    (found,) = offences(5, text)
    assert found.startswith(f"{said}; say: ")


def test_other_words_are_left_alone():
    assert not offences(
        1, "the underway extolled a canon; it goes once on Mondays, and may need to"
    )


@pytest.mark.parametrize("suffix", [".py", ".md", ".msg", ".srv", ".yaml"])
def test_prose_uses_plain_words(suffix):
    found = [
        f"{path.relative_to(ROOT)}:{offence}"
        for path in tracked((suffix,))
        for line, text in prose(path)
        for offence in offences(line, text)
    ]
    assert not found, "\n".join(found)


def test_docstrings_of_functions_describe_and_do_not_command():
    """The third person of the Google guide ("Returns ...") everywhere: D401 asks the opposite."""
    found = []
    for path in tracked((".py",)):
        if {"test", "tests"} & set(path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if verb := IMPERATIVE.match(ast.get_docstring(node) or ""):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} begins with '{verb[0]}'")
    assert not found, "\n".join(found)
