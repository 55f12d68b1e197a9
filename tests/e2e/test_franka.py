"""The simulated Franka as a whole session: joint velocities through every real process."""

from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from .conftest import Demo
from .test_session import transitions

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]


def test_the_frozen_policy_presses_what_its_demonstrations_press(
    demo: Demo, tmp_path: Path
) -> None:
    shipped = files("tmrl_cell").joinpath("tasks", "press_button.yaml").read_text(encoding="utf-8")
    task = yaml.safe_load(shipped)
    task["success"] = task["demonstrated"]
    mine = tmp_path / "press_blue.yaml"
    mine.write_text(yaml.safe_dump(task, sort_keys=False))

    options = ("--rig", "franka_sim", "--method", "base", f"driver.task:={mine}")
    demo.start("--episodes", "4", *options)
    assert demo.finish() == 0, demo.output

    report = demo.report()
    assert report["outcomes"].count("success") >= 2
    assert report["chunks_refused"] == 0
    rows = transitions(demo.run_dir, "franka")
    # Seven joint velocities and the gripper, as executed: the policy moves the arm, and no joint
    # faster than the controller allows, 1 rad/s in DROID's unit of 3 rad/s.
    assert {row.executed_actions.shape[1] for row in rows} == {8}
    fastest = max(abs(row.executed_actions[:, :7]).max() for row in rows)
    assert 0.02 < fastest < 0.34
