"""Whole sessions: every process, DDS and ZeroMQ are real; the arm is the loopback one."""

import contextlib
import json
import signal
import socket
from pathlib import Path

import psutil
import pytest

from tmrl_agent.journal import MAX_FETCH, Journal
from tmrl_common.transitions import Transition
from tmrl_common.types import SteeringSource
from tmrl_msgs.msg import EpisodeOutcome
from tmrl_msgs.srv import LabelEpisode

from .conftest import FAST, Demo

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

REPORT_KEYS = {
    "method",
    "seed",
    "episodes",
    "outcomes",
    "success_last_20",
    "episodes_to_90",
    "robot_minutes",
    "wall_minutes",
    "sigma_mean_first_last",
    "sigmas",
    "chunks_refused",
    "transitions_published",
    "transitions_stored",
}


def transitions(run_dir: Path, robot: str = "widowx") -> list[Transition]:
    """Everything in the journal of a run."""
    with contextlib.closing(Journal(run_dir / "journal.sqlite", robot, run_dir.name)) as journal:
        found: list[Transition] = []
        while batch := journal.fetch(len(found) + 1, MAX_FETCH):
            found += batch
        return found


def test_a_session_learns_from_every_transition_and_reports(demo: Demo, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    # wandb's import would keep the learner from its first actor for most of these few seconds.
    options = ("--seed", "3", "--json", str(copy), *FAST, "learning.wandb:=disabled")
    demo.start("--episodes", "10", *options)
    assert demo.finish() == 0, demo.output
    report = demo.report()
    assert report.keys() >= REPORT_KEYS
    assert report["outcomes"] == ["success"] * 10
    assert json.loads(copy.read_text()) == report
    stored = transitions(demo.run_dir)
    assert report["transitions_published"] == report["transitions_stored"] == len(stored)
    steps = sum(len(t.executed_actions) for t in stored if t.revision == 0)
    assert report["robot_minutes"] == pytest.approx(steps * 0.2 / 60)
    # The simulation runs on until the label arrives: what came after it was taken back.
    newest = {(t.episode, t.chunk): t for t in stored}.values()
    learned = [t for t in newest if not t.aborted]
    assert [t.episode for t in learned if t.terminated] == list(range(1, 11))
    assert all(t.reward == (0.0 if t.terminated else -1.0) for t in learned)
    assert not any(t.truncated for t in learned)
    assert stored[0].steering is SteeringSource.UNIFORM
    assert stored[-1].steering is SteeringSource.ACTOR
    for name in ("learning_curve.png", "sigma_per_chunk.png"):
        assert (demo.run_dir / "report" / name).stat().st_size > 1000


@pytest.mark.parametrize(
    ("method", "sigma"),
    [
        (["dsrl"], 0.0),
        (["dsrl_na"], 0.0),
        (["base"], 0.0),
        (["fixed-sigma", "--sigma", "0.5"], 0.5),
    ],
)
def test_the_baselines_run_too(demo: Demo, method: list[str], sigma: float) -> None:
    demo.start("--method", *method, "--episodes", "3", *FAST)
    assert demo.finish() == 0, demo.output
    report = demo.report()
    assert report["outcomes"] == ["success"] * 3
    assert report["transitions_published"] == report["transitions_stored"] > 0
    assert all(t.sigma == sigma for t in transitions(demo.run_dir))


def test_a_paced_simulation_learns_from_every_transition(demo: Demo) -> None:
    paced = ("driver.real_time_factor:=10.0", "controller.pacing:=state", "agent.lock_step:=false")
    # Simulated time runs on while a busy machine thinks: no episode may end for that.
    patient = ("operator.time_limit_s:=2000.0",)
    demo.start("--episodes", "2", *FAST, *paced, *patient)
    assert demo.finish() == 0, demo.output
    report = demo.report()
    assert report["outcomes"] == ["success"] * 2
    assert report["transitions_published"] == report["transitions_stored"] > 0


def test_no_transition_is_lost_when_the_learner_is_killed(demo: Demo) -> None:
    demo.start("--episodes", "12", *FAST)
    demo.wait_for_episodes(2)
    demo.part("learning").send_signal(signal.SIGKILL)
    assert demo.finish() == 0, demo.output
    assert "learning was killed by SIGKILL" in demo.output
    report = demo.report()
    assert report["outcomes"] == ["success"] * 12
    assert report["transitions_published"] == report["transitions_stored"] >= 12 * 5


def test_acting_goes_on_when_the_policy_server_is_killed(demo: Demo) -> None:
    demo.start("--episodes", "12", *FAST)
    demo.wait_for_episodes(2)
    demo.part("policy_server").send_signal(signal.SIGKILL)
    assert demo.finish() == 0, demo.output
    assert "policy_server was killed by SIGKILL" in demo.output
    report = demo.report()
    assert report["outcomes"] == ["success"] * 12
    assert report["transitions_published"] == report["transitions_stored"]


def test_chunks_above_the_sigma_cap_never_reach_the_arm(demo: Demo) -> None:
    demo.start(
        "--episodes", "2", *FAST, "controller.sigma_cap:=0.3", "agent.request_sigma_cap:=1.0"
    )
    demo.wait_for_episodes(1)
    assert demo.process is not None
    demo.process.send_signal(signal.SIGINT)
    demo.finish()
    assert demo.report()["chunks_refused"] > 0
    executed = [t for t in transitions(demo.run_dir) if len(t.executed_actions)]
    assert executed
    assert all(t.sigma <= 0.3 for t in executed)


def test_ctrl_c_loses_nothing_and_resume_goes_on(demo: Demo) -> None:
    demo.start("--episodes", "100", *FAST)
    demo.wait_for_episodes(3)
    assert demo.process is not None
    demo.process.send_signal(signal.SIGINT)
    assert demo.finish() == 130
    assert "--resume" in demo.output
    before = transitions(demo.run_dir)
    total = demo.episodes() + 3
    demo.start("--resume", "--episodes", str(total), *FAST)
    assert demo.finish() == 0, demo.output
    after = transitions(demo.run_dir)
    assert [t.sequence for t in after] == list(range(1, len(after) + 1))
    for old, new in zip(before, after, strict=False):
        assert (old.sequence, old.episode, old.sigma) == (new.sequence, new.episode, new.sigma)
    report = demo.report()
    assert report["episodes"] == total
    assert report["transitions_published"] == report["transitions_stored"] == len(after)


@pytest.mark.parametrize("part", ["controller", "driver", "agent", "operator"])
def test_death_of_an_essential_process_ends_the_session_by_name(demo: Demo, part: str) -> None:
    demo.start("--episodes", "100", *FAST)
    demo.wait_for_episodes(2)
    demo.part(part).send_signal(signal.SIGKILL)
    assert demo.finish() == 1
    assert f"{part} was killed by SIGKILL" in demo.output
    assert len(transitions(demo.run_dir)) >= 5


def test_a_person_labels_through_the_service(demo: Demo) -> None:
    never = ["driver.loopback_success_commands:=0"]
    never += [word for word in FAST if "loopback_success_commands" not in word]
    demo.start("--label", "manual", "--episodes", "2", *never)
    with demo.service(LabelEpisode, "/widowx/operator/label") as label:
        for episode in (1, 2):
            demo.wait_for_running(episode)
            outcome = EpisodeOutcome.SUCCESS if episode == 1 else EpisodeOutcome.FAILURE
            response = label(LabelEpisode.Request(outcome=outcome, operator_name="ada"))
            assert response.success, response.message
    assert demo.finish() == 0, demo.output
    assert demo.report()["outcomes"] == ["success", "failure"]
    ends = [t for t in transitions(demo.run_dir) if t.terminated or t.truncated]
    assert [(t.episode, t.reward) for t in ends] == [(1, 0.0), (2, -1.0)]


def test_port_in_use_is_named(demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo.start("--episodes", "1", *FAST, f"policy_server.bind:=tcp://127.0.0.1:{port}")
        assert demo.finish() == 1
    assert str(port) in demo.output
    assert "policy_server" in demo.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "tmlr"), "invalid choice: 'tmlr'"),
        (("controller.sigma_capp:=0.5",), "did you mean sigma_cap?"),
        (("controler.sigma_cap:=0.5",), "did you mean controller?"),
        (("--resume",), "no session to resume"),
        (("--episodes", "0"), "at least 1"),
    ],
)
def test_wrong_names_are_answered_with_the_valid_ones(
    demo: Demo, arguments: tuple[str, ...], sentence: str
) -> None:
    demo.start(*arguments)
    assert demo.finish() != 0
    assert sentence in demo.output


def test_everything_ends_when_the_command_itself_is_killed(demo: Demo) -> None:
    demo.start("--episodes", "100", *FAST)
    demo.wait_for_episodes(1)
    assert demo.process is not None
    family = psutil.Process(demo.process.pid).children(recursive=True)
    demo.process.kill()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
