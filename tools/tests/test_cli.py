"""The command line: verbs, the split of arguments between us and pytest, benchmark reports."""

import json

import pytest

from tmrl_cli import bench, checks, cli


def test_unknown_verb_suggests_the_nearest(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.parse(["setpu"])
    assert caught.value.code == 2
    assert "did you mean 'setup'?" in capsys.readouterr().err


def test_arguments_of_a_verb_are_left_to_it():
    parsed = cli.parse(["demo", "--method", "dsrl", "--help"])
    assert parsed.verb == "demo"
    assert parsed.arguments == ["--method", "dsrl", "--help"]


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit):
        cli.parse([])
    text = capsys.readouterr().out
    assert all(f"  {verb}" in text for verb in cli.VERBS)


@pytest.mark.parametrize(
    ("argv", "extent", "for_pytest"),
    [
        ([], "all", []),
        (["fast"], "fast", []),
        (["fast", "-k", "limiter"], "fast", ["-k", "limiter"]),
        (["-k", "fast"], "all", ["-k", "fast"]),
        (["tools/tests/test_cli.py"], "all", ["tools/tests/test_cli.py"]),
    ],
)
def test_extent_and_pytest_arguments(monkeypatch, argv, extent, for_pytest):
    monkeypatch.setattr(checks, "run", lambda planned, folder: planned)
    assert checks.main(argv) == [*checks.static_checks(), checks.tests(extent, for_pytest)]


def test_unknown_extent_names_the_valid_ones(capsys):
    with pytest.raises(SystemExit):
        checks.main(["quick"])
    assert "fast" in capsys.readouterr().err


def test_all_checks_run_after_one_failed(tmp_path, capfd):
    # "python -m json.nosuch" fails; "python -m this" passes.
    failing = checks.Check("first", ("json.nosuch",))
    passing = checks.Check("second", ("this",))
    assert checks.run([failing, passing], tmp_path) == 1
    output = capfd.readouterr().out
    assert "second: passed" in output
    assert "FAILED: first\n" in output


@pytest.fixture
def benchmarks(tmp_path, monkeypatch):
    folder = tmp_path / "tests" / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "bench_loop.py").write_text(
        "def run(argv):\n"
        "    return {'ratios': {'ros_vs_inprocess': 0.5}, 'figures': {'steps': int(argv[1])}}\n"
    )
    monkeypatch.setattr(bench, "repository_root", lambda: tmp_path)
    return tmp_path


def test_benchmark_writes_its_report(benchmarks):
    file = benchmarks / "results" / "loop.json"
    assert bench.main(["loop", "--json", str(file), "--steps", "3"]) == 0
    report = json.loads(file.read_text())
    assert set(report) == {"bench", "command", "machine", "ratios", "figures"}
    assert set(report["machine"]) == {"cpu", "threads", "gpu"}
    assert report["ratios"] == {"ros_vs_inprocess": 0.5}
    assert report["figures"] == {"steps": 3}


def test_unknown_benchmark_suggests_the_nearest(benchmarks, capsys):
    with pytest.raises(SystemExit):
        bench.main(["lop"])
    assert "did you mean 'loop'?" in capsys.readouterr().err


def test_hyphens_of_a_name_are_underscores_of_its_file_and_more_results_are_kept(benchmarks):
    (benchmarks / "tests" / "benchmarks" / "bench_success_at_k.py").write_text(
        "def run(argv):\n    return {'ratios': {}, 'figures': {}, 'success_at_k': [0.5]}\n"
    )
    file = benchmarks / "report.json"
    assert bench.main(["success-at-k", "--json", str(file)]) == 0
    assert json.loads(file.read_text())["success_at_k"] == [0.5]
