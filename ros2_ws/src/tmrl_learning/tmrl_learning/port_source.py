"""Transitions from the journal of a robot elsewhere, through the policy server's own door."""

import uuid
from collections.abc import Callable

import numpy as np

from tmrl_common.clock import SteadyClock
from tmrl_common.desk_messages import Parcel, Report
from tmrl_common.errors import TmrlError
from tmrl_common.parcels import ParcelError, unpack
from tmrl_common.transport.client import PolicyClient
from tmrl_learner.run_config import RunConfig
from tmrl_learner.worker import LearnerWorker
from tmrl_learning.exchange import Exchange
from tmrl_learning.hand_over import hand_over
from tmrl_learning.ingestion import Effect, Ingestion, Row
from tmrl_learning.messages import report_of
from tmrl_learning.pace import Pace


class PortSource:
    """Reports how the learner stands, and asks for what it lacks.

    Args:
        client: Connection to the policy server; the caller closes it before this.
        robot: Name of the arm.
        config: Names the session.
        worker: Takes the transitions.
        complain: Called with sentences for the log.
    """

    def __init__(
        self,
        client: PolicyClient,
        robot: str,
        config: RunConfig,
        worker: LearnerWorker,
        complain: Callable[[str], object],
    ) -> None:
        self._config = config
        self._robot = robot
        self._worker = worker
        self._complain = complain
        clock = SteadyClock()
        self._ingestion = Ingestion(robot, config.session, clock)
        self._pace = Pace(clock)
        self._sender = uuid.uuid4().hex
        self._wanted = 0
        self._told: bytes = b""
        self._unreached = ""

        def ask(report: Report) -> Parcel:
            return client.report(report, deadline_s=config.server_deadline_s)

        self._exchange = Exchange(ask, f"port_source_{robot}")

    @property
    def refused(self) -> int:
        """Rows that were not used."""
        return self._ingestion.refused

    @property
    def reason(self) -> str:
        """What is wrong on the way from the journal; empty while nothing is."""
        return self._ingestion.reason or self._unreached

    def tick(self) -> None:
        """Takes an answer, and puts the next question when it is due; to be called often."""
        answer = self._exchange.take()
        if isinstance(answer, TmrlError):
            self._unreached = f"no way to the robot's journal: {answer}"
            self._pace.unanswered()
        elif answer is not None:
            self._unreached = ""
            self._on_parcel(answer)
        status = self._worker.status_of(self._robot)
        if status.phase != "starting":
            self._carry_out(self._ingestion.on_ready(status.contiguous_sequence))
        self._carry_out(self._ingestion.on_tick())
        if self._exchange.is_free and self._pace.is_due:
            self._exchange.put(self._report())

    def close(self) -> None:
        """Ends the thread."""
        self._exchange.close()

    def _report(self) -> Report:
        config, door = self._config, self._ingestion
        status = self._worker.status_of(self._robot)
        told = report_of(config.method, status, door.refused, door.reason)
        if told != self._told:
            self._told = told
            self._pace.changed()
        content = np.frombuffer(told, np.uint8)
        return Report(self._robot, config.session, self._sender, self._wanted, content)

    def _on_parcel(self, parcel: Parcel) -> None:
        effects = self._ingestion.on_announced(parcel.announced)
        if parcel.first and parcel.first == self._wanted:
            self._wanted = 0
            self._pace.changed()
            try:
                rows = [Row(*row) for row in unpack(parcel.rows)]
            except ParcelError as error:
                # The ingestion asks again, and the desk then lets go of this one.
                self._complain(str(error))
            else:
                effects += self._ingestion.on_fetched(rows, parcel.last_sequence)
        self._carry_out(effects)
        self._pace.answered(awaits=self._wanted > 0)

    def _carry_out(self, effects: list[Effect]) -> None:
        hand_over(effects, self._robot, self._worker, self._ask, self._complain)

    def _ask(self, first_sequence: int) -> None:
        self._wanted = first_sequence
        self._pace.changed()
