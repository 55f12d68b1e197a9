"""A probe's figures and advice, and the command around them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_common.types import Outcome
from tmrl_run.errors import RunError
from tmrl_run.probe.advice import advise
from tmrl_run.probe.cli import main, settings_of
from tmrl_run.probe.figures import SettingFigures, figures_of
from tmrl_run.run_folder import open_run
from tmrl_run.testing import SmallRun, write_small_run

FROZEN = SettingFigures("full@0", 4, 0, 40, spread=1.0, roughness=0.1, clamped=0.0)


def setting(name: str, **changes: object) -> SettingFigures:
    return replace(FROZEN, setting=name, **changes)


def written(path: Path, settings: list[str]) -> Path:
    outcomes = (Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.SUCCESS, Outcome.ABORTED)
    run = write_small_run(path, SmallRun(outcomes=outcomes, recorded=False))
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["agent"]["probe"] = settings
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    return run


def test_each_setting_gets_the_episodes_of_its_turns(tmp_path: Path) -> None:
    run = written(tmp_path / "run", ["full@0", "repeated@0"])
    full, repeated = figures_of(open_run(run))
    assert (full.setting, full.successes, full.episodes) == ("full@0", 2, 2)
    assert (repeated.successes, repeated.episodes) == (0, 1), "an abort says nothing"
    assert (full.chunks, repeated.chunks) == (8, 7), "a person drove one"
    assert full.spread > 0.0
    assert full.clamped == pytest.approx(0.25)


def test_a_session_that_was_no_probe_is_refused(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(recorded=False))
    with pytest.raises(RunError, match="was no probe"):
        figures_of(open_run(run))


def test_what_was_probed_is_shown_again_and_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written(tmp_path / "run", ["full@0", "warmup"])
    file = tmp_path / "probe.json"
    assert main([str(run), "--json", str(file)]) == 0
    said = capsys.readouterr().out
    assert "2 of 2" in said
    assert "Best: full@0, 2 of 2 episodes succeeded." in said
    content = json.loads(file.read_text())
    assert [each["setting"] for each in content["settings"]] == ["full@0", "warmup"]


def test_settings_stay_within_the_rigs_caps() -> None:
    assert settings_of(sigma_cap=0.4, z_cap=2.0) == (
        *("full@0", "repeated@0", "repeated:1@0", "repeated:2@0"),
        *("full@0.1", "full@0.2", "full@0.3", "full@0.4", "warmup"),
    )
    assert not [each for each in settings_of(0.0, 1.0) if each.startswith("full@0.")]


def test_a_method_without_sigma_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["widowx_sim", "method:=dsrl"]) == 2
    assert "a probe is of the smoothed policy" in capsys.readouterr().err


def test_caps_end_where_the_motion_does() -> None:
    figures = [FROZEN, setting("full@0.25"), setting("full@0.5", roughness=0.2)]
    figures += [setting("full@0.75"), setting("repeated:1@0"), setting("repeated:2@0", clamped=0.3)]
    advice = advise(figures)
    assert (advice.sigma_cap, advice.z_bound) == (0.25, 1.0)
    text = " ".join(advice.sentences)
    assert "controller.sigma_cap:=0.25" in text
    assert "agent.z_bound=1" in text


def test_without_any_success_learning_is_advised_against() -> None:
    said = advise([FROZEN, setting("full@0.5"), setting("warmup")]).sentences[0]
    assert said.startswith("No success in 12 episodes of any setting")


@pytest.mark.parametrize(
    ("successes", "sentence"),
    [(2, "finds a success about every 2 episodes"), (0, "The warm-up found none in 4")],
)
def test_the_warm_up_is_judged_by_its_successes(successes: int, sentence: str) -> None:
    figures = [FROZEN, setting("full@0.5", successes=3), setting("warmup", successes=successes)]
    said = advise(figures).sentences
    assert said[0] == "Best: full@0.5, 3 of 4 episodes succeeded."
    assert sentence in said[1]


@pytest.mark.parametrize(("spread", "sentence"), [(0.9, "reaches as much"), (0.2, "only 0.2")])
def test_repeating_is_judged_by_how_far_chunks_spread(spread: float, sentence: str) -> None:
    said = advise([FROZEN, setting("repeated@0", spread=spread)]).sentences[-1]
    assert sentence in said


def test_a_probe_that_never_moved_says_so() -> None:
    figures = [replace(FROZEN, chunks=0, episodes=0), setting("warmup", chunks=0, episodes=0)]
    advice = advise(figures)
    assert advice.sigma_cap is None
    assert "No episode was labelled" in advice.sentences[0]
    assert "has not moved the arm" in advice.sentences[1]
