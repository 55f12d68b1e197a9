"""What the live view knows about a session: fed by messages, free of ROS."""

from collections import deque
from dataclasses import dataclass, field

from tmrl_common.types import Outcome
from tmrl_learner.worker_status import WorkerStatus
from tmrl_run.history import WINDOW, EpisodeRecord, successes

IDLE, PAUSED = "idle", "paused"
STATES = (IDLE, "resetting", "ready", "running", "labelling", PAUSED)
"""What episode/state says, in words."""


@dataclass
class SessionRecord:
    """Everything on the screen.

    Attributes:
        episodes: By number, in order.
        control_period_s: Robot time of one executed step.
        state: Where the episode state machine stands, in words.
        state_reason: Why, one sentence.
        has_begun: Whether the session was seen to do something since this record began.
        learner: What the learner last reported to this arm.
        transitions_published: Highest sequence number that the agent published.
        round_trip_s: Of the last chunk, agent to policy server and back.
        agent_reason: What is wrong with the agent; empty while healthy.
        controller: Mode of the controller, in words.
        controller_reason: Why it is in e-stop or fault; empty in every other mode.
        chunks_refused: Chunks that the controller refused whole.
        last_refusal: Sentence of the last refusal.
        events: The newest things worth a line, oldest first.
    """

    control_period_s: float
    episodes: dict[int, EpisodeRecord] = field(default_factory=lambda: dict[int, EpisodeRecord]())
    state: str = "starting"
    state_reason: str = ""
    has_begun: bool = False
    learner: WorkerStatus = field(default_factory=WorkerStatus)
    transitions_published: int = 0
    round_trip_s: float = 0.0
    agent_reason: str = ""
    controller: str = ""
    controller_reason: str = ""
    chunks_refused: int = 0
    last_refusal: str = ""
    events: deque[str] = field(default_factory=lambda: deque[str](maxlen=6))
    _first_seen: int | None = None

    def on_state(self, state: str, reason: str, episode: int) -> None:
        """Takes what episode/state says.

        Args:
            state: One of `STATES`.
            reason: Why, one sentence.
            episode: Its newest episode; of a resumed session that is one of before.
        """
        self.state, self.state_reason = state, reason
        if self._first_seen is None:
            self._first_seen = episode
        self.has_begun |= state not in (IDLE, PAUSED) or episode > self._first_seen

    def episode(self, number: int) -> EpisodeRecord:
        """The episode of that number, new if it was not known."""
        return self.episodes.setdefault(number, EpisodeRecord(number))

    def on_transition(self, episode: int, revision: int, sigma: float | None, steps: int) -> None:
        """Takes one published transition; revisions change a label, not what was executed.

        Args:
            episode: Counts from 1.
            revision: 0 for what is new.
            sigma: Context timestep; None where a person drove.
            steps: How many were executed.
        """
        if revision == 0:
            if sigma is not None:
                self.episode(episode).sigmas.append(sigma)
            self.episode(episode).steps += steps

    def on_outcome(self, episode: int, outcome: Outcome, detail: str) -> None:
        """Takes a label, new or revised."""
        entry = self.episode(episode)
        entry.outcome, entry.detail = outcome, detail
        suffix = f" ({detail})" if detail else ""
        self.events.append(f"episode {episode}: {outcome.name.lower()}{suffix}")

    @property
    def trouble(self) -> list[str]:
        """Sentences about everything that is wrong now."""
        reasons = {
            "learner": self.learner.reason,
            "agent": self.agent_reason,
            "controller": self.controller_reason,
            "operator": self.state_reason if self.state == PAUSED else "",
        }
        return [f"{name}: {reason}" for name, reason in reasons.items() if reason]

    @property
    def summary(self) -> str:
        """One line about it, for an arm among several."""
        return (
            f"{self.finished} episodes, last {WINDOW}: {self.success_last_window:.0%}, {self.state}"
        )

    @property
    def in_order(self) -> list[EpisodeRecord]:
        """Episodes by number."""
        return [self.episodes[number] for number in sorted(self.episodes)]

    @property
    def finished(self) -> int:
        """Episodes that have a label."""
        return sum(e.outcome is not Outcome.PENDING for e in self.episodes.values())

    @property
    def last_labelled(self) -> int:
        """Number of the newest episode that has a label, 0 before the first."""
        labelled = (e.number for e in self.in_order if e.outcome is not Outcome.PENDING)
        return max(labelled, default=0)

    @property
    def success_last_window(self) -> float:
        """Success rate over the last 20 labelled episodes, 0 before the first."""
        values = successes(self.in_order)[-WINDOW:]
        return float(values.mean()) if len(values) else 0.0

    def reached(self, rate: float) -> bool:
        """Whether a full window of episodes succeeded at that rate."""
        values = successes(self.in_order)
        return len(values) >= WINDOW and float(values[-WINDOW:].mean()) >= rate - 1e-9

    @property
    def robot_minutes(self) -> float:
        """Robot time of all executed steps."""
        return sum(e.steps for e in self.episodes.values()) * self.control_period_s / 60.0
