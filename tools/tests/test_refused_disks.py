"""What a user reads where a disk refuses: one sentence and exit code 2, before the work begins."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from tmrl_bringup.rundir import new_run_dir
from tmrl_cli import bench, cli
from tmrl_experiments.__main__ import main as experiments

Usage = namedtuple("Usage", "total used free")
Says = Callable[..., str]


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    def call(*argv: str, main: Callable[[list[str]], int] = cli.main) -> str:
        assert main(list(argv)) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        return said

    return call


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says of a disk with a megabyte left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 10**6, 10**6))


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs of a benchmark that measures nothing."""
    ran: list[str] = []

    def run(_: list[str]) -> dict[str, dict[str, float]]:
        ran.append("ran")
        return {"ratios": {}, "figures": {}}

    monkeypatch.setattr(bench, "load", lambda *_: run)
    return ran


def test_bench_with_a_folder_for_its_result_measures_nothing(
    says: Says, measures: list[str], tmp_path: Path
) -> None:
    assert "this is a folder; name a file" in says("bench", "replay", "--json", str(tmp_path))
    assert measures == []


def test_bench_on_a_disk_that_is_full_in_the_end(says: Says, measures: list[str]) -> None:
    said = says("bench", "replay", "--json", "/dev/full")
    assert said.startswith("tmrl bench: /dev/full: the disk is full; free some room")
    assert measures == ["ran"]


@pytest.mark.usefixtures("full")
def test_no_room_is_said_at_the_start(says: Says, measures: list[str], tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    lines = [
        says("bench", "replay"),
        says("pretrain", "widowx_sim", "--out", run, "--work", run),
        says("up", "widowx_sim", f"run_dir:={run}"),
        says("demo", "--run-dir", run),
        says("finetune", "--checkpoint", run, "--run-dir", run, main=experiments),
        says("ogbench", "cube-single", "--work", run, main=experiments),
    ]
    assert [line for line in lines if "1 MB of free space" not in line] == []
    assert measures == []


def test_a_path_below_a_file_is_refused(says: Says, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    below = str(file / "run")
    lines = [
        says("pretrain", "widowx_sim", "--out", below, "--work", below),
        says("up", "widowx_sim", f"run_dir:={below}"),
        says("demo", "--run-dir", below),
        says("demo", "--json", below),
        says("finetune", "--checkpoint", below, "--json", below, main=experiments),
    ]
    assert [line for line in lines if "file where a folder must be" not in line] == []


def test_a_run_without_its_journal_is_not_begun_again(says: Says, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "learner.json").write_text("{}", encoding="utf-8")
    (tmp_path / "journal.sqlite.mark").write_text("{}", encoding="utf-8")
    for said in (
        says("up", "widowx_sim", f"run_dir:={tmp_path}"),
        says("demo", "--run-dir", str(tmp_path), "--resume"),
        says("demo", "--run-dir", str(tmp_path)),
    ):
        assert "without its journal.sqlite" in said
        assert "journal.sqlite.mark, checkpoint/learner.json" in said
    assert not (tmp_path / "journal.sqlite").exists()


def test_a_mistyped_run_is_not_resumed_and_leaves_no_directory(says: Says, tmp_path: Path) -> None:
    typo = tmp_path / "rnu"
    assert "no session to resume; check the name" in says(
        "demo", "--run-dir", str(typo), "--resume"
    )
    assert "no checkpoint to resume; check the name" in says(
        *("finetune", "--checkpoint", str(typo), "--run-dir", str(typo), "--resume"),
        main=experiments,
    )
    assert not typo.exists()
    assert not new_run_dir().exists()
