"""The person beside the session: presses start where nothing else would end a pause."""

import json
from pathlib import Path

import pytest

from . import person
from .person import Person


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What was called, by somebody who looks all the time and is not patient."""
    made: list[tuple[object, ...]] = []

    def call(*words: object) -> bool:
        made.append(words)
        return True

    monkeypatch.setattr(person, "_call", call)
    monkeypatch.setattr(person, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(person, "_PATIENCE_S", 0.0)
    return made


def test_only_a_pause_that_lasts_is_resumed(tmp_path: Path, calls: list[object]) -> None:
    ledger = tmp_path / "episodes.jsonl"
    someone = Person(ledger)
    someone.look(7)
    for event in ("started", "paused", "started"):
        with ledger.open("a") as file:
            file.write(json.dumps({"event": event}) + "\n")
        someone.look(7)
    assert calls == []
    someone.look(7)
    assert calls == []
    with ledger.open("a") as file:
        file.write(json.dumps({"event": "paused"}) + "\n")
    someone.look(7)
    someone.look(7)
    assert calls == [(7, "controller/hold"), (7, "operator/start", "operator_name:=harness")]
    assert someone.pressed == 1
