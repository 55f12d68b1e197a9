"""Waits for what threads and processes do, instead of sleeping for as long as it may take."""

import time
from collections.abc import Callable

_LOOK_S = 0.02


def _pause() -> None:
    time.sleep(_LOOK_S)


def wait_until(
    condition: Callable[[], object],
    what: str,
    timeout_s: float = 30.0,
    meanwhile: Callable[[], object] = _pause,
) -> None:
    """Looks again and again until a condition holds.

    Args:
        condition: May raise, which ends the wait.
        what: Is waited for.
        timeout_s: Longest wait.
        meanwhile: Done between two looks.

    Raises:
        TimeoutError: It did not hold in time.
    """
    ends_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends_s:
            raise TimeoutError(f"waited {timeout_s:g} s in vain for {what}")
        meanwhile()
