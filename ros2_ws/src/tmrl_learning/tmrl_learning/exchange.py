"""The one thread that asks the policy server for something, so that no callback waits for it."""

import queue
from collections.abc import Callable
from typing import Generic, TypeVar

from tmrl_common.checked_thread import CheckedThread
from tmrl_common.errors import ClientClosedError, TmrlError

Q = TypeVar("Q")
A = TypeVar("A")


class Exchange(Generic[Q, A]):
    """At most one question is on its way.

    Args:
        ask: Blocks until there is an answer or a `TmrlError`.
        name: Of the thread.
    """

    def __init__(self, ask: Callable[[Q], A], name: str) -> None:
        self._ask = ask
        self._questions: queue.SimpleQueue[Q | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[A | TmrlError] = queue.SimpleQueue()
        self._thread = CheckedThread(self._run, name)
        self.is_free = True
        """Whether a question may be put."""
        self._thread.start()

    def put(self, question: Q) -> None:
        """Puts a question; only while it is free."""
        self.is_free = False
        self._questions.put(question)

    def take(self) -> "A | TmrlError | None":
        """The answer, or why there is none; None while it is still to come. Raises a failure."""
        self._thread.check()
        try:
            answer = self._answers.get_nowait()
        except queue.Empty:
            return None
        self.is_free = True
        return answer

    def close(self) -> None:
        """Ends the thread; whatever `ask` waits for must have been closed."""
        self._questions.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            try:
                self._answers.put(self._ask(question))
            except ClientClosedError:
                return
            except TmrlError as error:
                self._answers.put(error)
