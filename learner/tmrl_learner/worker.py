"""Learns in a thread of its own: ingests transitions, updates, publishes the actor, checkpoints.

The node hands transitions in and reads a status out; the thread owns the learner session and the
connection to the policy server.
"""

import json
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from tmrl_common.clock import Clock
from tmrl_common.errors import ClientClosedError, ErrorCode, RequestError, TmrlError
from tmrl_common.messages import ActorSpec
from tmrl_common.storage import prepare_folder
from tmrl_common.transition_copy import FILE_NAME as COPY_NAME
from tmrl_common.transition_copy import TransitionCopy
from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.transport.client import PolicyClient
from tmrl_common.transport.curve import client_security
from tmrl_common.types import PolicySpec, SteeringSource
from tmrl_learner.devices import check_device
from tmrl_learner.frozen_source import make_session
from tmrl_learner.offline import add_offline, judge_offline, read_offline
from tmrl_learner.run_config import RunConfig
from tmrl_learner.session import LearnerSession, Phase, holds_checkpoint
from tmrl_learner.tracking import EpisodeVideos, RunTracker, TrackingConfig
from tmrl_learner.worker_status import WorkerStatus

_log = logging.getLogger(__name__)
_IDLE_WAIT_S = 0.05
_RETRY_S = 1.0
_RATE_ROUNDS = 200
_TRACK_EVERY_ROUNDS = 10
_CLOSE_S = 0.5
"""A session must be over 3 s after Ctrl-C; wandb offline needs some hundredths of a second."""


def connect(config: RunConfig) -> PolicyClient:
    """A client that greets the policy server in the background.

    Raises:
        TransportError: The endpoint is none, or a key file cannot be used.
    """
    security = client_security(config.client_key, config.server_key)
    return PolicyClient(config.server, client="learner", robot=config.robot, security=security)


class Lost(NamedTuple):
    """Sequence numbers of an arm from `first` to `last`, which will never arrive."""

    robot: str
    first: int
    last: int


