"""The entry of `./tmrl`: what the shell says to ROS is judged before a verb begins."""

from pathlib import Path

import pytest

from tmrl_cli import cli
from tmrl_cli.bootstrap import entry, environment
from tmrl_cli.bootstrap.layout import Layout


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands with which verbs began, in a checkout that is set up."""
    commands: list[list[str]] = []

    def note(command: list[str], _: dict[str, str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(entry, "prepare", lambda _: False)
    monkeypatch.setattr(entry, "runtime_environment", lambda _, caller: dict(caller))
    monkeypatch.setattr(entry, "_replace_process", note)
    return commands


ENTERING = sorted(set(cli.VERBS) - {"setup"})
"""Verbs that enter the environment; set-up itself starts nothing of ROS."""


@pytest.mark.parametrize("verb", ENTERING)
def test_no_verb_begins_with_a_setting_that_cannot_be_meant(
    verb: str,
    begun: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "300")
    assert entry.main(Path("checkout"), [verb, *(["true"] if verb == "run" else [])]) == 2
    assert capsys.readouterr().err.startswith(f"tmrl {verb}: ROS_DOMAIN_ID is '300': it takes")
    assert begun == []


@pytest.mark.parametrize("verb", sorted(set(ENTERING) - {"env"}))
def test_each_verb_begins_with_settings_that_can_be(verb: str, begun: list[list[str]]) -> None:
    assert entry.main(Path("checkout"), [verb, *(["true"] if verb == "run" else [])]) == 0
    assert len(begun) == 1


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("include-system-site-packages = true")
    caller = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "", "ROS_DOMAIN_ID": "7", "OTHER": ""}
    result = environment.build_environment(Layout(tmp_path), caller)
    assert result["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert (result["ROS_DOMAIN_ID"], result["OTHER"]) == ("7", "")
