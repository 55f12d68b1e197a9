"""Made-up events for tests, and a small world around a core: distinct values show a mix-up."""

from dataclasses import replace
from typing import Any

import numpy as np

from tmrl_agent.assembly import ArmReading, Reading
from tmrl_agent.core import AgentCore
from tmrl_agent.effects import AgentStatus, Effect, PublishTransitions
from tmrl_agent.events import ControllerView, EpisodeLabel, EpisodeView, SentChunk
from tmrl_agent.params import AgentConfig
from tmrl_agent.requests import AskChunk, AskFeatures, ChunkAnswer, Connection, FeaturesAnswer
from tmrl_agent.transitions import Record, TransitionBuilder
from tmrl_common.candidates import CandidateRequest, Candidates
from tmrl_common.chunks import ChunkId, ChunkOutcome, ChunkResult, ControllerMode, Driver, Origin
from tmrl_common.messages import ChunkReply, Timings
from tmrl_common.testing import FakeClock
from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Outcome, PolicySpec, Steering, SteeringSource

STEPS = 5
STEP_NS = 200_000_000
CHUNK_NS = STEPS * STEP_NS
FEATURES_DIM = 3
SPEC = PolicySpec(
    action_space="bridge_delta_ee_7",
    action_dim=7,
    horizon=8,
    proprio_dim=2,
    context_dim=1,
    cameras=(),
    z_dim=7,
    epsilon_dim=1,
    features_dim=FEATURES_DIM,
    policy_version="policy",
    statistics_hash="statistics",
)
"""A policy that sees two fields of the arm and one coordinate of an object, and no picture."""


def features_of(number: float) -> FloatArray:
    """Features that tell which observation they belong to, shape (FEATURES_DIM,)."""
    return np.full(FEATURES_DIM, number, dtype=np.float32)


def made_config(**changes: Any) -> AgentConfig:
    """A configuration for `SPEC`, in lock-step unless changed."""
    given: dict[str, Any] = {
        "robot": "widowx",
        "session": "run",
        "run_dir": "runs/run",
        "server": "tcp://127.0.0.1:1",
        "proprio_fields": ("tool_x",),
        "context_objects": ("carrot.x",),
        "lock_step": True,
    }
    return AgentConfig(**given | changes)


def made_candidates(number: float, wish: CandidateRequest | None) -> Candidates | None:
    """Candidates that tell which observation they belong to; None where none are wanted."""
    if wish is None:
        return None
    count = wish.count
    return Candidates(
        np.full((count, SPEC.z_dim), number, np.float32),
        np.zeros(count, np.float32),
        np.full((count, wish.steps, SPEC.action_dim), number, np.float32),
    )


def made_reply(number: float, source: SteeringSource = SteeringSource.UNIFORM) -> ChunkReply:
    """The server's answer to the observation of that number."""
    z = np.array([number, -number], dtype=np.float32)
    return ChunkReply(
        actions=np.zeros((8, 7), dtype=np.float32),
        steering=Steering(source, z, 0.25, np.zeros(0, dtype=np.float32)),
        features=features_of(number),
        policy_version="policy",
        actor_version=4,
        seed=int(number),
        timings=Timings(0.0, 0.0, 0.0, 0.0, 0.01),
    )


def made_chunk(episode: int, chunk: int, sequence: int) -> SentChunk:
    """A chunk whose observation has the number `chunk`, made at its start."""
    return SentChunk(
        episode=episode,
        chunk=chunk,
        sequence=sequence,
        stamp_ns=chunk * CHUNK_NS,
        arm_state_sequence=chunk * STEPS,
        reply=made_reply(chunk),
        round_trip_s=0.02,
    )


