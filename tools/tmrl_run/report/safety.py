"""What stopped or limited the arm: from the ledger, and from the recordings where there are any."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_common.chunks import ChunkResult, ControllerMode
from tmrl_recorder.file_names import recordings_of
from tmrl_ros.recordings import RecordingError, messages
from tmrl_run.run_folder import RunFolder

_STOPS = (ControllerMode.ESTOP, ControllerMode.FAULT)
_PAUSE = "pause"
"""What a person asks for when something is wrong, by its name in the ledger."""


@dataclass(frozen=True)
class SafetyEvent:
    """One event.

    Attributes:
        episode: In or after which it was; 0 before the first.
        kind: "e-stop", "fault", "refused", "aborted", or what a person asked for.
        text: One sentence.
    """

    episode: int
    kind: str
    text: str


def events_of(
    run: RunFolder, ledger: Sequence[dict[str, Any]]
) -> tuple[list[SafetyEvent], set[int], list[str]]:
    """Collects what is known.

    Returns:
        The events in the order of their episodes, the episodes that have a recording, and a
        sentence for each recording that cannot be read.
    """
    found = [*_of_ledger(ledger)]
    recordings = recordings_of(run.recordings)
    unreadable: list[str] = []
    for number, paths in recordings.items():
        try:
            found += _of_recording(run.robot, number, paths)
        except RecordingError as error:
            unreadable.append(str(error))
    return sorted(found, key=lambda event: event.episode), set(recordings), unreadable


def _of_ledger(ledger: Sequence[dict[str, Any]]) -> Iterator[SafetyEvent]:
    episode, why = 0, ""
    for line in ledger:
        number = line.get("episode")
        episode = number if isinstance(number, int) else episode
        if line["event"] == "labelled" and line.get("outcome") == "ABORTED":
            why = str(line.get("detail") or "no reason given")
            yield SafetyEvent(episode, "aborted", why)
        elif line["event"] == "paused" and line.get("cause") != why:
            yield SafetyEvent(episode, "paused", str(line.get("cause") or "no reason given"))
        elif line["event"] == "asked" and line.get("request") == _PAUSE:
            who, refused = line.get("author") or "somebody", line.get("refused")
            text = f"{who} asked for it" + (f"; refused: {refused}" if refused else "")
            yield SafetyEvent(episode, _PAUSE, text)


def _of_recording(robot: str, episode: int, paths: list[Path]) -> Iterator[SafetyEvent]:
    status, outcome = f"/{robot}/controller/status", f"/{robot}/controller/outcome"
    mode: int | None = None
    for topic, message in messages(paths, {status, outcome}):
        if topic == outcome:
            if message.episode == episode and message.result == ChunkResult.REFUSED:
                yield SafetyEvent(episode, "refused", message.reason or message.code)
            continue
        if message.mode in _STOPS and mode not in (None, message.mode):
            kind = "e-stop" if message.mode == ControllerMode.ESTOP else "fault"
            yield SafetyEvent(episode, kind, message.reason)
        mode = message.mode
