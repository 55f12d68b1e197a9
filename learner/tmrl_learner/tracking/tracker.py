"""The tracker that every learner run writes its metrics through."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from tmrl_common.closeable import Closeable
from tmrl_learner.atomic_file import write_atomically
from tmrl_learner.tracking.config import TrackingConfig, wandb_mode
from tmrl_learner.tracking.episode_videos import EpisodeVideos
from tmrl_learner.tracking.metrics_file import MetricsFile
from tmrl_learner.tracking.wandb_run import WandbRun

_log = logging.getLogger(__name__)


class RunTracker(Closeable):
    """Writes the metrics of one run. Use from one thread.

    In the run directory: `metrics.csv` (see `MetricsFile`), `metrics.yaml` with the configuration
    under which it was written, and wandb's own files in `wandb/`.

    Args:
        run_dir: Directory of the run; made where it is missing, resumed where it is not.
        config: Resolved configuration of the run: nested plain values.
        tracking: What wandb receives.
        videos: Videos of episodes, which wandb receives too; None for none.
        now_s: Clock of the rows, seconds since 1970.

    Raises:
        MetricsFileError: There is a `metrics.csv` that this class did not write.
        OSError: The directory cannot be written.
    """

    def __init__(
        self,
        run_dir: Path,
        config: Mapping[str, Any],
        tracking: TrackingConfig,
        videos: EpisodeVideos | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._now_s = now_s
        self._videos = videos
        self._file = MetricsFile(run_dir / "metrics.csv")
        write_atomically(run_dir / "metrics.yaml", yaml.safe_dump(dict(config), sort_keys=False))
        mode = wandb_mode(tracking.wandb, os.environ)
        if mode != tracking.wandb:
            _log.info("wandb is %s, as WANDB_MODE or WANDB_DISABLED says", mode)
        chosen = replace(tracking, wandb=mode)
        self._wandb = WandbRun(run_dir, config, chosen) if mode != "disabled" else None

    def log(
        self,
        step: int,
        values: Mapping[str, float],
        distributions: Mapping[str, Sequence[float]] = MappingProxyType({}),
    ) -> None:
        """Writes one row.

        Args:
            step: What the run counts in, e.g. gradient steps or stored transitions.
            values: By name of the metric; rows need not have the same ones.
            distributions: Numbers since the row before, by name; wandb draws a histogram of them,
                the file has no place for one.

        Raises:
            MetricsFileError: A metric is called `step` or `time_s`.
            OSError: The disk refused. wandb, in contrast, never raises here.
        """
        self._file.append(step, self._now_s(), values)
        if self._wandb is not None:
            new = self._videos.take_new() if self._videos is not None else []
            for video in new[:-1]:
                self._wandb.log(step, {}, {}, video)
            self._wandb.log(step, values, distributions, new[-1] if new else None)

    def close(self) -> None:
        """Ends the run."""
        self._file.close()
        if self._wandb is not None:
            self._wandb.close()


def open_tracker(
    run_dir: Path,
    config: Mapping[str, Any],
    *,
    wandb: str = "offline",
    group: str = "",
    name: str = "",
) -> RunTracker:
    """Starts tracking a run; use it in a `with` statement.

    Args:
        run_dir: Directory of the run.
        config: Resolved configuration of the run: nested plain values.
        wandb: "offline", "online" or "disabled".
        group: Runs to be compared with each other in wandb; empty for none.
        name: Name of the run in wandb; empty for the name of its directory.

    Raises:
        ConfigError: There is no such mode.
        MetricsFileError: There is a `metrics.csv` that the tracker did not write.
        OSError: The directory cannot be written.
    """
    return RunTracker(run_dir, config, TrackingConfig(wandb=wandb, group=group, name=name))
