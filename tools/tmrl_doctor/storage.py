"""The journal and the disk that it lies on: what was seen, and what to think of it."""

from dataclasses import dataclass
from pathlib import Path

from tmrl_doctor.finding import Finding, failed, good, warning

_SLOW_COMMIT_S = 0.05
_FREE_GIB = 2.0
_COMFORTABLE_GIB = 20.0


@dataclass(frozen=True)
class JournalSeen:
    """A journal that was made, written and removed again.

    Attributes:
        folder: Where.
        commit_s: Median time of a commit that survives a loss of power.
        error: Why it could not be written; empty where it could.
    """

    folder: Path
    commit_s: float = 0.0
    error: str = ""


def judge_journal(seen: JournalSeen) -> Finding:
    """Nothing is published that is not in the journal, so without one nothing runs."""
    if seen.error:
        return failed(
            f"{seen.folder}: {seen.error}", "give a directory that you may write to: run_dir:=DIR"
        )
    detail = f"{seen.folder}: a commit takes {1e3 * seen.commit_s:.1f} ms"
    if seen.commit_s > _SLOW_COMMIT_S:
        return warning(detail, "put the run directory on a local disk: run_dir:=DIR")
    return good(detail)


def judge_space(folder: Path, free_gib: float) -> Finding:
    """An hour of chunks takes some megabytes; videos and recordings take the rest."""
    detail = f"{free_gib:.0f} GiB free at {folder}"
    if free_gib < _FREE_GIB:
        return failed(detail, "free disk space, or choose another disk: run_dir:=DIR")
    if free_gib < _COMFORTABLE_GIB:
        return warning(detail, "enough for some days of runs without recordings; free some more")
    return good(detail)
