"""The demo with two arms: two simulations, two journals, one learner."""

import json

import pytest

from .conftest import FAST, Demo
from .test_session import transitions

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]


def test_two_arms_fill_the_replay_buffer_of_one_learner(demo: Demo) -> None:
    demo.start("--episodes", "2", "--arms", "2", *FAST)
    assert demo.finish() == 0, demo.output

    second = demo.run_dir / "arms" / "widowx_2" / demo.run_dir.name
    first_rows, second_rows = transitions(demo.run_dir), transitions(second, "widowx_2")
    assert first_rows
    assert second_rows
    arms = demo.report()["arms"]
    assert {name: arm["episodes"] for name, arm in arms.items()} == {"widowx": 2, "widowx_2": 2}
    saved = json.loads((demo.run_dir / "checkpoint" / "learner.json").read_text())["metadata"]
    rows = [row for row in (*first_rows, *second_rows) if row.revision == 0]
    assert saved["counters"]["stored"] == len(rows)
    assert "widowx_2: episode 2" in demo.output
