"""What a part of the product says in its log while an input is read."""

import logging
from types import TracebackType
from typing import Self


class Heard(logging.Handler):
    """Collects what a logger says; a context manager.

    Attributes:
        texts: What was said, in order.
    """

    def __init__(self, logger: str, level: int) -> None:
        """Listens to nothing yet.

        Args:
            logger: Its name.
            level: From which on.
        """
        super().__init__(level)
        self.texts: list[str] = []
        self._logger = logging.getLogger(logger)
        self._before = self._logger.level

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a message."""
        self.texts.append(record.getMessage())

    def __enter__(self) -> Self:
        """Begins to listen."""
        self._before = self._logger.level
        self._logger.setLevel(self.level)
        self._logger.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before)