def made_end(
    sequence: int,
    chunk: int,
    steps: int = STEPS,
    result: ChunkResult = ChunkResult.COMPLETED,
    code: str = "",
) -> ChunkOutcome:
    """The outcome of a chunk that started right after the one before it."""
    started_ns = chunk * CHUNK_NS
    return ChunkOutcome(
        chunk=ChunkId("widowx", "run-1", 1, chunk, sequence, "agent-a"),
        result=result,
        started_ns=started_ns,
        ended_ns=started_ns + steps * STEP_NS,
        executed_actions=np.full((steps, 7), chunk, dtype=np.float32),
        driver=np.zeros(steps, dtype=np.uint8),
        clamped=np.zeros(steps, dtype=np.bool_),
        step_ends_ns=started_ns + STEP_NS * np.arange(1, steps + 1),
        arm_state_sequence=chunk * STEPS + steps,
        code=code,
        reason="made up" if code else "",
    )


def made_segment(
    number: int, first_state: int, steps: int = STEPS, *, whole: bool = True
) -> ChunkOutcome:
    """What the controller reports of a person's segment from an arm state on.

    Args:
        number: Of the segment.
        first_state: Its stamp counts control steps, as in `World.see`.
        steps: How many a person drove.
        whole: Whether it is as long as a chunk; otherwise the person let go.
    """
    end = made_end(number, 0, steps, ChunkResult.COMPLETED if whole else ChunkResult.PREEMPTED)
    started_ns = first_state * STEP_NS
    return replace(
        end,
        chunk=ChunkId("widowx", "", 0, 0, number, ""),
        code="" if whole else "teleop",
        reason="" if whole else "the person let go",
        started_ns=started_ns,
        ended_ns=started_ns + steps * STEP_NS,
        executed_actions=np.full((steps, 7), number, dtype=np.float32),
        driver=np.full(steps, Driver.TELEOP, dtype=np.uint8),
        step_ends_ns=started_ns + STEP_NS * np.arange(1, steps + 1),
        arm_state_sequence=first_state + steps,
        origin=Origin.HUMAN,
        first_arm_state_sequence=first_state,
    )


def made_label(
    episode: int, outcome: Outcome, after_chunks: float, revision: int = 0
) -> EpisodeLabel:
    """A label whose stamp lies that many chunks after the episode's start."""
    return EpisodeLabel(episode, outcome, round(after_chunks * CHUNK_NS), revision, "test")


CAPS = ControllerView(ControllerMode.POLICY, sigma_cap=0.5, z_cap=2.0, epsilon_cap=5.0)
"""What the controller of a `World` reports."""


