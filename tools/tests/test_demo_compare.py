"""Sessions set side by side: which belong together."""

import json

import pytest

from tmrl_demo import compare


def report(command: str, outcomes: list[str], seed: int = 0) -> dict:
    last = sum(outcome == "success" for outcome in outcomes[-20:]) / 20
    return {
        "method": "dsrl",
        "command": command,
        "policy": "policies/checkpoints/widowx_sim/bc",
        "seed": seed,
        "episodes": len(outcomes),
        "outcomes": outcomes,
        "success_last_20": last,
        "episodes_to_90": None,
        "wrong_object_rate": 0.0,
        "robot_minutes": 1.0,
        "wall_minutes": 1.0,
        "sigma_mean_first_last": [0.0, 0.0],
        "transitions_published": 5,
        "transitions_stored": 5,
    }


PLAIN = "./tmrl demo --method dsrl --seed 0"
CHANGED = PLAIN + " 'learning.overrides:=[agent.z_bound=4]'"


def test_sessions_with_other_parameters_are_not_mixed_into_one_median():
    failed, solved = ["timeout"] * 20, ["success"] * 20
    text = compare.table([report(PLAIN, failed), report(CHANGED, solved)])
    assert "**dsrl on widowx_sim, median of 1** | | | **0.00**" in text
    assert (
        "**dsrl on widowx_sim, learning.overrides:=[agent.z_bound=4], median of 1** | | | **1.00**"
        in text
    )


def test_each_fixed_sigma_is_a_group_of_its_own():
    commands = ["./tmrl demo --method fixed-sigma --sigma 1", "./tmrl demo --sigma=0.5"]
    groups = [compare.group_of(report(command, ["timeout"] * 20)) for command in commands]
    assert groups == ["dsrl on widowx_sim, sigma 1", "dsrl on widowx_sim, sigma 0.5"]


def test_the_policy_names_the_group_itself():
    command = PLAIN + " policy_server.checkpoint:=policies/checkpoints/widowx_sim/bc"
    assert compare.group_of(report(command, ["timeout"] * 20)) == "dsrl on widowx_sim"


def test_the_figure_is_drawn(tmp_path):
    compare.draw(
        [report(PLAIN, ["timeout"] * 25), report(CHANGED, ["success"] * 25)], tmp_path / "f.png"
    )
    assert (tmp_path / "f.png").stat().st_size > 0


def test_sigma_of_every_session_is_drawn_or_the_one_without_it_is_named(tmp_path, capsys):
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    old.write_text(json.dumps(report(PLAIN, ["timeout"] * 20)))
    new.write_text(json.dumps(report(PLAIN, ["success"] * 20) | {"sigmas": [[1.0, 0.2]] * 20}))
    figure = tmp_path / "sigma.png"
    assert compare.main([str(new), "--sigma-png", str(figure)]) == 0
    assert figure.stat().st_size > 0
    with pytest.raises(SystemExit) as refusal:
        compare.main([str(new), str(old), "--sigma-png", str(figure)])
    assert refusal.value.code == 2
    assert "old.json" in capsys.readouterr().err
