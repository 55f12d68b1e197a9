"""Whatever order things come in, a session keeps its promises."""

import json
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tmrl_common.types import Outcome
from tmrl_operator.refused import RefusedError
from tmrl_operator.requests import Request
from tmrl_operator.states import State
from tmrl_operator.testing import Bench


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
            self.bench.start()
        except RefusedError:
            return
        self.stopped_for_trouble = False

    @precondition(lambda self: self.bench.requests)
    @rule(success=st.booleans())
    def answer(self, *, success: bool) -> None:
        before = self.bench.machine.state
        request = self.bench.answer(success=success)
        if request is Request.RESET_SCENE and success:
            self.reset_since_last_run = True
        if self.bench.machine.state is State.RUNNING is not before:
            assert self.reset_since_last_run
            assert not self.stopped_for_trouble
            self.reset_since_last_run = False

    @rule(success=st.booleans())
    def step(self, *, success: bool) -> None:
        self.bench.step(success=success)

    @rule()
    def trouble(self) -> None:
        self.bench.controller_seen("e-stop: pressed")
        if self.bench.machine.state is not State.IDLE:
            self.stopped_for_trouble = self.bench.machine.state is State.PAUSED

    @rule(seconds=st.floats(0.1, 20))
    def wait(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)
        self.bench.tick()

    @rule(outcome=st.sampled_from(list(Outcome)), episode=st.integers(0, 4))
    def person(self, outcome: Outcome, episode: int) -> None:
        for call in (
            lambda: self.bench.label(outcome),
            lambda: self.bench.relabel(episode, outcome),
            lambda: self.bench.discard(episode),
            lambda: self.bench.label(outcome, episode=episode),
            self.bench.undo,
        ):
            try:
                call()
            except RefusedError as error:
                assert str(error)

    @rule()
    def pause(self) -> None:
        before = self.bench.machine.state
        try:
            self.bench.pause()
        except RefusedError:
            assert before in (State.IDLE, State.LABELLING)
        else:
            assert self.bench.machine.state is State.PAUSED

    @rule()
    def stop(self) -> None:
        self.bench.stop()
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
    case.settings = settings(max_examples=60, stateful_step_count=30)
    case().runTest()
