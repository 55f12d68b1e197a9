"""Disks, folders and files that refuse; root may write everywhere, so permissions are not asked."""

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from tmrl_common import verbs
from tmrl_common.errors import ConfigError
from tmrl_common.storage import (
    StorageError,
    prepare_file,
    prepare_folder,
    sentence_of,
    write_text,
)
from tmrl_common.verbs import Verb

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("kept", encoding="utf-8")
    return path


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert prepare_folder(folder, room_mb=1) == folder.resolve()
    assert list(folder.iterdir()) == []


def test_a_path_below_a_file_is_named(file: Path) -> None:
    with pytest.raises(StorageError, match=rf"{file}/run: a part of this path is a file"):
        prepare_folder(file / "run")
    with pytest.raises(StorageError, match=rf"{file}: this is a file where a folder must be"):
        prepare_folder(file)


def test_too_little_room_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 3_000_000, 3_000_000))
    with pytest.raises(StorageError, match="3 MB of free space, and 500 MB are needed"):
        prepare_folder(tmp_path)
    prepare_folder(tmp_path, room_mb=3)


def test_a_file_to_be_written_later_is_tried_and_not_touched(file: Path, tmp_path: Path) -> None:
    prepare_file(file)
    prepare_file(tmp_path / "new" / "report.json")
    assert file.read_text(encoding="utf-8") == "kept"
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(StorageError, match="this is a folder; name a file"):
        prepare_file(tmp_path)


def test_a_full_disk_names_the_file() -> None:
    with pytest.raises(StorageError, match="/dev/full: the disk is full; free some room"):
        write_text(Path("/dev/full"), "x")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/mnt/x"), "/mnt/x: this file system is re"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your quota on this disk is used up"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: you may not read or write"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full"),
    ],
)
def test_what_a_disk_refuses_is_one_sentence(error: Exception, sentence: str) -> None:
    said = sentence_of(error)
    assert said is not None
    assert said.startswith(sentence)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "x"), ValueError("x")])
def test_other_errors_are_none_of_its_business(error: Exception) -> None:
    assert sentence_of(error) is None


def _verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Verb:
    source = f"from tmrl_common.errors import ConfigError\n\n\ndef main(argv):\n    {body}\n"
    (tmp_path / "some_verb.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "some_verb", raising=False)
    return Verb("", "", "some_verb")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("open('/dev/full', 'w').write('x' * 99999)", "the disk is full; free some room, then ru"),
        ("raise ConfigError('seed is -1; it must be 0 or more')", "seed is -1; it must be 0 or"),
    ],
)
def test_a_command_line_ends_with_one_sentence_and_code_2(
    body: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    verb = _verb(tmp_path, monkeypatch, body)
    assert verbs.call("tmrl some", verb, []) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tmrl some: {sentence}")
    assert said.count("\n") == 1


def test_a_fault_of_ours_keeps_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError):
        verbs.call("tmrl some", _verb(tmp_path, monkeypatch, "return 1 // 0"), [])
    assert issubclass(ConfigError, ValueError)
