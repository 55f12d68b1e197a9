"""The episode state machine: what a person running a session relies on."""

import json
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.types import Outcome
from tmrl_operator.episode import EpisodeMachine, RefusedError, Request, Shell, State
from tmrl_operator.ledger import Label, Ledger, LedgerError
from tmrl_operator.params import OperatorConfig

STEP_NS = 200_000_000


class Bench:
    """A machine with recorded requests and labels, and a world that answers on demand."""

    def __init__(self, folder: Path, **changes: object) -> None:
        values: dict[str, object] = {
            "robot": "widowx",
            "session": "test",
            "run_dir": str(folder),
            "time_limit_s": 2.0,
            "reset": "scene",
        }
        self.config = OperatorConfig(**{**values, **changes})  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.requests: list[tuple[Request, int]] = []
        self.labels: list[Label] = []
        self.states: list[State] = []
        self.path = folder / "episodes.jsonl"
        self.now_ns = STEP_NS
        self.sequence = 1
        self.restart()

    def restart(self) -> None:
        """A new life of the node on the same ledger."""
        shell = Shell(
            request=lambda request, seed: self.requests.append((request, seed)),
            publish_label=self.labels.append,
            publish_state=lambda: self.states.append(self.machine.state),
        )
        self.machine = EpisodeMachine(self.config, Ledger(self.path), self.clock, shell)

    def hear_everybody(self) -> None:
        self.machine.heard_arm(self.now_ns, self.sequence)
        self.machine.heard_controller("")
        self.machine.heard_agent(server_connected=True)

    def step(self, success: bool = False, detail: str = "") -> None:
        """One control period of the simulation."""
        self.now_ns += STEP_NS
        self.sequence += 1
        self.machine.heard_success(self.now_ns, success, True, detail)
        self.machine.heard_arm(self.now_ns, self.sequence)

    def answer(self, success: bool = True, message: str = "") -> Request:
        """Answers the newest request."""
        request, _ = self.requests[-1]
        self.machine.answered(request, success, message, self.sequence + 1)
        return request

    def run_to(self, state: State) -> None:
        for _ in range(5):
            if self.machine.state is state:
                return
            self.answer()
        assert self.machine.state is state


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.hear_everybody()
    bench.machine.start()
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
    bench.machine.heard_success(bench.machine.started_ns, True, True, "left over")
    assert bench.machine.state is State.RUNNING


def test_manual_mode_waits_for_the_person(tmp_path: Path) -> None:
    bench = Bench(tmp_path, label_mode="manual")
    bench.hear_everybody()
    bench.machine.start()
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    assert bench.machine.state is State.RUNNING
    for _ in range(10):
        bench.step()
    assert bench.machine.state is State.LABELLING
    bench.machine.label(Outcome.SUCCESS, 0, "ada")
    assert bench.labels[-1].outcome is Outcome.SUCCESS
    assert bench.labels[-1].stamp_ns == bench.machine.started_ns + 2_000_000_000


def test_person_resets_the_scene_of_a_real_arm(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reset="person")
    bench.hear_everybody()
    bench.machine.start()
    bench.answer()
    with pytest.raises(RefusedError, match="on its way home"):
        bench.machine.reset_done()
    assert bench.answer() is Request.DRIVE_HOME
    bench.machine.reset_done()
    assert bench.machine.state is State.READY


@pytest.mark.parametrize("trouble", ["e-stop: pressed", "controller fault: NaN"])
def test_estop_and_fault_abort_and_never_run_again_by_themselves(
    bench: Bench, trouble: str
) -> None:
    bench.run_to(State.RUNNING)
    bench.step()
    bench.machine.heard_controller(trouble)
    assert bench.labels[-1].outcome is Outcome.ABORTED
    assert bench.machine.state is State.PAUSED
    assert trouble in bench.machine.reason
    bench.machine.heard_controller("")
    bench.machine.tick()
    bench.answer()
    assert bench.machine.state is State.PAUSED


@pytest.mark.parametrize("silent", ["arm", "controller", "agent"])
def test_a_silent_node_pauses_the_session_by_name(bench: Bench, silent: str) -> None:
    bench.run_to(State.RUNNING)
    bench.clock.advance(bench.config.peer_timeout_s + 1)
    if silent != "arm":
        bench.machine.heard_arm(bench.now_ns, bench.sequence)
    if silent != "controller":
        bench.machine.heard_controller("")
    if silent != "agent":
        bench.machine.heard_agent(server_connected=True)
    bench.machine.tick()
    assert bench.machine.state is State.PAUSED
    assert silent in bench.machine.reason


def test_failed_reset_pauses_with_the_reason(bench: Bench) -> None:
    bench.answer()
    bench.answer(success=False, message="object fell off the table")
    assert bench.machine.state is State.PAUSED
    assert "object fell off the table" in bench.machine.reason
    bench.hear_everybody()
    bench.machine.start()
    assert bench.machine.state is State.RESETTING


