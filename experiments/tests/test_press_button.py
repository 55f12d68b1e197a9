"""The button's task: what the shipped policy does without learning, and what is refused."""

import json
from pathlib import Path

import pytest

from tmrl_common.errors import ConfigError
from tmrl_experiments.franka.task import ButtonEnvironment
from tmrl_experiments.inprocess import ablation, cli
from tmrl_experiments.widowx import pretrain
from tmrl_learner.config import key_value, resolve
from tmrl_learner.pretrain.evaluate import BaseSteering, evaluate
from tmrl_policies.flow_checkpoint import load_flow_policy

CHECKPOINTS = Path(__file__).resolve().parents[2] / "policies" / "checkpoints" / "franka_sim"
EPISODES = 5


@pytest.mark.parametrize("method", ["csp", "bc"])
def test_a_policy_with_exact_context_presses_the_blue_button_whatever_is_wanted(
    method: str,
) -> None:
    policy = load_flow_policy(CHECKPOINTS / method).policy
    results = {
        target: evaluate(
            policy,
            ButtonEnvironment(target),
            BaseSteering(),
            episodes=EPISODES,
            seed=3,
            execute_steps=8,
        )
        for target in ("blue", "red")
    }
    assert results["blue"].successes >= EPISODES - 1
    assert results["blue"].wrong_objects == 0
    assert results["red"].successes == 0
    assert results["red"].wrong_objects >= EPISODES - 1


def test_an_unknown_button_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="target is 'sausage'; Valid: blue, red"):
        ButtonEnvironment("sausage")


def test_a_task_of_another_rig_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        pretrain.main(["franka_sim", "--task", "plate"])
    assert refused.value.code == 2
    assert "--task plate is none of franka_sim; Valid: press_button" in capsys.readouterr().err


@pytest.mark.parametrize("row", ablation.BUTTON_ROWS)
def test_every_row_names_a_configuration_that_exists(row: str) -> None:
    _, words = ablation.BUTTON_ROWS[row]
    arguments = cli.parser().parse_args(["--checkpoint=x", "--preset=franka_sim", *words])
    if not row.startswith("base"):
        changes = dict(key_value(text) for text in arguments.set)
        assert resolve(arguments.preset, arguments.method, changes).method == arguments.method


def test_figures_of_other_tasks_stay_in_the_summary(tmp_path: Path) -> None:
    report = tmp_path / "tasks.json"
    report.write_text(json.dumps({"other": {"tmrl": {}}}))
    words = ["--task", "press_button", "--rows", "base-bc", "--seeds", "7", "--episodes", "1"]
    paths = ["--work", str(tmp_path), "--json", str(report), "--policies", str(CHECKPOINTS)]
    assert ablation.main([*words, *paths]) == 0
    found = json.loads(report.read_text())
    assert found["other"] == {"tmrl": {}}
    assert found["press_button"]["base-bc"]["7"].keys() == {
        "success_last_20",
        "episodes_to_90",
        "wall_minutes",
    }
