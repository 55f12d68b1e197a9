"""Where a checkout may lie, and whose it may be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tmrl_cli.bootstrap import entry, location, prepare
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.location import LocationError


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """A checkout that is set up, as far as `prepare` looks."""
    monkeypatch.setattr(prepare, "_is_installed", lambda *_: True)
    monkeypatch.setattr(prepare, "_is_built", lambda *_: True)
    monkeypatch.setattr(prepare, "sourced_ros", lambda: None)
    monkeypatch.setattr(prepare.python_packages, "fingerprint", lambda *_: "packages")
    yield Layout(tmp_path)


@pytest.mark.parametrize(
    "folder",
    [
        *("wörk", "機器人", "робот", "naïve", "e\N{COMBINING ACUTE ACCENT}"),
        *("a;b", "a:b", "$HOME", "it's", 'a"b', "a\\b", "a`b", "a\nb", "a(b)", "a&b", "a#b"),
        "latin-1 \udcf6",
    ],
)
def test_a_path_that_build_tools_misread_is_refused_before_anything_is_installed(
    folder: str, tmp_path: Path
) -> None:
    with pytest.raises(LocationError, match="would misread") as caught:
        location.check(tmp_path / folder)
    assert "mv " in caught.value.remedy
    (str(caught.value) + caught.value.remedy).encode()


@pytest.mark.parametrize(
    "folder", ["tmrl", "my repo", "tmrl-main 2", "v1.2+local", "user@host", "~", "a,b=c"]
)
def test_other_paths_are_taken(folder: str, tmp_path: Path) -> None:
    root = tmp_path / folder
    root.mkdir()
    location.check(root)


def test_where_nothing_is_to_be_done_nothing_is_written(ready: Layout) -> None:
    assert prepare.prepare(ready) is False
    assert list(ready.root.iterdir()) == []


def test_a_checkout_of_somebody_else_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "sourced_ros", lambda: None)
    monkeypatch.setattr(prepare.python_packages, "fingerprint", lambda *_: "packages")
    monkeypatch.setattr(prepare.workspace, "fingerprint", lambda *_: "workspace")
    monkeypatch.setattr(location.os, "access", lambda *_: False)
    assert entry.main(tmp_path, ["doctor"]) == 2
    said = capsys.readouterr().err
    assert f"may not write into {tmp_path}, which belongs to {tmp_path.owner()}" in said
    assert "clone the repository for yourself" in said
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Layout) -> bool:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".setup" / "lock"))

    monkeypatch.setattr(entry, "prepare", refuse)
    assert entry.main(tmp_path, ["doctor"]) == 2
    assert "lock: you may not read or write here" in capsys.readouterr().err
