"""Labels, chunks and take-overs as the page draws them."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.types import Outcome
from tmrl_console.alive import FORGOTTEN_S, SILENT_S, Heartbeats
from tmrl_console.history import SHOWN_CHUNKS, WINDOW, Chunk, Chunks, Labels, TakeOvers, share

OUTCOMES = [outcome for outcome in Outcome if outcome is not Outcome.PENDING]


@given(st.lists(st.sampled_from(OUTCOMES), max_size=60))
def test_the_rate_is_that_of_the_last_episodes_which_say_something(outcomes):
    labels = Labels()
    for number, outcome in enumerate(outcomes, start=1):
        labels.add(number, outcome, 0, "operator")
    counted = [o for o in outcomes if o not in (Outcome.ABORTED, Outcome.DISCARDED)][-WINDOW:]
    shown = labels.section()["list"]
    if counted:
        rate = counted.count(Outcome.SUCCESS) / len(counted)
        assert shown[-1]["rate"] == rate
    assert [each["outcome"] for each in shown] == [outcome.name for outcome in outcomes]


def test_a_revision_replaces_and_one_that_comes_late_does_not():
    labels = Labels()
    labels.add(1, Outcome.SUCCESS, 0, "operator")
    labels.add(1, Outcome.DISCARDED, 2, "operator")
    labels.add(1, Outcome.FAILURE, 1, "operator")
    assert [each["outcome"] for each in labels.section()["list"]] == ["DISCARDED"]


def test_only_the_newest_chunks_are_kept_and_a_revision_takes_its_place():
    chunks = Chunks()
    for number in range(SHOWN_CHUNKS + 5):
        chunks.add(Chunk(1, number, 0.5, 1.2, "actor", 0.0, clamped=False))
    revised = Chunk(1, SHOWN_CHUNKS, 0.5, 1.2, "actor", 0.4, clamped=True)
    chunks.add(revised)
    listed = chunks.section()["list"]
    assert [each["chunk"] for each in listed] == list(range(5, SHOWN_CHUNKS + 5))
    assert listed[-5] == asdict(revised)


def test_a_take_over_counts_once_however_long_it_lasts():
    clock = FakeClock()
    counted = TakeOvers(clock)
    for driven in (False, True, True, False, True):
        counted.see(3, driven=driven)
        clock.advance(1.0)
    assert counted.section() == {"driven": True, "in_episode": 2, "per_minute": 2.0}
    counted.see(4, driven=False)
    assert counted.section()["in_episode"] == 0
    clock.advance(600.0)
    assert counted.section()["per_minute"] == 0.0


def test_share_of_nothing_is_zero():
    assert share([], 1) == 0.0
    assert share([1, 0, 1, 1], 1) == 0.75


def test_who_is_silent_is_named_and_forgotten_in_the_end():
    clock = FakeClock()
    beats = Heartbeats("widowx", clock)
    beats.beat("widowx/arm", "")
    beats.beat("franka/arm", "")
    beats.beat("widowx/agent", "no server")
    states = {each["part"]: each["state"] for each in beats.section()["parts"]}
    assert states == {"arm": "ok", "agent": "trouble"}
    clock.advance(SILENT_S + 0.1)
    assert {each["state"] for each in beats.section()["parts"]} == {"silent"}
    clock.advance(FORGOTTEN_S)
    assert beats.section() == {"parts": []}
