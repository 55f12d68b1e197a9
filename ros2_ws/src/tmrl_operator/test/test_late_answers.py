"""Answers that come when the session has long done something else."""

from pathlib import Path

from tmrl_operator.requests import Request
from tmrl_operator.states import State
from tmrl_operator.testing import Bench


def test_a_late_answer_is_not_that_of_the_same_request_made_again(tmp_path: Path) -> None:
    """Else the second reset would be carried out in the middle of the episode."""
    bench = Bench(tmp_path)
    bench.hear_everybody()
    bench.start()
    bench.answer()
    assert bench.requests[-1][0] is Request.RESET_SCENE
    late = bench.numbers[-1]
    bench.let_pass(11.0)
    assert bench.machine.state is State.PAUSED
    bench.let_pass(5.0)
    bench.answer()
    assert bench.requests[-1][0] is Request.RESET_SCENE
    bench.answered(Request.RESET_SCENE, number=late)
    assert bench.machine.state is State.RESETTING, "the scene is about to be laid out again"
    bench.answer()
    bench.answer()
    assert bench.machine.state is State.RUNNING