def test_ready_waits_for_the_learner(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_rounds_owed=10)
    bench.hear_everybody()
    bench.machine.start()
    bench.run_to(State.READY)
    bench.machine.tick()
    assert "waits for the learner to start" in bench.machine.reason
    bench.machine.heard_learner(11)
    bench.machine.tick()
    assert "11 rounds" in bench.machine.reason
    bench.machine.heard_learner(10)
    bench.machine.tick()
    assert bench.requests[-1][0] is Request.RESUME


def test_relabelling_and_discarding_are_revisions(bench: Bench) -> None:
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    bench.machine.relabel(1, Outcome.FAILURE, "ada")
    bench.machine.discard(1)
    assert [(label.outcome, label.revision) for label in bench.labels] == [
        (Outcome.SUCCESS, 0),
        (Outcome.FAILURE, 1),
        (Outcome.DISCARDED, 2),
    ]
    with pytest.raises(RefusedError, match="episode 7 has no label"):
        bench.machine.relabel(7, Outcome.SUCCESS, "ada")


def test_session_ends_after_max_episodes_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_episodes=1)
    bench.hear_everybody()
    bench.machine.start()
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    assert bench.machine.state is State.IDLE
    with pytest.raises(RefusedError, match="1 episodes are done"):
        bench.machine.start()


def test_start_names_the_node_that_is_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.machine.heard_arm(1, 1)
    with pytest.raises(RefusedError, match="controller has not been heard of"):
        bench.machine.start()


def test_layouts_follow_the_session_seed(tmp_path: Path) -> None:
    seeds: list[list[int]] = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        bench = Bench(tmp_path / name, seed=seed)
        bench.hear_everybody()
        bench.machine.start()
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
    bench.machine.start()
    assert (bench.labels[-1].episode, bench.labels[-1].outcome) == (2, Outcome.ABORTED)
    bench.run_to(State.RUNNING)
    assert bench.machine.episode == 3


def test_torn_last_line_is_dropped_and_damage_before_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    ledger = Ledger(path)
    ledger.start(1, 5)
    ledger.label(1, Outcome.SUCCESS, 9, "operator", "")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "star')
    assert Ledger(path).labels == ledger.labels
    assert path.read_bytes() == whole
    path.write_bytes(b"garbage\n" + whole)
    with pytest.raises(LedgerError, match="line 1"):
        Ledger(path)


class Interleavings(RuleBasedStateMachine):
    """Whatever order things come in, the promises below hold."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.folder / str(id(self)))
        self.bench.path.unlink(missing_ok=True)
        self.bench.restart()
        self.bench.hear_everybody()
        self.reset_since_last_run = False
        self.stopped_for_trouble = False

    @rule()
    def start(self) -> None:
        self.bench.hear_everybody()
        try:
            self.bench.machine.start()
        except RefusedError:
            return
        self.stopped_for_trouble = False

    @precondition(lambda self: self.bench.requests)
    @rule(success=st.booleans())
    def answer(self, success: bool) -> None:
        before = self.bench.machine.state
        request = self.bench.answer(success)
        if request is Request.RESET_SCENE and success:
            self.reset_since_last_run = True
        if self.bench.machine.state is State.RUNNING is not before:
            assert self.reset_since_last_run
            assert not self.stopped_for_trouble
            self.reset_since_last_run = False

    @rule(success=st.booleans())
    def step(self, success: bool) -> None:
        self.bench.step(success)

    @rule()
    def trouble(self) -> None:
        self.bench.machine.heard_controller("e-stop: pressed")
        if self.bench.machine.state is not State.IDLE:
            self.stopped_for_trouble = self.bench.machine.state is State.PAUSED

    @rule(seconds=st.floats(0.1, 20))
    def wait(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)
        self.bench.machine.tick()

    @rule(outcome=st.sampled_from(list(Outcome)), episode=st.integers(0, 4))
    def person(self, outcome: Outcome, episode: int) -> None:
        for call in (
            lambda: self.bench.machine.label(outcome, 0, "ada"),
            lambda: self.bench.machine.relabel(episode, outcome, "ada"),
            lambda: self.bench.machine.discard(episode),
        ):
            try:
                call()
            except RefusedError as error:
                assert str(error)

    @rule()
    def stop(self) -> None:
        self.bench.machine.stop()
        assert self.bench.machine.state is State.IDLE

    @invariant()
    def every_episode_has_one_label_per_revision(self) -> None:
        keys = [(label.episode, label.revision) for label in self.bench.labels]
        assert len(keys) == len(set(keys))

    @invariant()
    def the_ledger_tells_the_same(self) -> None:
        lines = self.bench.path.read_text().splitlines() if self.bench.path.exists() else []
        labels = [entry for entry in map(json.loads, lines) if entry["event"] == "labelled"]
        assert len(labels) == len(self.bench.labels)


def test_promises_hold_for_any_interleaving(tmp_path: Path) -> None:
    machine = type("Machine", (Interleavings,), {"folder": tmp_path})
    case = machine.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
    case().runTest()
