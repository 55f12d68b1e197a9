"""Every verb with arguments that mean nothing: exit code 2 and a sentence, never a traceback."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_cli import bench, checks, cli
from tmrl_cli.bootstrap import entry
from tmrl_cli.testing import carry_out

NONSENSE: dict[str, list[str]] = {
    "an option": ["--no-such-option"],
    "words": ["no", "such", "thing", "here", "at", "all"],
    "empty words": ["", "", "", ""],
    "a blank": [" ", " ", " "],
    "an option's value alone": ["=", "="],
    "a name of 5000 letters": ["x" * 5000, "y" * 5000, "z"],
    "no UTF-8": ["\udcff", "\udcfe", "\udcfd"],
    "another script": ["ロボット", "腕", "動け"],
    "paths that are not there": ["/no/such", "/no/such/file.yaml", "/no/such"],
    "devices": ["/dev/null", "/dev/full", "/dev/zero", "/dev/null"],
    "folders": ["/", "/tmp", "/proc", "/"],
    "an unknown setting": ["no.such.thing:=1", "no_such:=1"],
    "settings that are none": [":=", "x:=", ":=1"],
    "markup": ["[bold]", "{x}", "%s", "$(x)"],
}
PASSED_ON = {
    "run": "the command and its arguments are the user's",
    "test": "options and paths are pytest's",
}
"""Verbs that hand arguments to another program, which judges them by itself."""


@pytest.fixture
def nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verb gets as far as to start a process."""

    def begin(*_: object, **__: object) -> None:
        pytest.fail("the verb began its work")

    monkeypatch.setattr(checks, "run", begin)
    monkeypatch.setattr(bench, "load", begin)
    monkeypatch.setattr(entry, "_replace_process", begin)
    monkeypatch.setattr(subprocess, "Popen", begin)


@pytest.mark.usefixtures("nothing_begins", "ros_domain_id")
@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("verb", sorted(set(cli.VERBS) - set(PASSED_ON)))
def test_a_verb_refuses_nonsense_with_a_sentence(verb: str, nonsense: str, tmp_path: Path) -> None:
    code, said = carry_out([verb, *NONSENSE[nonsense]], tmp_path)
    assert code == 2
    assert said.strip()
    assert "Traceback" not in said


@pytest.mark.usefixtures("nothing_begins")
@pytest.mark.parametrize("word", ["no", "such thing", "機", "x" * 5000, "[bold]"])
def test_the_tests_refuse_an_extent_that_is_none(word: str, tmp_path: Path) -> None:
    code, said = carry_out(["test", word], tmp_path)
    assert code == 2
    assert "fast" in said or "too long" in said


def test_a_command_that_is_not_there_has_the_exit_code_of_shells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert entry._replace_process(["no-such-command"], {"PATH": "/usr/bin"}) == 127
    assert "cannot run 'no-such-command': No such file" in capsys.readouterr().err


def test_what_a_terminal_cannot_print_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    cli.print_anything()
    sys.stdout.write("█ µ \udcff\n")
    sys.stdout.flush()
    assert written.getvalue() == b"? ? ?\n"
