"""Labels as people give them: twice, late, by mistake, on a detector's word."""

import json
from pathlib import Path

import pytest

from tmrl_common.types import Outcome
from tmrl_operator.effects import Effect, KeepLabel, PublishLabel
from tmrl_operator.ledger import Ledger
from tmrl_operator.refused import RefusedError
from tmrl_operator.states import State
from tmrl_operator.testing import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A session whose labels a person gives; its first episode runs."""
    bench = Bench(tmp_path, label_mode="manual")
    bench.hear_everybody()
    bench.start()
    bench.run_to(State.RUNNING)
    bench.step()
    return bench


def sentences(effects: list[Effect]) -> list[str]:
    return [e.sentence for e in effects if isinstance(e, PublishLabel | KeepLabel)]


def lines(bench: Bench) -> list[dict[str, object]]:
    return [json.loads(line) for line in bench.path.read_text().splitlines()]


def test_each_line_of_the_ledger_has_its_author_and_the_time_on_the_wall(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "episodes.jsonl", lambda: 1_700_000_000.25)
    ledger.start(1, 5)
    ledger.asked("start", "ada", "")
    ledger.pause("e-stop: pressed")
    entries = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert [entry["wall_time_s"] for entry in entries] == [1_700_000_000.25] * 3
    assert entries[1]["author"] == "ada"
    assert Ledger(tmp_path / "episodes.jsonl").last_episode == 1


def test_a_ledger_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    label = {"event": "labelled", "episode": 1, "outcome": "SUCCESS", "stamp_ns": 9}
    label |= {"source": "operator", "detail": "ada", "revision": 0}
    events = [{"event": "started", "episode": 1, "stamp_ns": 5}, label, {"event": "of tomorrow"}]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    ledger = Ledger(path)
    assert (ledger.labels[1].outcome, ledger.labels[1].author) == (Outcome.SUCCESS, "")
    assert ledger.newest_by_person == ledger.labels[1], "it can be taken back as well"


def test_the_label_before_holds_again_after_an_undo(bench: Bench) -> None:
    bench.label(Outcome.FAILURE)
    bench.relabel(1, Outcome.SUCCESS)
    assert sentences(bench.undo()) == ["episode 1: SUCCESS -> FAILURE (revision 2)"]
    assert (bench.labels[-1].author, bench.labels[-1].takes_back) == ("bob", 1)
    assert bench.labels[-1].stamp_ns == bench.labels[0].stamp_ns


def test_an_episode_whose_only_label_is_taken_back_waits_for_another(bench: Bench) -> None:
    bench.label(Outcome.SUCCESS)
    assert sentences(bench.undo()) == ["episode 1: SUCCESS -> DISCARDED (revision 1)"]
    assert "until it is labelled again" in bench.labels[-1].detail
    assert sentences(bench.label(Outcome.FAILURE)) == [
        "episode 1: DISCARDED -> FAILURE (revision 2)"
    ]
    assert bench.labels[-1].stamp_ns == bench.labels[0].stamp_ns


def test_undo_goes_back_label_by_label_and_says_when_there_is_none(bench: Bench) -> None:
    bench.label(Outcome.SUCCESS)
    bench.run_to(State.RUNNING)
    bench.step()
    bench.label(Outcome.FAILURE)
    assert sentences(bench.undo()) == ["episode 2: FAILURE -> DISCARDED (revision 1)"]
    assert sentences(bench.undo()) == ["episode 1: SUCCESS -> DISCARDED (revision 1)"]
    with pytest.raises(RefusedError, match="nothing to take back"):
        bench.undo()


def test_what_was_taken_back_stays_so_after_a_restart(bench: Bench) -> None:
    bench.label(Outcome.SUCCESS)
    bench.relabel(1, Outcome.DISCARDED)
    bench.undo()
    bench.restart()
    assert sentences(bench.undo()) == ["episode 1: SUCCESS -> DISCARDED (revision 3)"]


def test_nobody_takes_the_word_of_ground_truth_or_of_a_fault_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.hear_everybody()
    bench.start()
    bench.run_to(State.RUNNING)
    bench.step(success=True)
    bench.run_to(State.RUNNING)
    bench.controller_seen("e-stop: pressed")
    with pytest.raises(RefusedError, match="nothing to take back"):
        bench.undo()


def test_a_key_that_is_pressed_twice_labels_once(bench: Bench) -> None:
    bench.label(Outcome.SUCCESS, episode=1)
    labels = list(bench.labels)
    assert sentences(bench.label(Outcome.SUCCESS, episode=1)) == [
        "episode 1 is labelled SUCCESS already"
    ]
    assert bench.labels == labels
    with pytest.raises(RefusedError, match=r"labelled SUCCESS already .*operator/relabel"):
        bench.label(Outcome.FAILURE, episode=1)


def test_a_label_that_comes_late_finds_no_other_episode(bench: Bench) -> None:
    bench.label(Outcome.FAILURE)
    bench.run_to(State.RUNNING)
    bench.step()
    with pytest.raises(RefusedError, match="episode 1 is labelled FAILURE already"):
        bench.label(Outcome.SUCCESS, episode=1)
    assert bench.machine.state is State.RUNNING
    assert [label.episode for label in bench.labels] == [1]


def test_a_label_before_the_first_episode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="there was none yet"):
        Bench(tmp_path).label(Outcome.SUCCESS)
    with pytest.raises(RefusedError, match="episode 7 has none"):
        Bench(tmp_path).label(Outcome.SUCCESS, episode=7)


def test_a_suggestion_never_labels_and_is_on_record_beside_what_the_person_said(
    bench: Bench,
) -> None:
    bench.suggested()
    assert bench.machine.suggestion is not None
    bench.step()
    assert bench.machine.state is State.RUNNING
    bench.label(Outcome.FAILURE)
    assert bench.labels[-1].detail == "suggested: SUCCESS, 0.90 pot"
    assert bench.machine.suggestion is None


def test_a_suggestion_goes_with_what_it_saw(bench: Bench) -> None:
    bench.suggested()
    bench.suggested(success=False)
    assert bench.machine.suggestion is None
    bench.label(Outcome.FAILURE)
    bench.suggested()
    assert bench.machine.suggestion is None, "no episode runs"


def test_a_pause_holds_the_arm_and_aborts_the_episode(bench: Bench) -> None:
    bench.pause()
    assert bench.machine.state is State.PAUSED
    assert bench.machine.reason.startswith("paused by ada: call operator/start")
    assert (bench.labels[-1].outcome, bench.labels[-1].author) == (Outcome.ABORTED, "ada")
    bench.pause()
    assert len(bench.labels) == 1
    assert lines(bench)[-1]["cause"] == "paused by ada"
    bench.hear_everybody()
    bench.start()
    assert bench.machine.state is State.RESETTING


def test_a_pause_is_refused_where_a_label_would_be_lost(bench: Bench) -> None:
    for _ in range(10):
        bench.step()
    assert bench.machine.state is State.LABELLING
    with pytest.raises(RefusedError, match="episode 1 waits for its label first"):
        bench.pause()
    bench.label(Outcome.SUCCESS)
    bench.pause()
    assert bench.machine.state is State.PAUSED
    bench.stop()
    with pytest.raises(RefusedError, match="no session runs"):
        bench.pause()
