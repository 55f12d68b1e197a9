"""The report of a session, made from its journal: JSON, figures and a video."""

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tmrl_agent.journal import MAX_FETCH, Journal
from tmrl_common.storage import refusals, write_text
from tmrl_common.types import Outcome, SteeringSource
from tmrl_demo.figures import draw_learning_curve, draw_sigma
from tmrl_run.history import (
    EpisodeRecord,
    episodes_to,
    sigma_mean,
    success_over_window,
    successes,
)

_WRONG_OBJECTS = ("carrot", "blue")
"""What demonstrations use: in the pot, or pressed, when it should be the other one."""
_EDGE = 10
"""Episodes at either end over which sigma is averaged for the report."""


@dataclass(frozen=True)
class SessionFacts:
    """What the journal does not know.

    Attributes:
        method: One of `tmrl_bringup.options.METHODS`.
        seed: Of the session.
        command: Command line that ran it.
        wall_minutes: Wall time, start of the processes to the last episode, all parts added up.
        chunks_refused: Chunks that the controller refused whole.
        transitions_stored: What the learner had stored at the end.
        policy: Checkpoint of the frozen base policy.
        ended: Why the session ended, one sentence.
    """

    method: str
    seed: int
    command: str
    wall_minutes: float
    chunks_refused: int
    transitions_stored: int
    policy: str
    ended: str


@dataclass(frozen=True)
class History:
    """A session as its journal tells it.

    Attributes:
        episodes: In order.
        transitions: Number of journalled transitions, revisions included.
    """

    episodes: list[EpisodeRecord]
    transitions: int

    @property
    def finished(self) -> list[EpisodeRecord]:
        """Those that have a label."""
        return [e for e in self.episodes if e.outcome is not Outcome.PENDING]

    def until(self, last_episode: int | None) -> "History":
        """Returns the history up to and with one episode; the whole one for None."""
        if last_episode is None:
            return self
        return replace(self, episodes=[e for e in self.episodes if e.number <= last_episode])


def journalled(run_dir: Path, robot: str) -> tuple[int, int]:
    """Highest sequence number and number of labelled episodes in a session's journal."""
    with contextlib.closing(Journal(run_dir / "journal.sqlite", robot, run_dir.name)) as journal:
        return journal.last_sequence, len({label.episode for label in journal.labels()})


def read_history(run_dir: Path, robot: str) -> History:
    """Reads a session's episodes from its journal.

    Raises:
        JournalError: The journal is damaged.
    """
    episodes: dict[int, EpisodeRecord] = {}
    count = last = 0
    with contextlib.closing(Journal(run_dir / "journal.sqlite", robot, run_dir.name)) as journal:
        while batch := journal.fetch(last + 1, MAX_FETCH):
            for transition in batch:
                if transition.revision == 0:
                    episode = episodes.setdefault(
                        transition.episode, EpisodeRecord(transition.episode)
                    )
                    if transition.steering is not SteeringSource.NONE:
                        episode.sigmas.append(transition.sigma)
                    episode.steps += len(transition.executed_actions)
            count, last = count + len(batch), batch[-1].sequence
        for label in journal.labels():
            episode = episodes.setdefault(label.episode, EpisodeRecord(label.episode))
            episode.outcome, episode.detail = label.outcome, label.detail
    return History([episodes[number] for number in sorted(episodes)], count)


def summarise(history: History, facts: SessionFacts, control_period_s: float) -> dict[str, object]:
    """The content of report.json."""
    finished = history.finished
    window = success_over_window(finished)
    wrong = [any(name in e.detail for name in _WRONG_OBJECTS) for e in finished]
    steps = sum(e.steps for e in history.episodes)
    return {
        **asdict(facts),
        "episodes": len(finished),
        "outcomes": [e.outcome.name.lower() for e in finished],
        "success_rate": float(successes(finished).mean()) if finished else 0.0,
        "success_last_20": window[-1] if window else 0.0,
        "episodes_to_90": episodes_to(finished, 0.9),
        "wrong_object_rate": sum(wrong) / len(wrong) if wrong else 0.0,
        "robot_minutes": steps * control_period_s / 60.0,
        "sigma_mean_first_last": [sigma_mean(finished[:_EDGE]), sigma_mean(finished[-_EDGE:])],
        "sigmas": [[round(sigma, 2) for sigma in e.sigmas] for e in finished],
        "transitions_published": history.transitions,
    }


def outline(history: History) -> dict[str, object]:
    """What one of several arms achieved, for report.json."""
    finished = history.finished
    window = success_over_window(finished)
    return {
        "episodes": len(finished),
        "success_last_20": window[-1] if window else 0.0,
        "episodes_to_90": episodes_to(finished, 0.9),
    }


def write_json(path: Path, content: dict[str, object]) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never a part."""
    text = json.dumps(content, indent=2) + "\n"
    if path.exists() and not path.is_file():
        # A pipe or a device is written to; it is not replaced.
        write_text(path, text)
        return
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        os.replace(file.name, path)


def draw(history: History, facts: SessionFacts, folder: Path) -> list[Path]:
    """Draws the learning curve and sigma per chunk; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    curve, sigma = folder / "learning_curve.png", folder / "sigma_per_chunk.png"
    title = f"{facts.method}, seed {facts.seed}"
    finished = history.finished
    draw_learning_curve(finished, title, curve)
    draw_sigma(finished, title, sigma)
    return [curve, sigma]
