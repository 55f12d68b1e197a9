"""The lives of a session: begun with a recorder beside the arm, judged when they have ended."""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from tmrl_bringup.layout import repository_root
from tmrl_common.testing.waiting import wait_until

from . import arm_judge, command_log, row_judge
from .person import Person
from .report import Report
from .session import Session

WORKS_S = 120.0
"""Longest time without a new row: a busy machine takes half a minute to start the parts again."""
_ENDLESS = 1_000_000
_LAST_EPISODES = 2
_LOOK_S = 0.03


class Lives:
    """Begins and ends lives, and knows whether the newest one works.

    Args:
        session: What is begun.
        seed: Where it is odd, the world of the first life runs by itself; after that every other.
        report: Takes in what is found.
    """

    def __init__(self, session: Session, seed: int, report: Report) -> None:
        self._session = session
        self._seed = seed
        self._report = report
        self._person = Person(session.run_dir / "episodes.jsonl")
        self._domain = 0
        self._recorder: subprocess.Popen[bytes] | None = None

    def begin(self, episodes: int = _ENDLESS) -> None:
        """Starts the session, or resumes it; after so many episodes in all it ends by itself."""
        self._session.start(episodes, paced=(self._session.lives + self._seed) % 2 == 1)
        self._domain = self._session.domain()
        log = self._session.run_dir.with_name(self._log_name)
        command = [sys.executable, "-m", "tests.faults.recorder", str(self._domain), str(log)]
        self._recorder = subprocess.Popen(command, cwd=repository_root())

    @property
    def _log_name(self) -> str:
        return f"commands_{self._session.lives}.log"

    def end(self, *, by_hand: bool = False) -> None:
        """Waits for the end of a life, and judges it.

        Args:
            by_hand: Whether it is asked to end, as with Ctrl-C.
        """
        if self._recorder is None:
            return
        if by_hand:
            self._session.interrupt()
        if not self._session.wait_for_end():
            self.lose("the session did not end")
        left = self._session.left()
        self._stop_recorder()
        path = self._session.run_dir.with_name(self._log_name)
        log = command_log.read(path)
        rules = arm_judge.Rules.of_rig(self._session.run_dir / "config.yaml")
        found = arm_judge.judge(log, rules)
        self._report.announced |= {each.sequence: each.content_hash for each in log.announced}
        self._report.add_life(self._session.lives, found, left)
        if not found.findings:
            path.unlink(missing_ok=True)
        # Nobody looks at them, and a thousand lives would fill the disk.
        shutil.rmtree(self._session.run_dir / "recordings", ignore_errors=True)

    def catch_up(self) -> None:
        """A last life that ends by itself, after which the learner must have everything."""
        ledger = self._session.run_dir / "episodes.jsonl"
        done = ledger.read_text(encoding="utf-8").count('"labelled"')
        self.begin(done + _LAST_EPISODES)
        self._wait_while_it_works(lambda: not self._session.running, "the last episodes")
        if self._session.exit_code != 0:
            self.lose("the last life did not end by itself")
        self.end(by_hand=self._session.running)

    def abandon(self) -> None:
        """Leaves nothing running, whatever happened."""
        if self._session.running:
            self._session.interrupt()
            self._session.wait_for_end()
        self._session.left()
        self._stop_recorder()

    def lose(self, why: str) -> None:
        """Notes that a life ended, or stood still, although it should have continued."""
        self._report.lose_session(
            f"life {self._session.lives}: {why}: {self._session.last_words()}"
        )

    def wait_for_row(self, wanted: int) -> bool:
        """Waits until the learner has stored a row; False where the session ends, or hangs."""

        def stored() -> bool:
            return row_judge.newest_stored(self._session.run_dir) >= wanted

        self._wait_while_it_works(lambda: stored() or not self._session.running, f"row {wanted}")
        return stored()

    def works(self) -> bool:
        """Whether something new is stored."""
        return self.wait_for_row(row_judge.newest_stored(self._session.run_dir) + 1)

    def _wait_while_it_works(self, condition: Callable[[], bool], what: str) -> None:
        """Waits as long as rows are stored."""
        with contextlib.suppress(TimeoutError):
            wait_until(
                condition,
                what,
                WORKS_S,
                meanwhile=self._pause,
                progress=lambda: row_judge.newest_stored(self._session.run_dir),
            )

    def _pause(self) -> None:
        time.sleep(_LOOK_S)
        self._person.look(self._domain)
        self._report.pressed = self._person.pressed

    def _stop_recorder(self) -> None:
        if self._recorder is not None:
            self._recorder.terminate()
            self._recorder.wait()
            self._recorder = None
