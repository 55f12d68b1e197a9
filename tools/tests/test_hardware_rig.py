"""The hardware rigs from end to end with their real processes; arm, cameras, weights are made up.

What a lab does on its first day: refusal of an incomplete file, start, reset, an episode, a label,
stop. The arm is the loopback driver behind the hardware's node.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_agent.journal import Journal
from tmrl_msgs.msg import EpisodeOutcome
from tmrl_msgs.srv import LabelEpisode, PersonRequest

from .hardware_rig import Rig, chunks, failed_checks, person, write_policy, write_rig

pytestmark = [pytest.mark.e2e, pytest.mark.ros]


@pytest.fixture(params=["widowx", "franka"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, ros_domain_id: int) -> Iterator[Rig]:
    policy = write_policy(tmp_path / "pi0", request.param)
    file = write_rig(tmp_path / f"my_{request.param}.yaml", request.param, policy)
    made = Rig(file, tmp_path / "run", tmp_path / "output.txt")
    yield made
    made.close()


def asking(rig: Rig, call: Callable[..., Any]) -> Callable[[str], bool]:
    """Asks the operator for something, as a person does; whether it was done."""

    def ask(name: str) -> bool:
        answer = call(PersonRequest, f"/{rig.robot}/operator/{name}")
        rig.answer = f"{name}: {answer.message}"
        return answer.success

    return ask


def test_a_hardware_rig_runs_an_episode_and_leaves_nothing_behind(
    rig: Rig, ros_domain_id: int
) -> None:
    rig.start()
    with person(ros_domain_id) as call:
        ask = asking(rig, call)
        rig.wait_until(lambda: ask("start"), "the start")
        rig.wait_until(lambda: ask("reset_done"), "the way home")
        rig.wait_until(lambda: chunks(rig.run_dir, 1) >= 3, "three chunks")
        failed, text = failed_checks(rig.file)
        assert not failed, text
        success = {"outcome": EpisodeOutcome.SUCCESS, "operator_name": "ada"}
        answer = call(LabelEpisode, f"/{rig.robot}/operator/label", **success)
        assert answer.success, answer.message
        rig.wait_until(lambda: ask("stop"), "the stop")
    assert rig.interrupt() == 0, rig.output.read_text()
    ledger = map(json.loads, (rig.run_dir / "episodes.jsonl").read_text().splitlines())
    assert next(e["outcome"] for e in ledger if e["event"] == "labelled") == "SUCCESS"


@pytest.mark.parametrize("rig", ["widowx"], indirect=True)
def test_dsrl_na_learns_beside_a_pi0_of_which_the_learner_has_no_copy(
    rig: Rig, ros_domain_id: int
) -> None:
    few = "schedule.warmup_chunks=4, schedule.burst_rounds=3, agent.utd=2, agent.batch_size=32"
    rig.start("method:=dsrl_na", f"learning.overrides:=[{few}]")
    with person(ros_domain_id) as call:
        ask = asking(rig, call)
        rig.wait_until(lambda: ask("start"), "the start")
        rig.wait_until(lambda: ask("reset_done"), "the way home")
        rig.wait_until(lambda: chunks(rig.run_dir, 1) >= 8, "eight chunks")
        failure = {"outcome": EpisodeOutcome.FAILURE, "operator_name": "ada"}
        assert call(LabelEpisode, f"/{rig.robot}/operator/label", **failure).success
        rig.wait_until(lambda: ask("stop"), "the stop")
    assert rig.interrupt() == 0, rig.output.read_text()
    with Journal(rig.run_dir / "journal.sqlite", rig.robot, rig.run_dir.name) as journal:
        stored = journal.fetch(1, 100)
    assert {t.candidate_sigma.size for t in stored} == {16}
    assert all(t.candidate_actions.size == 16 * 2 * 7 for t in stored), "two steps of each chunk"
    saved = json.loads((rig.run_dir / "checkpoint" / "learner.json").read_text())["metadata"]
    assert saved["counters"]["refused"] == 0
    assert saved["counters"]["rounds"] >= 3


def test_the_doctor_finds_the_rig_fit_before_it_runs(rig: Rig) -> None:
    # No camera is connected to this machine: those lines must fail, and only those.
    failed, text = failed_checks(rig.file)
    assert failed, text
    assert all(name.startswith("camera ") for name in failed), text
    assert "started for this look" in text
