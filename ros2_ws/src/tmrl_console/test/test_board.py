"""The board: pages get what changed, all of it, and nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from tmrl_console.board import Board

NAMES = st.sampled_from(["arm", "episode", "chunks"])
PINS = st.lists(st.tuples(NAMES, st.integers(0, 3)))


@given(PINS, PINS)
def test_a_page_that_asks_now_and_then_knows_what_one_knows_that_asks_once(earlier, later):
    board, known, version = Board(), {}, 0
    for pins in (earlier, later):
        for name, value in pins:
            board.pin(name, {"value": value})
        news = board.since(version)
        known |= news.sections
        version = news.version
    assert known == board.since(0).sections
    assert not board.since(version).sections


def test_what_says_the_same_as_before_is_not_sent_again():
    board = Board()
    board.pin("arm", {"fault": ""})
    version = board.since(0).version
    board.pin("arm", {"fault": ""})
    assert not board.since(version).sections
    board.pin("arm", {"fault": "lost"})
    assert board.since(version).sections == {"arm": {"fault": "lost"}}


def test_a_value_that_is_not_there_is_the_default():
    board = Board()
    assert board.get("episode", "state", "unknown") == "unknown"
    board.pin("episode", {"state": "running"})
    assert board.get("episode", "state") == "running"
    assert board.get("episode", "number") is None
