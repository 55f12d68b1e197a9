"""The episode state machine: what a person running a session relies on."""

from pathlib import Path

import pytest
import yaml

from tmrl_common.types import Outcome
from tmrl_operator.effects import Effect, PublishLabel
from tmrl_operator.ledger import Label, Ledger, LedgerError
from tmrl_operator.params import OperatorConfig
from tmrl_operator.refused import RefusedError
from tmrl_operator.requests import Request
from tmrl_operator.states import State
from tmrl_operator.testing import STEP_NS, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.hear_everybody()
    bench.start()
    return bench


def test_an_episode_runs_only_after_hold_reset_and_resume(bench: Bench) -> None:
    assert [bench.answer(), bench.answer(), bench.answer()] == [
        Request.HOLD,
        Request.RESET_SCENE,
        Request.RESUME,
    ]
    assert bench.machine.state is State.RUNNING
    assert bench.machine.episode == 1
    assert bench.machine.first_arm_state_sequence == 2


def test_ground_truth_labels_at_the_stamp_of_the_detection(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.step()
    bench.step(success=True, detail="sausage in pot")
    assert bench.labels == [
        Label(1, Outcome.SUCCESS, bench.now_ns, "ground_truth", "sausage in pot", 0)
    ]
    assert bench.requests[-1][0] is Request.HOLD
    assert bench.machine.state is State.RESETTING


def test_time_limit_is_a_timeout_at_exactly_the_limit(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    started_ns = bench.machine.started_ns
    for _ in range(10):
        bench.step()
    assert [label.outcome for label in bench.labels] == [Outcome.TIMEOUT]
    assert bench.labels[0].stamp_ns == started_ns + 2_000_000_000


def test_success_in_the_last_instant_is_no_timeout(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    for _ in range(9):
        bench.step()
    bench.step(success=True)
    assert [label.outcome for label in bench.labels] == [Outcome.SUCCESS]


def test_stale_success_of_the_former_scene_does_not_end_the_new_episode(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.judged(bench.machine.started_ns, "left over", success=True)
    assert bench.machine.state is State.RUNNING


def test_manual_mode_waits_for_the_person(tmp_path: Path) -> None:
    bench = Bench(tmp_path, label_mode="manual")
    bench.hear_everybody()
    bench.start()
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    assert bench.machine.state is State.RUNNING
    for _ in range(10):
        bench.step()
    assert bench.machine.state is State.LABELLING
    bench.label(Outcome.SUCCESS)
    assert bench.labels[-1].outcome is Outcome.SUCCESS
    assert bench.labels[-1].stamp_ns == bench.machine.started_ns + 2_000_000_000


def test_person_resets_the_scene_of_a_real_arm(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reset="person")
    bench.hear_everybody()
    bench.start()
    bench.answer()
    with pytest.raises(RefusedError, match="on its way home"):
        bench.reset_done()
    assert bench.answer() is Request.DRIVE_HOME
    bench.reset_done()
    assert bench.machine.state is State.READY


@pytest.mark.parametrize("trouble", ["e-stop: pressed", "controller fault: NaN"])
def test_estop_and_fault_abort_and_never_run_again_by_themselves(
    bench: Bench, trouble: str
) -> None:
    bench.run_to(State.RUNNING)
    bench.step()
    bench.controller_seen(trouble)
    assert bench.labels[-1].outcome is Outcome.ABORTED
    assert bench.machine.state is State.PAUSED
    assert trouble in bench.machine.reason
    bench.controller_seen()
    bench.tick()
    bench.answer()
    assert bench.machine.state is State.PAUSED


@pytest.mark.parametrize("silent", ["arm", "controller", "agent"])
def test_a_silent_node_pauses_the_session_by_name(bench: Bench, silent: str) -> None:
    bench.run_to(State.RUNNING)
    bench.clock.advance(bench.config.peer_timeout_s + 1)
    if silent != "arm":
        bench.arm_seen()
    if silent != "controller":
        bench.controller_seen()
    if silent != "agent":
        bench.agent_seen()
    bench.tick()
    assert bench.machine.state is State.PAUSED
    assert silent in bench.machine.reason


def test_failed_reset_pauses_with_the_reason(bench: Bench) -> None:
    bench.answer()
    bench.answer(success=False, message="object fell off the table")
    assert bench.machine.state is State.PAUSED
    assert "object fell off the table" in bench.machine.reason
    bench.hear_everybody()
    bench.start()
    assert bench.machine.state is State.RESETTING


def test_an_arm_that_is_slow_on_its_way_home_is_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reset="person")
    bench.hear_everybody()
    bench.start()
    bench.answer()
    bench.let_pass(35.0)
    assert bench.machine.state is State.RESETTING, "the driver itself gives up after 30 s"
    bench.answer()
    bench.reset_done()
    assert bench.machine.state is State.READY


def test_an_arm_that_never_gets_home_pauses_the_session_with_the_remedy(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reset="person", home_timeout_s=45.0)
    bench.hear_everybody()
    bench.start()
    bench.answer()
    bench.let_pass(46.0)
    assert bench.machine.state is State.PAUSED
    for words in ("arm/home", "within 45 s", "operator.home_timeout_s", "arm.home_timeout_s"):
        assert words in bench.machine.reason


def test_a_controller_that_does_not_answer_is_named_soon(bench: Bench) -> None:
    bench.let_pass(11.0)
    assert bench.machine.state is State.PAUSED
    assert "controller/hold was not answered within 10 s" in bench.machine.reason


@pytest.mark.parametrize("rig", ["widowx", "franka", "widowx_sim"])
def test_in_shipped_rigs_no_session_acts_before_its_learner_has_reported(rig: str) -> None:
    folder = Path(__file__).resolve().parents[4] / "launch" / "config"
    told = yaml.safe_load((folder / f"{rig}.yaml").read_text().replace("!example", ""))["operator"]
    assert OperatorConfig("arm", "run", "runs/run", **told).wait_for_learner


def test_ready_waits_for_the_learner_to_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path, wait_for_learner=True)
    bench.hear_everybody()
    bench.start()
    bench.run_to(State.READY)
    bench.tick()
    assert "waits for the learner" in bench.machine.reason
    assert "operator.wait_for_learner to false" in bench.machine.reason
    bench.learner_started()
    bench.tick()
    assert bench.requests[-1][0] is Request.RESUME


def test_ready_waits_for_an_agent_that_cannot_act(bench: Bench) -> None:
    bench.agent_seen("no policy server")
    bench.answer()
    bench.answer()
    assert bench.machine.state is State.READY
    assert "no policy server" in bench.machine.reason
    bench.agent_seen()
    bench.tick()
    assert bench.requests[-1][0] is Request.RESUME


def test_ready_waits_for_a_controller_that_has_not_heard_of_everybody(bench: Bench) -> None:
    bench.controller_seen("", "started", "no arm state has arrived yet: start the driver")
    bench.answer()
    bench.answer()
    assert bench.machine.state is State.READY
    assert "waits for the controller: no arm state" in bench.machine.reason
    bench.controller_seen("", "started")
    bench.tick()
    assert bench.requests[-1][0] is Request.RESUME
    bench.answer()
    bench.controller_seen("", "", "nobody listens to controller/outcome: start the agent")
    assert bench.machine.state is State.RUNNING, "a lost peer is recognised by its own silence"


def test_an_agent_that_cannot_go_on_for_long_aborts_the_episode(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.clock.advance(bench.config.agent_timeout_s)
    bench.hear_arm_and_controller()
    bench.agent_seen("chunk 3 was refused")
    bench.tick()
    assert bench.machine.state is State.RUNNING, "it may still recover"
    bench.clock.advance(1.0)
    bench.tick()
    assert bench.machine.state is State.PAUSED
    assert "chunk 3 was refused" in bench.machine.reason
    assert [label.outcome for label in bench.labels] == [Outcome.ABORTED]


def test_an_agent_that_restarted_has_lost_the_running_episode(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.agent_seen(epoch="another epoch")
    assert bench.labels[-1].outcome is Outcome.ABORTED
    assert bench.machine.state is State.PAUSED
    assert "agent restarted" in bench.machine.reason


def test_a_detector_that_falls_silent_does_not_keep_an_episode_for_ever(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.now_ns += 3_000_000_000
    bench.hear_everybody()
    bench.tick()
    assert bench.labels == [], "the verdict of that instant may still be on its way"
    bench.clock.advance(bench.config.peer_timeout_s + 1)
    bench.hear_everybody()
    bench.tick()
    (label,) = bench.labels
    assert label.outcome is Outcome.TIMEOUT
    assert label.stamp_ns == bench.machine.started_ns + 2_000_000_000


def test_stop_holds_the_arm_even_while_a_resume_is_under_way(bench: Bench) -> None:
    bench.answer()
    bench.answer()
    assert bench.requests[-1][0] is Request.RESUME
    bench.stop()
    assert bench.requests[-1][0] is Request.HOLD
    bench.answered(Request.RESUME)
    assert bench.machine.state is State.IDLE


def test_a_held_arm_is_named_while_the_episode_waits_for_it(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.controller_seen("", "a person let go")
    assert bench.machine.state is State.RUNNING
    assert "a person let go" in bench.machine.reason
    bench.controller_seen()
    assert bench.machine.reason == ""


@pytest.mark.parametrize("offset_ns", [-STEP_NS, 0, 10 * STEP_NS])
def test_a_persons_stamp_has_to_lie_in_the_episode(bench: Bench, offset_ns: int) -> None:
    bench.now_ns = 10 * STEP_NS
    bench.hear_everybody()
    bench.run_to(State.RUNNING)
    bench.step()
    with pytest.raises(RefusedError, match="outside of the episode"):
        bench.label(Outcome.SUCCESS, bench.machine.started_ns + offset_ns)
    assert bench.machine.state is State.RUNNING
    bench.label(Outcome.SUCCESS, bench.now_ns)
    assert bench.labels[-1].stamp_ns == bench.now_ns


def test_relabelling_and_discarding_are_revisions(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    bench.relabel(1, Outcome.FAILURE)
    bench.discard(1)
    assert [(label.outcome, label.revision) for label in bench.labels] == [
        (Outcome.SUCCESS, 0),
        (Outcome.FAILURE, 1),
        (Outcome.DISCARDED, 2),
    ]
    with pytest.raises(RefusedError, match="episode 7 has no label"):
        bench.relabel(7, Outcome.SUCCESS)


def test_session_ends_after_max_episodes_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_episodes=1)
    bench.hear_everybody()
    bench.start()
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    assert bench.machine.state is State.IDLE
    with pytest.raises(RefusedError, match="1 episodes are done"):
        bench.start()


def test_start_names_the_node_that_is_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.arm_seen()
    with pytest.raises(RefusedError, match="controller has not reported"):
        bench.start()


def test_layouts_follow_the_session_seed(tmp_path: Path) -> None:
    seeds: list[list[int]] = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        bench = Bench(tmp_path / name, seed=seed)
        bench.hear_everybody()
        bench.start()
        for _ in range(3):
            bench.run_to(State.RUNNING)
            bench.step(success=True)
        seeds.append([seed for request, seed in bench.requests if request is Request.RESET_SCENE])
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(set(seeds[0])) == len(seeds[0])


def test_numbers_go_on_after_a_crash_and_the_lost_episode_is_aborted(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    bench.run_to(State.RUNNING)
    bench.restart()
    bench.hear_everybody()
    bench.start()
    assert (bench.labels[-1].episode, bench.labels[-1].outcome) == (2, Outcome.ABORTED)
    bench.run_to(State.RUNNING)
    assert bench.machine.episode == 3


def test_torn_last_line_is_dropped_and_damage_before_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    ledger = Ledger(path)
    ledger.start(1, 5)
    ledger.label(Label(1, Outcome.SUCCESS, 9, "operator", "", 0))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "star')
    assert Ledger(path).labels == ledger.labels
    assert path.read_bytes() == whole
    path.write_bytes(b"garbage\n" + whole)
    with pytest.raises(LedgerError, match="line 1"):
        Ledger(path)


def changes(effects: list[Effect]) -> list[str]:
    return [effect.sentence for effect in effects if isinstance(effect, PublishLabel)]


def test_a_change_of_a_label_says_from_what_to_what(tmp_path: Path) -> None:
    bench = Bench(tmp_path, label_mode="manual")
    bench.hear_everybody()
    bench.start()
    bench.run_to(State.RUNNING)
    bench.step()
    assert changes(bench.label(Outcome.FAILURE)) == ["episode 1: FAILURE (revision 0)"]
    relabelled = changes(bench.relabel(1, Outcome.SUCCESS))
    assert relabelled == ["episode 1: FAILURE -> SUCCESS (revision 1)"]
    # 0 stands for the last episode: the answer says which one that was.
    assert changes(bench.discard(0)) == ["episode 1: SUCCESS -> DISCARDED (revision 2)"]


def test_ready_is_said_once_when_everybody_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, wait_for_learner=True)
    bench.tick()
    bench.hear_everybody()
    bench.tick()
    assert (bench.machine.reason, bench.said) == ("", [])
    bench.learner_started()
    bench.tick()
    bench.tick()
    assert bench.machine.reason == "ready: call operator/start"
    assert bench.said == ["ready: call operator/start"]


def test_a_session_is_not_called_ready_while_a_node_is_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hear_everybody()
    bench.tick()
    bench.clock.advance(bench.config.peer_timeout_s + 1)
    bench.tick()
    assert bench.machine.reason == ""
    bench.hear_everybody()
    bench.tick()
    assert (bench.machine.reason, bench.said) == (bench.said[0], ["ready: call operator/start"])
