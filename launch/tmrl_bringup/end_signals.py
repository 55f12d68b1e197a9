"""What ends a session: Ctrl-C, a polite kill, a terminal that went away; and what does not."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable

_ALWAYS = (signal.SIGINT, signal.SIGTERM)


def when_asked_to_end(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Calls `end` in the loop for each signal that asks for an end, from now on.

    A closed terminal or a lost SSH connection (SIGHUP) is one of them: by its default action this
    process would die at once, and the kernel would kill every child with it, an arm's driver
    too, which then could not brake. Under `nohup` it stays ignored.
    """
    for number in _ALWAYS:
        loop.add_signal_handler(number, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, _end_unheard, end)


def _end_unheard(end: Callable[[], None]) -> None:
    """Ends after the reader of this process's output went; a failure there would break it off."""
    write_nowhere()
    end()


def write_nowhere() -> None:
    """Sends this process's output nowhere: whoever read it has gone, and to write would fail.

    What goes into a file still goes there.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