class LearnerWorker:
    """One learning run: `put` from any thread, `run` in one thread, `status` from any.

    Args:
        config: Parameters of the node.
        client: Connection to the policy server; the caller closes it, after asking `run` to stop
            and before waiting for it, so that a call in flight does not hold up the end.
        clock: Steady clock.
        caught_up: Called in the thread that learns whenever all that came has been learned from.

    Raises:
        ConfigError: The device is a GPU, and there is none.
        LearnerError: The offline data are not there, or do not fit the run.
        StorageError: Checkpoints cannot be written, or their disk has too little room.
    """

    def __init__(
        self,
        config: RunConfig,
        client: PolicyClient,
        clock: Clock,
        caught_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._learner_config = config.learner
        check_device(self._learner_config.device)
        self._learns = config.method != "base"
        self._client = client
        self._clock = clock
        self._caught_up = caught_up
        self._folder = Path(config.run_dir) / "checkpoint"
        prepare_folder(self._folder)
        self._offline = read_offline(config)
        self._copy = TransitionCopy(Path(config.run_dir) / COPY_NAME)
        self._inbox: queue.SimpleQueue[Transition | Lost] = queue.SimpleQueue()
        self._round_ends_s: deque[float] = deque(maxlen=_RATE_ROUNDS)
        self._metrics: dict[str, float] = {}
        self._published_rounds = -1
        self._published_epoch = ""
        self._retry_at_s = 0.0
        self._was_trained = False
        self._saved_at_s = clock.now_s()
        self._saved_state = (0, 0)
        self._tracker: RunTracker | None = None
        self._tracked = (0, 0, 0)
        self._sigmas: list[float] = []
        self._reason = ""
        self._refusal = ""
        self._stop = threading.Event()
        self._statuses = dict.fromkeys(config.all_robots, WorkerStatus())

    @property
    def status(self) -> WorkerStatus:
        """What the thread last did, as reported to the first arm."""
        return self.status_of(self._config.robot)

    def status_of(self, robot: str) -> WorkerStatus:
        """What the thread last did, as reported to one of the arms."""
        return self._statuses[robot]

    def put(self, transition: Transition) -> None:
        """Hands a transition in; duplicates and gaps are no problem."""
        self._inbox.put(transition)

    def give_up(self, robot: str, first: int, last: int) -> None:
        """Waits no longer for an arm's sequence numbers from `first` to `last`."""
        self._inbox.put(Lost(robot, first, last))

    def run(self, stop: threading.Event) -> None:
        """Learns until asked to stop, then writes a last checkpoint.

        Raises:
            TmrlError: The policy server serves something else than this run was started with, or a
                checkpoint does not fit; continuing would ruin the run.
            OSError: A checkpoint cannot be written; the older one is whole and the journal keeps
                what came after it.
        """
        self._stop = stop
        session = self._start(stop)
        if session is None:
            return
        while not stop.is_set():
            self.step(session)
        self._save(session)
        self._copy.close()
        if self._tracker is not None:
            self._tracker.close()

    def _start(self, stop: threading.Event) -> LearnerSession | None:
        """Waits for the policy server, which dictates the sizes; resumes where it can."""
        while not stop.is_set():
            try:
                welcome = self._client.connect(deadline_s=self._config.server_deadline_s)
            except ClientClosedError:
                if stop.is_set():
                    return None
                raise
            except TmrlError as error:
                self._tell(reason=f"policy server: {error}")
                _log.info("waiting for the policy server: %s", error)
                stop.wait(_RETRY_S)
                continue
            session = make_session(self._config, self._learner_config, welcome, self._clock.now_s)
            if not self._add_offline(session, welcome.spec):
                return None
            if holds_checkpoint(self._folder):
                session.load(self._folder)
                _log.info("resumed: %s", json.dumps(vars(session.counters)))
            self._resumed(session)
            return session
        return None

    def _add_offline(self, session: LearnerSession, spec: PolicySpec) -> bool:
        """Adds the offline data, if there are some; returns False where it was asked to stop."""
        data, folder = self._offline, self._config.offline_data
        if data is None:
            return True
        judge_offline(data, folder, spec)
        self._tell(reason=f"taking in the offline data of {folder}")
        return add_offline(session, data, folder, self._stop)

    def _resumed(self, session: LearnerSession) -> None:
        """Hands the server an actor before anything is learned: weights of a checkpoint, or bounds.

        Raises:
            RequestError: The actor does not fit the policy served.
        """
        self._saved_state = self._state(session)
        self._was_trained = session.phase is Phase.TRAINING
        if self._learns:
            self._publish_if_due(session)
        self._report(session)

    def step(self, session: LearnerSession) -> None:
        """Ingests what came, runs at most one round, publishes and saves what is due."""
        before = self._state(session)
        owed = session.updates_owed if self._learns else 0
        self._ingest(session, wait=owed == 0)
        if self._learns and session.updates_owed:
            self._metrics = session.update()
            self._round_ends_s.append(self._clock.now_s())
        if self._learns:
            self._publish_if_due(session)
        if (
            self._clock.now_s() - self._saved_at_s >= self._config.checkpoint_every_s
            and self._state(session) != self._saved_state
        ):
            self._save(session)
        self._report(session)
        if self._state(session) != before and not self.status.rounds_owed:
            self._caught_up()
        self._track(session)

    def _track(self, session: LearnerSession) -> None:
        """Writes a row of metrics after every episode and every few rounds."""
        replay, rounds = session.replay, session.counters.rounds
        episodes_before, successes_before, rounds_before = self._tracked
        nothing_new = (replay.episodes, replay.successes) == (episodes_before, successes_before)
        if nothing_new and rounds < rounds_before + _TRACK_EVERY_ROUNDS:
            return
        if self._tracker is None:
            # Only with the first transition: the start of a session has enough to do.
            tracking = TrackingConfig(
                wandb=self._config.wandb, group=self._config.session, close_timeout_s=_CLOSE_S
            )
            videos = EpisodeVideos(Path(self._config.run_dir))
            resolved = asdict(self._config) | {"learner": self._learner_config.to_mapping()}
            self._tracker = RunTracker(Path(self._config.run_dir), resolved, tracking, videos)
        self._tracked = (replay.episodes, replay.successes, rounds)
        status = self.status
        progress = {
            "rounds": rounds,
            "episodes": replay.episodes,
            "successes": replay.successes,
            "rounds_per_s": status.rounds_per_s,
            "actor_version": status.actor_version,
            **({"offline_segments": replay.offline} if replay.offline else {}),
        }
        drawn = {"sigma_of_chunks": self._sigmas} if self._sigmas else {}
        self._tracker.log(session.counters.stored, progress | status.metrics, drawn)
        self._sigmas = []

    def _ingest(self, session: LearnerSession, *, wait: bool) -> None:
        try:
            self._take(session, self._inbox.get(timeout=_IDLE_WAIT_S if wait else 0.0))
            while True:
                self._take(session, self._inbox.get_nowait())
        except queue.Empty:
            return

    def _take(self, session: LearnerSession, item: "Transition | Lost") -> None:
        """Stores a transition; one that cannot be used costs itself, not the run."""
        if isinstance(item, Lost):
            session.give_up(item.robot, self._config.session, item.first, item.last)
            _log.error("%s: transitions %d to %d are lost: the journal has them no longer", *item)
            return
        self._copy.add(item)
        try:
            is_new = session.ingest(item)
            self._refusal = ""
            if is_new and item.revision == 0 and item.steering is not SteeringSource.NONE:
                self._sigmas.append(item.sigma)
        except InvalidTransitionError as error:
            session.refuse(item)
            self._refusal = f"refused: {error}"
            _log.error("%s", self._refusal)

    def _publish_if_due(self, session: LearnerSession) -> None:
        """Hands the server a new actor after enough rounds, or any actor after it restarted.

        During the warm-up it is an untrained one, of which the server uses the bounds alone.
        """
        welcome = self._client.welcome
        if welcome is None or not self._client.connected:
            return
        newer = session.counters.rounds - self._published_rounds
        caught_up = session.updates_owed == 0 and newer > 0
        due = newer >= self._config.actor_every_rounds or caught_up
        restarted = welcome.epoch != self._published_epoch
        if not (due or restarted) or self._clock.now_s() < self._retry_at_s:
            return
        self._publish(session)

    def _publish(self, session: LearnerSession) -> None:
        snapshot = session.actor_snapshot()
        spec = ActorSpec(**asdict(session.agent.actor.config), **asdict(session.agent.bounds))
        deadline_s = self._config.server_deadline_s
        try:
            # The server's version counts on across restarts of the learner, whose rounds may not.
            pong = self._client.ping(deadline_s=deadline_s)
            version = pong.actor_version + 1
            version = self._client.swap(version, spec, snapshot.content, deadline_s=deadline_s)
        except ClientClosedError:
            if self._stop.is_set():
                return  # A checkpoint keeps what the server was not given.
            raise
        except TmrlError as error:
            refused = isinstance(error, RequestError) and error.code is ErrorCode.ACTOR_REFUSED
            if refused and not self._published_epoch:
                raise  # It never fits: the server serves another policy than this run is for.
            # The older actor keeps acting; the reason is on the screen until it works again.
            self._reason = f"the policy server did not take the actor: {error}"
            self._retry_at_s = self._clock.now_s() + _RETRY_S
            _log.warning("%s", self._reason)
            return
        self._reason = ""
        self._published_rounds = session.counters.rounds
        self._published_epoch = pong.epoch
        self._tell(actor_version=version)

    @staticmethod
    def _state(session: LearnerSession) -> tuple[int, int]:
        counters = session.counters
        taken = counters.stored + counters.revised + counters.refused + counters.lost
        return counters.rounds, taken

    def _save(self, session: LearnerSession) -> None:
        if self._state(session) == self._saved_state:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        session.save(self._folder)
        self._saved_at_s = self._clock.now_s()
        self._saved_state = self._state(session)
        self._report(session)

    def _rounds_per_s(self) -> float:
        ends = self._round_ends_s
        span_s = self._clock.now_s() - ends[0] if ends else 0.0
        return len(ends) / span_s if span_s > 0 else 0.0

    def _phase(self, session: LearnerSession) -> str:
        """What the agent should steer with.

        It asks for the actor as soon as this says "training": by then the server must have a
        trained one. A resumed run never explores at random again: the agent waits for the actor.
        """
        if not self._learns:
            return "base"
        has_trained_actor = self._was_trained or self._published_rounds > 0
        if session.phase is Phase.TRAINING and has_trained_actor:
            return Phase.TRAINING.value
        return Phase.WARMUP.value if self._published_epoch else "starting"

    def _report(self, session: LearnerSession) -> None:
        of_all = replace(
            self.status,
            phase=self._phase(session),
            transitions_stored=session.counters.stored,
            transitions_refused=session.counters.refused,
            transitions_lost=session.counters.lost,
            episodes_stored=session.replay.episodes,
            successes_stored=session.replay.successes,
            rounds=session.counters.rounds,
            rounds_owed=session.updates_owed if self._learns else 0,
            rounds_per_s=self._rounds_per_s(),
            metrics=self._metrics,
            reason=self._reason or self._refusal,
        )
        durable = session.durable_index()
        statuses = dict[str, WorkerStatus]()
        for robot in self._statuses:
            stream = (robot, self._config.session)
            kept = durable.get(stream)
            statuses[robot] = replace(
                of_all,
                contiguous_sequence=session.contiguous_sequence(*stream),
                durable_sequence=kept.contiguous if kept is not None else 0,
            )
        if statuses != self._statuses:
            self._statuses = statuses

    def _tell(self, **changes: Any) -> None:
        """Changes the same fields of every arm's status; whoever reads finds one or the other."""
        self._statuses = {r: replace(status, **changes) for r, status in self._statuses.items()}
