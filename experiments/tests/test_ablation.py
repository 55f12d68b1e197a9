"""The ablation: rows that can be run, a summary of what was run, and runs that are not repeated."""

import json
from pathlib import Path

import pytest

from tmrl_experiments.inprocess import ablation, cli
from tmrl_learner.config import key_value, resolve


def finished(work: Path, row: str, seed: int, success: float) -> None:
    figures = {
        "seed": seed,
        "success_last_20": success,
        "episodes_to_90": None,
        "wall_minutes": 2.04,
    }
    ablation.report_path(work, row, seed).write_text(json.dumps(figures))


@pytest.mark.parametrize("row", ablation.ROWS)
def test_every_row_names_a_configuration_that_exists(row: str) -> None:
    policy, words = ablation.ROWS[row]
    arguments = cli.parser().parse_args([f"--checkpoint={policy}", *words])
    if row.startswith("base"):
        assert arguments.base_sigma == float(row.partition("-sigma-")[2] or 0)
        return
    agent = resolve(
        arguments.preset, arguments.method, dict(key_value(text) for text in arguments.set)
    ).agent
    assert agent.sigma_head is row.startswith(("tmrl", "random-"))
    if row.startswith("fixed-sigma-"):
        assert agent.sigma_max == float(row.removeprefix("fixed-sigma-"))


def test_the_summary_has_every_run_under_its_row_and_seed(tmp_path: Path) -> None:
    finished(tmp_path, "fixed-sigma-0.5", 1, 0.25)
    finished(tmp_path, "tmrl-epsilon-head", 0, 0.5)
    finished(tmp_path, "tmrl", 0, 1.0)
    solved = {
        row: {s: f["success_last_20"] for s, f in of.items()}
        for row, of in ablation.summary(tmp_path).items()
    }
    assert solved == {
        "tmrl": {"0": 1.0},
        "fixed-sigma-0.5": {"1": 0.25},
        "tmrl-epsilon-head": {"0": 0.5},
    }


def test_figures_of_other_tasks_stay_beside_those_through_cameras(tmp_path: Path) -> None:
    report = tmp_path / "tasks.json"
    report.write_text(json.dumps({"button": {"tmrl": {}}, "sausage_camera": {}}))
    finished(tmp_path, "tmrl", 3, 0.9)
    words = ["--rows", "tmrl", "--seeds", "3", "--work", str(tmp_path), "--json", str(report)]
    assert ablation.main([*words, "--observe", "cameras"]) == 0
    figures = {"success_last_20": 0.9, "episodes_to_90": None, "wall_minutes": 2.04}
    content = {"button": {"tmrl": {}}, "sausage_camera": {"tmrl": {"3": figures}}}
    assert json.loads(report.read_text()) == content


def test_the_plate_is_not_seen_through_cameras(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--task", "plate", "--observe", "cameras", "--work", str(tmp_path)]
    assert ablation.main(words) == 2
    assert "--observe cameras goes with --task pot" in capsys.readouterr().err


def test_a_run_that_has_its_report_is_not_repeated(tmp_path: Path) -> None:
    report, seeds = tmp_path / "ablation.json", ["--seeds", "3", "4"]
    for seed in (3, 4):
        finished(tmp_path, "tmrl", seed, 0.9)
    words = ["--rows", "tmrl", *seeds, "--work", str(tmp_path), "--json", str(report)]
    assert ablation.main([*words, "--policies", str(tmp_path / "nowhere")]) == 0


def test_an_unknown_row_is_refused_with_all_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablation.main(["--rows", "fixed-sigma", "--work", str(tmp_path)]) == 2
    refusal = capsys.readouterr().err
    assert "unknown row 'fixed-sigma'; did you mean 'fixed-sigma-" in refusal
