"""Gives a journal back the rows that it lost, from the copy that the learner keeps."""

from dataclasses import dataclass
from pathlib import Path

from tmrl_agent.journal.errors import JournalError
from tmrl_agent.journal.journal import Journal
from tmrl_common.transition_copy import FILE_NAME, TransitionCopy


@dataclass(frozen=True)
class Recovered:
    """What became of one session.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        restored: Numbers that were given back, ascending.
        lost: Numbers that neither journal nor copy holds, ascending.
    """

    robot: str
    session: str
    restored: tuple[int, ...]
    lost: tuple[int, ...]


def recover(run_dir: Path, copy: Path | None = None) -> list[Recovered]:
    """Fills the gaps of a run's journal; a row that is there is never touched.

    The session must not be running. Every row is checked against its content hash before the first
    one is written, and all rows of a session are written or none.

    Args:
        run_dir: Directory of the run; a journal that is absent is made.
        copy: The learner's copy; None for the one in the directory.

    Raises:
        JournalError: There is no copy, or the journal cannot be used.
        CopyError: A row of the copy is damaged.
    """
    source = copy or run_dir / FILE_NAME
    if not source.is_file():
        raise JournalError(
            f"there is no {source}; name the learner's copy with --copy FILE: it is called "
            f"{FILE_NAME} and lies in the run directory of the machine that learns"
        )
    opened = TransitionCopy(source)
    try:
        return [_recover(run_dir / "journal.sqlite", opened, *each) for each in opened.streams()]
    finally:
        opened.close()


def _recover(path: Path, copy: TransitionCopy, robot: str, session: str) -> Recovered:
    journal = Journal(path, robot, session)
    try:
        known = copy.numbers((robot, session))
        # What the learner has was given away, even where the mark is lost as well.
        highest = max(journal.last_sequence, *known)
        missing = set(range(1, highest + 1)) - journal.numbers()
        found = missing & known
        journal.restore(copy.read((robot, session), found))
        return Recovered(robot, session, tuple(sorted(found)), tuple(sorted(missing - found)))
    finally:
        journal.close()
