"""wandb, kept where it can do no harm: in a thread of its own behind a bounded queue.

Importing wandb and starting its service takes seconds, and online it waits for a network. Neither
may hold up learning, and none of its failures may end a run: they are reported once.
"""

import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tmrl_learner.tracking.config import TrackingConfig

_log = logging.getLogger(__name__)
_QUEUE_LENGTH = 10_000
_ONLINE_S = 20.0
"""Longest wait for wandb's server at the start; records are kept meanwhile."""

_Record = dict[str, float | list[float] | Path]
"""A list is a distribution, a path a video."""


class WandbRun:
    """One run of wandb; it starts with the first record.

    Args:
        run_dir: wandb's files go to `wandb/` in it.
        config: Resolved configuration of the run, plain values.
        tracking: Mode, project, group and name.
    """

    def __init__(self, run_dir: Path, config: Mapping[str, Any], tracking: TrackingConfig) -> None:
        self._run_dir = run_dir
        self._config = dict(config)
        self._tracking = tracking
        self._queue: queue.Queue[_Record | None] = queue.Queue(_QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)
        self._started = False
        self._given_up = threading.Event()
        self._dropped = 0
        self._wandb: Any = None

    def log(
        self,
        step: int,
        values: Mapping[str, float],
        distributions: Mapping[str, Sequence[float]],
        video: Path | None = None,
    ) -> None:
        """Hands a record over; never waits and never fails."""
        if self._given_up.is_set():
            return
        if not self._started:
            self._started = True
            self._thread.start()
        record: _Record = {"step": step, **values}
        record |= {name: [*each] for name, each in distributions.items()}
        self._put(record | ({} if video is None else {"video": video}))

    def close(self) -> None:
        """Lets wandb write what it has, for a while."""
        if not self._started:
            return
        self._put(None)
        self._thread.join(self._tracking.close_timeout_s)
        if self._thread.is_alive():
            _log.warning(
                "wandb did not finish within %g s; metrics.csv is complete, and `wandb sync` sends "
                "what lies in %s",
                self._tracking.close_timeout_s,
                self._run_dir / "wandb",
            )
        if self._dropped:
            _log.warning("wandb was too slow for %d records; metrics.csv has all", self._dropped)

    def _put(self, record: _Record | None) -> None:
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._dropped += record is not None

    def _work(self) -> None:
        try:
            run = self._start()
            while (record := self._queue.get()) is not None:
                run.log({name: self._shown(value) for name, value in record.items()})
            run.finish()
        except Exception as error:  # noqa: BLE001
            # Whatever goes wrong in there, the run itself must continue without it.
            self._given_up.set()
            _log.warning(
                "wandb failed and is left alone from here on: %s. metrics.csv continues; start "
                "with wandb disabled to be rid of this",
                error,
            )

    def _shown(self, value: float | list[float] | Path) -> Any:
        if isinstance(value, Path):
            return self._wandb.Video(str(value), caption=value.stem, format=value.suffix[1:])
        return self._wandb.Histogram(value) if isinstance(value, list) else value

    def _start(self) -> Any:
        # Imported here: it takes half a second, and many runs do without.
        import wandb

        self._wandb = wandb
        if self._tracking.wandb == "online":
            try:
                run = self._online(wandb)
            except Exception as error:  # noqa: BLE001
                # wandb has errors of many classes for a key, a name or a network.
                _log.warning(
                    "wandb cannot go online: %s. Writing offline into %s, for `wandb sync` later",
                    error,
                    self._run_dir / "wandb",
                )
                run = self._init(wandb, "offline")
        else:
            run = self._init(wandb, "offline")
        # Records may repeat a step or, after a resume, go back; wandb's own count does not.
        run.define_metric("*", step_metric="step")
        return run

    def _online(self, wandb: Any) -> Any:
        if not wandb.login(prompt=False):
            raise LookupError("there is no API key (`wandb login`, or the variable WANDB_API_KEY)")
        return self._init(wandb, "online")

    def _init(self, wandb: Any, mode: str) -> Any:
        return wandb.init(
            project=self._tracking.project,
            group=self._tracking.group or None,
            name=self._tracking.name or self._run_dir.name,
            dir=self._run_dir,
            config=self._config,
            mode=mode,
            # A process may have several runs at once, e.g. one per seed.
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off", init_timeout=_ONLINE_S),
        )
