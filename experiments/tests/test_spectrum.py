"""The page with the slider: honest rollouts, and one file that opens without a network."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tmrl_cell.cell import WidowXCell
from tmrl_experiments.spectrum import cli, widowx
from tmrl_experiments.spectrum.page import write_page
from tmrl_experiments.spectrum.panel import Mark, Panel, Rollout
from tmrl_experiments.widowx.task import PickTask
from tmrl_policies.flow_checkpoint import load_flow_policy

CHECKPOINT = Path(__file__).parents[2] / "policies" / "checkpoints" / "widowx_sim" / "csp"


@pytest.fixture(scope="module")
def task() -> PickTask:
    return PickTask(WidowXCell(), "sausage")


def test_the_arm_takes_the_carrot_at_sigma_0_and_spreads_at_sigma_1(task: PickTask) -> None:
    policy = load_flow_policy(CHECKPOINT).policy
    seeds = range(4)
    conditional = [widowx.roll_out(policy, task, 0.0, seed) for seed in seeds]
    marginal = [widowx.roll_out(policy, task, 1.0, seed) for seed in seeds]
    assert [rollout.outcome for rollout in conditional] == [widowx.WRONG] * 4
    assert _spread_m(marginal) > 2 * _spread_m(conditional)


def test_a_rollout_follows_from_its_seed(task: PickTask) -> None:
    policy = load_flow_policy(CHECKPOINT).policy
    first, second = (widowx.roll_out(policy, task, 0.5, 3) for _ in range(2))
    np.testing.assert_array_equal(first.path_m, second.path_m)
    assert first.outcome == second.outcome


def _spread_m(rollouts: list[Rollout]) -> float:
    """How far apart the tools are after 15 control steps."""
    return float(np.std([rollout.path_m[15] for rollout in rollouts], axis=0).max())


def test_the_page_carries_its_data_and_asks_for_nothing_else(tmp_path: Path) -> None:
    path_m = np.array([[0.25, 0.0], [0.2996, -0.1004]])
    panel = Panel(
        title="a </script> in a title",
        context="nothing",
        low_m=(0.1, -0.2),
        high_m=(0.4, 0.2),
        marks=[Mark("pot", (0.3, 0.1), (0.1, 0.1))],
        outcomes=("done", "not done"),
        rollouts={0.0: [Rollout(path_m, "not done")], 1.0: [Rollout(path_m, "done")]},
    )
    page = tmp_path / "page.html"
    write_page(page, [panel], "./tmrl make it")
    text = page.read_text(encoding="utf-8")
    assert text.count("</script>") == 1
    assert not re.search(r"(src|href)=|url\(|@import|fetch\(", text)
    found = re.search(r"const data = (.*);\n", text)
    assert found
    data = json.loads(found[1].replace("<\\/", "</"))
    assert data["command"] == "./tmrl make it"
    shown = data["panels"][0]
    assert shown["title"] == panel.title
    assert shown["sigmas"] == [0.0, 1.0]
    assert [episodes[0]["outcome"] for episodes in shown["rollouts"]] == [1, 0]
    assert shown["rollouts"][0][0]["path"] == [250, 0, 300, -100]


def test_a_folder_without_a_policy_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--without-cube", "--checkpoint", str(tmp_path), "--out", str(tmp_path / "a.html")]
    assert cli.main(arguments) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()
