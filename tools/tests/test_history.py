"""The figures of a session: rates over windows, first crossings, means."""

import pytest

from tmrl_common.types import Outcome
from tmrl_demo.record import SessionRecord
from tmrl_demo.report import History
from tmrl_run.history import EpisodeRecord, episodes_to, sigma_mean, success_over_window


def session(pattern: str) -> list[EpisodeRecord]:
    """S success, T time-out, A aborted, D discarded, one letter per episode."""
    outcomes = {o.name[0]: o for o in Outcome if o not in (Outcome.FAILURE, Outcome.PENDING)}
    return [EpisodeRecord(i, outcomes[letter]) for i, letter in enumerate(pattern, start=1)]


def test_rate_reaches_the_threshold_only_over_a_full_window() -> None:
    assert episodes_to(session("S" * 19), 0.9) is None
    assert episodes_to(session("S" * 20), 0.9) == 20
    assert episodes_to(session("T" * 30 + "S" * 18), 0.9) == 48
    assert episodes_to(session("T" * 30 + "S" * 17), 0.9) is None


def test_episodes_that_were_aborted_or_discarded_count_for_nothing() -> None:
    assert success_over_window(session("SDAS")) == [1.0, 1.0]
    assert episodes_to(session("A" * 5 + "S" * 20), 0.9) == 20


def test_the_episode_that_begins_before_the_session_has_stopped_belongs_to_no_figure() -> None:
    record = SessionRecord(0.2)
    for number in range(1, 21):
        record.on_outcome(number, Outcome.SUCCESS, "")
    assert record.reached(1.0)
    hit = record.last_labelled
    record.on_outcome(21, Outcome.ABORTED, "session stopped")
    report = History(record.in_order, transitions=0).until(hit)
    assert [episode.number for episode in report.episodes] == list(range(1, 21))


def test_running_rate_is_over_the_last_window() -> None:
    assert success_over_window(session("SSTT"), window=2) == [1.0, 1.0, 0.5, 0.0]


def test_sigma_mean_is_over_chunks() -> None:
    episodes = [EpisodeRecord(1, sigmas=[0.0, 1.0]), EpisodeRecord(2, sigmas=[0.2])]
    assert sigma_mean(episodes) == pytest.approx(0.4)
    assert sigma_mean([]) is None


def test_record_counts_what_was_executed_once() -> None:
    record = SessionRecord(control_period_s=0.2)
    for chunk_sigma in (0.1, 0.2):
        record.on_transition(1, revision=0, sigma=chunk_sigma, steps=5)
    record.on_transition(1, revision=1, sigma=0.2, steps=5)
    record.on_outcome(1, Outcome.SUCCESS, "sausage in pot")
    record.on_outcome(1, Outcome.DISCARDED, "")
    assert record.robot_minutes == pytest.approx(10 * 0.2 / 60)
    assert record.finished == 1
    assert record.in_order[0].outcome is Outcome.DISCARDED
    assert not record.reached(0.9)


@pytest.mark.parametrize(
    ("states", "begun"),
    [
        ([("idle", 0), ("idle", 0)], False),
        ([("idle", 0), ("resetting", 1)], True),
        ([("idle", 0), ("idle", 3)], True),
        ([("idle", 3), ("paused", 3), ("idle", 3)], False),
        ([("idle", 3), ("running", 4)], True),
    ],
    ids=["waits", "begins", "is over before anybody looked", "resumed and waits", "resumed"],
)
def test_a_session_has_begun_when_it_was_seen_to_do_something(states, begun):
    record = SessionRecord(0.2)
    # What was labelled before a resumed session is published again, and says nothing.
    record.on_outcome(3, Outcome.SUCCESS, "")
    for state, episode in states:
        record.on_state(state, "", episode)
    assert record.has_begun is begun
