"""A pause: it says what to press, and one whose cause has gone does not last for ever."""

from pathlib import Path

import pytest

from tmrl_common.types import Outcome
from tmrl_operator.requests import Request
from tmrl_operator.states import State
from tmrl_operator.testing import Bench

UNCONFIRMED = "a hold was commanded, but the arm's driver has not taken the hold"


def running(folder: Path, reset: str) -> Bench:
    bench = Bench(folder, reset=reset)
    bench.hear_everybody()
    bench.start()
    bench.answer()
    bench.answer()
    if reset == "person":
        bench.reset_done()
        bench.tick()
    bench.answer()
    assert bench.machine.state is State.RUNNING
    return bench


def fall_silent(bench: Bench) -> None:
    """The driver freezes for a while."""
    for _ in range(round(bench.config.peer_timeout_s) + 1):
        bench.clock.advance(1.0)
        bench.controller_seen()
        bench.agent_seen()
        bench.tick()
    assert bench.machine.state is State.PAUSED


def come_back(bench: Bench) -> None:
    for _ in range(2):
        bench.clock.advance(1.0)
        bench.hear_everybody()
        bench.tick()


@pytest.mark.parametrize("reset", ["scene", "person"])
def test_a_pause_says_what_to_press(tmp_path: Path, reset: str) -> None:
    bench = running(tmp_path, reset)
    fall_silent(bench)
    assert "the arm has been silent" in bench.machine.reason
    assert "call operator/start to resume" in bench.machine.reason
    assert "operator/stop to end" in bench.machine.reason


def test_with_a_real_arm_a_person_resumes_after_the_cause_has_gone(tmp_path: Path) -> None:
    bench = running(tmp_path, "person")
    fall_silent(bench)
    asked = len(bench.requests)
    come_back(bench)
    assert bench.machine.state is State.PAUSED
    assert "Everybody is there again: call operator/start" in bench.machine.reason
    assert "the arm has been silent" in bench.machine.reason
    assert bench.requests[asked:] == [], "nothing is asked of the arm"
    fall_silent(bench)
    assert "Remove the cause" in bench.machine.reason
    come_back(bench)
    bench.start()
    assert bench.machine.state is State.RESETTING


def test_a_simulation_resumes_by_itself_with_a_new_episode(tmp_path: Path) -> None:
    bench = running(tmp_path, "scene")
    fall_silent(bench)
    come_back(bench)
    assert bench.machine.state is State.RESETTING
    bench.run_to(State.RUNNING)
    assert bench.machine.episode == 2
    assert [label.outcome for label in bench.labels] == [Outcome.ABORTED]


def test_a_simulation_asks_again_for_a_hold_that_was_not_confirmed(tmp_path: Path) -> None:
    bench = running(tmp_path, "scene")
    bench.step(success=True)
    bench.answer(success=False, message=UNCONFIRMED)
    assert bench.machine.state is State.PAUSED
    assert UNCONFIRMED in bench.machine.reason
    bench.tick()
    assert bench.machine.state is State.PAUSED, "not at once"
    come_back(bench)
    assert bench.requests[-1][0] is Request.HOLD
    bench.run_to(State.RUNNING)
    assert bench.machine.episode == 2


@pytest.mark.parametrize("reset", ["scene", "person"])
@pytest.mark.parametrize("trouble", ["e-stop: pressed", "controller fault: NaN"])
def test_an_estop_or_a_fault_in_a_pause_waits_for_a_person(
    tmp_path: Path, reset: str, trouble: str
) -> None:
    bench = running(tmp_path, reset)
    fall_silent(bench)
    bench.controller_seen(trouble)
    come_back(bench)
    assert bench.machine.state is State.PAUSED
    assert trouble in bench.machine.reason
    assert "Remove the cause, then call operator/start" in bench.machine.reason


def test_a_refused_reset_is_not_tried_again_by_itself(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hear_everybody()
    bench.start()
    bench.answer()
    bench.answer(success=False, message="object fell off the table")
    come_back(bench)
    assert bench.machine.state is State.PAUSED
    assert "object fell off the table" in bench.machine.reason
