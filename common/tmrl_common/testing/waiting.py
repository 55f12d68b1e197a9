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
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Looks again and again until a condition holds.

    Args:
        condition: May raise, which ends the wait.
        what: Is waited for.
        timeout_s: Longest wait without progress.
        meanwhile: Done between two looks.
        progress: What work has been done; each change starts `timeout_s` again, so that the limit
            finds what hangs and not what is slow.

    Raises:
        TimeoutError: It did not hold in time.
    """
    done, ends_s = progress(), time.monotonic() + timeout_s
    while not condition():
        if (now_done := progress()) != done:
            done, ends_s = now_done, time.monotonic() + timeout_s
        elif time.monotonic() > ends_s:
            raise TimeoutError(f"timed out after {timeout_s:g} s without progress: {what}")
        meanwhile()