class World:
    """Plays driver, controller, operator and server for a core, and keeps what it decided.

    Args:
        last_episode: Highest episode in the journal.
        next_sequence: Number of the next transition.
        changes: To the configuration.

    Attributes:
        core: The core.
        clock: Its clock.
        asked: Every question to the server.
        sent: Every chunk.
        written: Every record, unless the disk was full.
        published: Every published transition.
        statuses: Every published status.
        disk_is_full: Whether the journal refuses.
    """

    def __init__(self, last_episode: int = 0, next_sequence: int = 1, **changes: Any) -> None:
        config = made_config(**changes)
        builder = TransitionBuilder("widowx", "run", next_sequence, {}, lambda _: None)
        self.clock = FakeClock()
        self.core = AgentCore(config, self.clock, builder, last_episode)
        self.asked: list[AskChunk | AskFeatures] = []
        self.sent: list[SentChunk] = []
        self.written: list[Record] = []
        self.published: list[Transition] = []
        self.statuses: list[AgentStatus] = []
        self.disk_is_full = False
        self.do(self.core.on_answer(Connection("", "policy")))
        self.do(self.core.on_listeners(1))

    @property
    def transitions(self) -> list[Transition]:
        """Every transition that was written, in order."""
        return [t for record in self.written for t in record.transitions]

    @property
    def reason(self) -> str:
        """What is wrong, as the status says it."""
        return self.core.status().reason

    def do(self, effects: list[Effect]) -> None:
        """Carries out what the core wants, as the node does."""
        for effect in effects:
            if isinstance(effect, SentChunk):
                self.sent.append(effect)
            elif isinstance(effect, Record) and self.disk_is_full:
                self.do(self.core.on_write_failed("no room left"))
            elif isinstance(effect, Record):
                self.written.append(effect)
                self.do(self.core.on_written())
            elif isinstance(effect, PublishTransitions):
                self.published.extend(effect.transitions)
            elif isinstance(effect, AgentStatus):
                self.statuses.append(effect)
            else:
                self.asked.append(effect)

    def see(self, sequence: int, *, objects: bool = True) -> None:
        """Shows the state of that number; the stamp counts control steps."""
        stamp_ns, now_s = sequence * STEP_NS, self.clock.now_s()
        if objects:
            self.show_objects(sequence)
        values = {"tool_x": float(sequence)}
        self.do(self.core.on_arm(ArmReading(stamp_ns, now_s, values, sequence)))

    def show_objects(self, sequence: int) -> None:
        """Shows the objects of the arm state of that number."""
        values = {"carrot.x": 0.1 * sequence}
        self.do(self.core.on_objects(Reading(sequence * STEP_NS, self.clock.now_s(), values)))

    def run(self, episode: int = 1, first: int = 0, time_limit_ns: int = 0) -> None:
        """Lets an episode run from the arm state of number `first` on."""
        self.do(self.core.on_controller(CAPS))
        view = EpisodeView(
            episode,
            running=True,
            first_arm_state_sequence=first,
            started_ns=first * STEP_NS,
            time_limit_ns=time_limit_ns,
        )
        self.do(self.core.on_episode(view))

    def leave(self, episode: int = 1) -> None:
        """Ends an episode without a label."""
        self.do(self.core.on_episode(EpisodeView(episode, running=False)))

    def answer(self, number: float) -> None:
        """Answers the newest question with features of that number."""
        asked = self.asked[-1]
        made = made_candidates(number, asked.candidates)
        if isinstance(asked, AskFeatures):
            answer = FeaturesAnswer(asked.request, features_of(number), made)
        else:
            reply = replace(made_reply(number), candidates=made)
            answer = ChunkAnswer(asked.request, reply, 0.02)
        self.do(self.core.on_answer(answer))

    def end(
        self,
        chunk: int,
        steps: int = STEPS,
        result: ChunkResult = ChunkResult.COMPLETED,
        code: str = "",
    ) -> None:
        """The controller reports the end of the newest chunk."""
        end = made_end(self.sent[-1].sequence, chunk, steps, result, code)
        self.do(self.core.on_outcome(end))

    def drive(
        self, number: int, first_state: int, steps: int = STEPS, *, whole: bool = True
    ) -> None:
        """A person drives a segment, every state of which is seen; the controller reports it."""
        view = replace(CAPS, mode=ControllerMode.TELEOP, segments=number - 1)
        self.do(self.core.on_controller(view))
        for state in range(first_state, first_state + steps + 1):
            self.see(state)
        end = made_segment(number, first_state, steps, whole=whole)
        self.do(self.core.on_outcome(end))

    def let_go(self, segments: int, mode: ControllerMode = ControllerMode.POLICY) -> None:
        """The person lets go, after so many segments."""
        self.do(self.core.on_controller(replace(CAPS, mode=mode, segments=segments)))

    def encode(self) -> None:
        """Answers questions for features until there is none, each with its state's number."""
        while self.asked and isinstance(self.asked[-1], AskFeatures):
            asked = self.asked.pop()
            number = asked.observation.arm_state_sequence
            made = made_candidates(number, asked.candidates)
            self.do(self.core.on_answer(FeaturesAnswer(asked.request, features_of(number), made)))

    def play(self, chunks: int) -> None:
        """Runs whole chunks from the start of an episode on."""
        for chunk in range(chunks):
            self.see(chunk * STEPS)
            self.answer(chunk)
            self.see((chunk + 1) * STEPS)
            self.end(chunk)
