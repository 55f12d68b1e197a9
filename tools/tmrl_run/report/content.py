"""What the page says: everything that can be known of a run from its folder."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tmrl_common.chunks import Driver
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome, SteeringSource
from tmrl_recorder.file_names import video_of
from tmrl_run.history import EpisodeRecord, episodes_to, success_over_window
from tmrl_run.report.safety import SafetyEvent, events_of
from tmrl_run.run_folder import RunFolder
from tmrl_success.examples import Session
from tmrl_success.head import Doubt, teach
from tmrl_success.params import MIN_LABELS, PRECISION

TARGET = 0.9
"""Success rate that a session is to reach."""


@dataclass(frozen=True)
class Chunk:
    """One chunk of an episode.

    Attributes:
        sigma: Its context timestep; None where a person drove alone, and nothing was steered.
        z: Largest magnitude of a component of its initial noise; None where a person drove alone.
        steps: Executed control steps.
        human_steps: Those that a person commanded.
        clamped: Whether a limit changed a step.
    """

    sigma: float | None
    z: float | None
    steps: int
    human_steps: int
    clamped: bool


@dataclass
class EpisodeLine:
    """One episode.

    Attributes:
        number: Counts from 1.
        outcome: Newest label; PENDING while it has none.
        detail: What the label says in words.
        labelled_by: Who gave the newest label: a person, or what.
        labels: How many labels it got.
        chunks: In order.
        recorded: Whether it has a finished recording.
        video: File of its video, relative to the run's folder; empty where none was made.
    """

    number: int
    outcome: Outcome = Outcome.PENDING
    detail: str = ""
    labelled_by: str = ""
    labels: int = 0
    chunks: list[Chunk] = field(default_factory=lambda: list[Chunk]())
    recorded: bool = False
    video: str = ""

    @property
    def steps(self) -> int:
        """Executed control steps."""
        return sum(chunk.steps for chunk in self.chunks)

    @property
    def human_share(self) -> float:
        """Share of its steps that a person commanded, 0 to 1."""
        human = sum(chunk.human_steps for chunk in self.chunks)
        return human / self.steps if self.steps else 0.0

    @property
    def sigma(self) -> float | None:
        """Mean context timestep of the policy's chunks; None without one."""
        sigmas = [chunk.sigma for chunk in self.chunks if chunk.sigma is not None]
        return float(np.mean(sigmas)) if sigmas else None


@dataclass(frozen=True)
class Content:
    """A run.

    Attributes:
        run: Its folder.
        episodes: In order.
        safety: What stopped or limited the arm, in order.
        doubts: Labels that a success head taught without them would not have given.
        unreadable: Sentences about recordings that could not be read.
    """

    run: RunFolder
    episodes: list[EpisodeLine]
    safety: list[SafetyEvent]
    doubts: tuple[Doubt, ...]
    unreadable: list[str]

    @property
    def counted(self) -> list[EpisodeLine]:
        """Episodes that count for the success rate."""
        return [e for e in self.episodes if e.outcome.counts]

    @property
    def rates(self) -> list[float]:
        """Success over the last episodes, after each counted one."""
        return success_over_window(_records(self.counted))

    @property
    def reached(self) -> int | None:
        """Episodes until the target was first reached; None if never."""
        return episodes_to(_records(self.counted), TARGET)

    @property
    def robot_minutes(self) -> float:
        """How long the arm moved."""
        steps = sum(episode.steps for episode in self.episodes)
        return steps / self.run.control_rate_hz / 60.0

    def as_json(self) -> dict[str, Any]:
        """The same as plain data, for whoever reads the page with a program."""
        return {
            "robot": self.run.robot,
            "session": self.run.session,
            "success_over_window": [round(rate, 4) for rate in self.rates],
            "episodes_to_90": self.reached,
            "robot_minutes": round(self.robot_minutes, 2),
            "look_again": [each.episode for each in self.doubts],
            "episodes": [_episode_json(each) for each in self.episodes],
            "safety": [
                {"episode": each.episode, "kind": each.kind, "text": each.text}
                for each in self.safety
            ],
        }


def read_content(run: RunFolder) -> Content:
    """Reads a run, also one whose session is running.

    Raises:
        JournalError: The journal is damaged.
    """
    transitions, outcomes = run.transitions(), run.outcomes()
    chunks: dict[int, list[Chunk]] = defaultdict(list)
    for each in transitions:
        chunks[each.episode].append(_chunk(each))
    ledger = run.ledger()
    started = {line.get("episode") for line in ledger if line["event"] == "started"}
    numbers = {n for n in (*chunks, *outcomes, *started) if isinstance(n, int)}
    safety, recorded, unreadable = events_of(run, ledger)
    episodes = {n: EpisodeLine(n, outcomes.get(n, Outcome.PENDING)) for n in sorted(numbers)}
    for number, episode in episodes.items():
        episode.chunks = chunks[number]
        episode.recorded = number in recorded
        video = video_of(run.recordings, number)
        episode.video = str(video.relative_to(run.path)) if video.exists() else ""
    for line in ledger:
        if line["event"] == "labelled" and (episode := episodes.get(line.get("episode", 0))):
            episode.labels += 1
            episode.detail = str(line.get("detail") or "")
            episode.labelled_by = str(line.get("author") or line.get("source") or "")
    doubts = _doubts(transitions, outcomes)
    return Content(run, list(episodes.values()), safety, doubts, unreadable)


def _doubts(transitions: Sequence[Transition], outcomes: dict[int, Outcome]) -> tuple[Doubt, ...]:
    session = Session()
    for each in transitions:
        session.add(each)
    session.label(outcomes)
    examples = session.examples()
    if min(examples.successes, examples.others) < MIN_LABELS:
        return ()
    return teach(examples, PRECISION).doubts


def _chunk(transition: Transition) -> Chunk:
    return Chunk(
        sigma=None if transition.steering is SteeringSource.NONE else transition.sigma,
        z=float(np.abs(transition.z).max()) if len(transition.z) else None,
        steps=len(transition.driver),
        human_steps=int((transition.driver == Driver.TELEOP).sum()),
        clamped=transition.clamped,
    )


def _records(episodes: Sequence[EpisodeLine]) -> list[EpisodeRecord]:
    return [EpisodeRecord(each.number, each.outcome) for each in episodes]


def _episode_json(episode: EpisodeLine) -> dict[str, Any]:
    return {
        "episode": episode.number,
        "outcome": episode.outcome.name.lower(),
        "detail": episode.detail,
        "labelled_by": episode.labelled_by,
        "labels": episode.labels,
        "recorded": episode.recorded,
        "video": episode.video,
        "sigma": [_rounded(chunk.sigma) for chunk in episode.chunks],
        "z": [_rounded(chunk.z) for chunk in episode.chunks],
        "steps": [chunk.steps for chunk in episode.chunks],
        "human_steps": [chunk.human_steps for chunk in episode.chunks],
        "clamped": [chunk.clamped for chunk in episode.chunks],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
