"""The arms of a demo session: each its own simulation, journal and operator, one learner for all.

A simulated arm has a clock of its own, so each further arm has a ROS domain of its own, as on
another machine, and meets the learner at the policy server's port.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.parts import CONSOLE, SERVER
from tmrl_bringup.parts.part import Place
from tmrl_bringup.processes import describe, select_parts
from tmrl_bringup.rig import Rig, load, parse_overrides
from tmrl_bringup.rundir import has_history, prepare_run_dir
from tmrl_bringup.supervisor import ProcessSpec
from tmrl_bringup.two_machines import through_one_door
from tmrl_common.ports import free_port
from tmrl_demo.monitor import Monitor
from tmrl_demo.options import DemoOptions
from tmrl_demo.record import IDLE, SessionRecord
from tmrl_demo.report import History, journalled, read_history

_LEARNER = "learning"
_SERVICE_S = 5.0
_DRAIN_S = 15.0
_POLL_S = 0.25
_REAL_TIME = {
    "driver.real_time_factor": 1.0,
    "controller.pacing": "state",
    "agent.lock_step": False,
}
_OBSERVED = {
    "state": {},
    "cameras": {
        "agent.context_objects": [],
        "agent.cameras": ["overview", "wrist"],
        "agent.frozen_after_s": 0.0,
        "driver.image_size_px": 96,
        "policy_server.checkpoint": "policies/checkpoints/widowx_sim_cameras/csp",
    },
}
"""What differs from the rig by what the policy sees; the pictures are as large as its encoder's."""
_BETWEEN_SEEDS = 1000
"""More than the episodes of a session: no two arms lay the same scene out."""


@dataclass
class Arm:
    """One arm of a session.

    Attributes:
        rig: With every parameter resolved.
        run_dir: Where its journal is.
        domain: ROS domain of its nodes.
        record: What was heard of it.
        has_started: Whether its operator has begun.
        printed: Episodes that are on the screen.
    """

    rig: Rig
    run_dir: Path
    domain: int
    record: SessionRecord = field(init=False)
    has_started: bool = False
    printed: int = 0
    _monitor: Monitor | None = None

    def __post_init__(self) -> None:
        """Begins an empty record."""
        self.record = SessionRecord(float(self.rig.parts["driver"]["control_period_s"]))

    @property
    def is_idle_after(self) -> int:
        """Episodes after which it waits for a start again; 0 while it does something."""
        return self.record.finished if self.has_started and self.record.state == IDLE else 0

    def history(self) -> History:
        """The session as its journal tells it; empty where it has none."""
        if not has_history(self.run_dir):
            return History([], 0)
        return read_history(self.run_dir, self.rig.robot)

    def load_past(self) -> None:
        """Takes over what its journal holds of a session that is resumed."""
        self.record.episodes = {e.number: e for e in self.history().episodes}
        self.printed = self.record.finished

    def listen(self) -> None:
        """Begins to hear it."""
        name, session = f"/{self.rig.robot}", self.run_dir.name
        self._monitor = Monitor(name, session, self.record, self.domain)

    def close(self) -> None:
        """Hears it no longer."""
        if self._monitor is not None:
            self._monitor.close()

    async def start(self) -> None:
        """Asks its operator to begin, if it has not."""
        if self.has_started or self._monitor is None:
            return
        refusal = await asyncio.to_thread(self._monitor.start_session, _SERVICE_S)
        # The answer may get lost on a busy machine: the session's state says so as well.
        self.has_started = refusal == "" or self.record.has_begun
        self.record.state_reason = refusal

    async def drain(self, interrupted: asyncio.Event) -> None:
        """Waits until the agent has journalled every labelled episode and the learner stored it."""
        if self._monitor is None:
            return
        await asyncio.to_thread(self._monitor.stop_session, _SERVICE_S)
        deadline_s = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline_s and not interrupted.is_set():
            sequence, labelled = journalled(self.run_dir, self.rig.robot)
            stored = self.record.learner.contiguous_sequence >= sequence
            if stored and labelled >= self.record.finished:
                return
            await asyncio.sleep(_POLL_S)


def resolve_rigs(options: DemoOptions, run_dir: Path) -> list[tuple[Rig, Path]]:
    """The demo's rig with everything from the command line applied, and the run's directory.

    Of further arms the same under other names and seeds, each with a directory below the first.
    """
    rig = load(options.rig).with_overrides({"policy_server.bind": f"tcp://127.0.0.1:{free_port()}"})
    pace = _REAL_TIME if options.real_time else {}
    seen: dict[str, Any] = _OBSERVED[options.observe]
    rig = rig.with_overrides(pace | seen | parse_overrides(options.overrides))
    names = [rig.robot, *(f"{rig.robot}_{number}" for number in range(2, options.arms + 1))]
    rigs: list[tuple[Rig, Path]] = []
    for number, name in enumerate(names):
        folder = run_dir if number == 0 else run_dir / "arms" / name / run_dir.name
        session = SessionOptions(
            run_dir=folder,
            method=options.method,
            seed=(options.seed + number * _BETWEEN_SEEDS) % 2**32,
            label=options.label,
            max_episodes=options.episodes,
            sigma=options.sigma,
        )
        mine = rig.renamed(name)
        if options.arms > 1:
            mine = through_one_door(mine, Place.ROBOT)
            shared = {"learning.intake": "port", "learning.robots": names[1:]}
            mine = mine.with_overrides(shared if number == 0 else {})
        rigs.append((session.apply(mine), folder))
    return rigs


def processes_of(arms: Sequence[Arm], *, headless: bool, learner_domain: int) -> list[ProcessSpec]:
    """Every process of a session.

    Args:
        arms: The first one's rig has policy server and learner.
        headless: Without a view on the screen nobody looks at a page either.
        learner_domain: ROS domain of the learner of several arms; where there is one arm, the
            learner shares its domain.
    """
    first, *further = arms
    parts = select_parts(first.rig)
    if further:
        parts = (SERVER, *select_parts(first.rig, Place.ROBOT), _LEARNER)
    parts = tuple(part for part in parts if part != CONSOLE or not headless)
    specs = [
        replace(spec, env=_in_domain(learner_domain if spec.name == _LEARNER else first.domain))
        for spec in describe(first.rig, first.run_dir, parts)
    ]
    for arm in further:
        prepare_run_dir(arm.run_dir)
        beside = [part for part in select_parts(arm.rig, Place.ROBOT) if part != CONSOLE]
        specs += [
            replace(spec, name=f"{arm.rig.robot}.{spec.name}", env=_in_domain(arm.domain))
            for spec in describe(arm.rig, arm.run_dir, beside)
        ]
    return specs


def _in_domain(number: int) -> dict[str, str]:
    return {"ROS_DOMAIN_ID": str(number)}
