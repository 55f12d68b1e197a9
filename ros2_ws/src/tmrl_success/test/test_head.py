"""The success head: what it learns of labels, how it is measured, and when it says nothing."""

from collections.abc import Iterable

import numpy as np
import pytest

from tmrl_common.types import Outcome
from tmrl_success.examples import Session
from tmrl_success.head import teach
from tmrl_success.suggester import Suggester
from tmrl_success.testing import CHUNKS, FEATURES, episode, session

RANDOM_SEED = 5


def shown(
    episodes: Iterable[tuple[int, Outcome]], looks: dict[int, bool] | None = None
) -> tuple[Session, dict[int, Outcome]]:
    random = np.random.default_rng(RANDOM_SEED)
    seen, outcomes = Session(), dict(episodes)
    for number, outcome in outcomes.items():
        done = (looks or {}).get(number)
        for row in episode(number, outcome, random, done=done):
            seen.add(row)
    seen.label(outcomes)
    return seen, outcomes


def test_it_tells_apart_what_labels_tell_apart() -> None:
    seen, _ = shown(session(20, 20, seed=1))
    head = teach(seen.examples(), precision=0.95)
    assert head.threshold is not None
    assert head.precision >= 0.95
    assert head.recall >= 0.9
    random = np.random.default_rng(99)
    done, not_done = (random.normal(size=(50, FEATURES)).astype(np.float32) for _ in range(2))
    done[:, 0], not_done[:, 0] = 3.0, 0.0
    assert sum(head.confidence(row) >= head.threshold for row in done) >= 48
    assert sum(head.confidence(row) >= head.threshold for row in not_done) <= 2


def test_labels_that_nothing_explains_teach_it_nothing() -> None:
    episodes = list(session(20, 20, seed=2))
    seen, _ = shown(episodes, looks={number: False for number, _ in episodes})
    head = teach(seen.examples(), precision=0.95)
    assert head.threshold is None
    assert head.precision < 0.95


@pytest.mark.parametrize("wrong", [Outcome.TIMEOUT, Outcome.SUCCESS])
def test_a_label_that_contradicts_the_others_is_worth_another_look(wrong: Outcome) -> None:
    episodes = dict(session(30, 30, seed=3))
    number = next(n for n, outcome in episodes.items() if outcome is not wrong)
    looks = {number: episodes[number] is Outcome.SUCCESS}
    episodes[number] = wrong
    seen, _ = shown(episodes.items(), looks)
    doubts = teach(seen.examples(), precision=0.9).doubts
    assert doubts[0].episode == number
    assert doubts[0].succeeded is (wrong is Outcome.SUCCESS)
    assert len(doubts) <= 3


def test_the_state_before_a_success_is_neither() -> None:
    seen, _ = shown([(1, Outcome.SUCCESS), (2, Outcome.TIMEOUT)])
    examples = seen.examples()
    assert examples.episode.tolist() == [1] * (CHUNKS - 1) + [2] * CHUNKS
    assert np.flatnonzero(examples.done).tolist() == [CHUNKS - 2]
    assert (examples.successes, examples.others) == (1, 1)


@pytest.mark.parametrize("outcome", [Outcome.ABORTED, Outcome.DISCARDED, Outcome.PENDING])
def test_episodes_that_do_not_count_teach_nothing(outcome: Outcome) -> None:
    seen, _ = shown([(1, outcome), (2, Outcome.TIMEOUT)])
    assert set(seen.examples().episode.tolist()) == {2}


def test_a_label_that_is_changed_changes_what_is_taught() -> None:
    seen, outcomes = shown([(1, Outcome.SUCCESS), (2, Outcome.SUCCESS)])
    seen.label(outcomes | {2: Outcome.FAILURE})
    assert (seen.examples().successes, seen.examples().others) == (1, 1)


def test_states_of_another_size_are_left_out() -> None:
    seen, outcomes = shown(session(3, 3, seed=4))
    short = episode(7, Outcome.TIMEOUT, np.random.default_rng(0))[0]
    object.__setattr__(short, "next_features", np.zeros(3, np.float32))
    seen.add(short)
    seen.label(outcomes | {7: Outcome.TIMEOUT})
    assert seen.examples().features.shape == (1, 3), "the newest size is that of today's cameras"


class Lived:
    """A session that a suggester has seen."""

    def __init__(self, min_labels: int = 10) -> None:
        self.suggester = Suggester(min_labels)
        self.random = np.random.default_rng(RANDOM_SEED)
        self.outcomes: dict[int, Outcome] = {}

    def through(self, successes: int, others: int) -> None:
        for number, outcome in session(successes, others, seed=6):
            self.suggester.transitions(episode(number, outcome, self.random))
            self.outcomes[number] = outcome
        self.suggester.labels(self.outcomes)

    def taught(self) -> bool:
        lesson = self.suggester.lesson()
        if lesson is not None:
            self.suggester.head = teach(lesson, 0.95)
        return lesson is not None


def test_nothing_is_suggested_before_there_are_labels_enough_of_both_kinds() -> None:
    lived = Lived()
    lived.through(30, 9)
    assert not lived.taught()
    assert lived.suggester.state == "30 successes and 9 others of 10 each"
    rows = episode(40, Outcome.SUCCESS, lived.random)
    assert lived.suggester.transitions(rows) is None


def test_a_running_episode_is_judged_state_by_state() -> None:
    lived = Lived()
    lived.through(15, 15)
    assert lived.taught()
    said = [
        lived.suggester.transitions([row]) for row in episode(31, Outcome.SUCCESS, lived.random)
    ]
    assert all(said)
    assert [each.success for each in said if each] == [False] * (CHUNKS - 1) + [True]
    last = said[-1]
    assert last is not None
    assert last.confidence > 0.9
    assert "right in" in last.detail


def test_a_labelled_episode_is_judged_no_more() -> None:
    lived = Lived()
    lived.through(15, 15)
    assert lived.taught()
    lived.suggester.labels(lived.outcomes | {31: Outcome.FAILURE})
    assert lived.suggester.transitions(episode(31, Outcome.SUCCESS, lived.random)) is None


def test_it_is_taught_again_when_labels_change_and_only_then() -> None:
    lived = Lived()
    lived.through(15, 15)
    assert lived.taught()
    assert not lived.taught()
    lived.suggester.labels(lived.outcomes | {1: Outcome.DISCARDED})
    assert lived.taught()


def test_states_of_other_cameras_are_not_judged() -> None:
    lived = Lived()
    lived.through(15, 15)
    assert lived.taught()
    row = episode(31, Outcome.SUCCESS, lived.random)[-1]
    object.__setattr__(row, "next_features", np.zeros(3, np.float32))
    assert lived.suggester.transitions([row]) is None
