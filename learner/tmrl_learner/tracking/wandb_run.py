"""wandb, kept where it can do no harm: in a thread of its own behind a bounded queue.

Importing wandb and starting its service takes seconds, and online it waits for a network. Neither
may hold up learning, and none of its failures may end a run: they are reported once.
"""

import logging
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tmrl_learner.tracking.config import TrackingConfig

_log = logging.getLogger(__name__)
_QUEUE_LENGTH = 10_000

_Record = dict[str, float]


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

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Hands a record over; never waits and never fails."""
        if self._given_up.is_set():
            return
        if not self._started:
            self._started = True
            self._thread.start()
        self._put({"step": step, **values})

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
                run.log(record)
            run.finish()
        except Exception as error:  # noqa: BLE001
            # Whatever goes wrong in there, the run itself must continue without it.
            self._given_up.set()
            _log.warning(
                "wandb failed and is left alone from here on: %s. metrics.csv continues; start "
                "with wandb disabled to be rid of this",
                error,
            )

    def _start(self) -> Any:
        # Imported here: it takes half a second, and many runs do without.
        import wandb

        mode = self._tracking.wandb
        if mode == "online" and not wandb.login(prompt=False):
            mode = "offline"
            _log.warning(
                "wandb has no API key (`wandb login`, or the variable WANDB_API_KEY): "
                "writing offline, for `wandb sync` later"
            )
        run = wandb.init(
            project=self._tracking.project,
            group=self._tracking.group or None,
            name=self._tracking.name or self._run_dir.name,
            dir=self._run_dir,
            config=self._config,
            mode="online" if mode == "online" else "offline",
            # A process may have several runs at once, e.g. one per seed.
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        # Records may repeat a step or, after a resume, go back; wandb's own count does not.
        run.define_metric("*", step_metric="step")
        return run
