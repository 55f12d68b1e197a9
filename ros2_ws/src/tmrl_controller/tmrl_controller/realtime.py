"""Asks the operating system to run the controller on time, and says what it allowed."""

import ctypes
import os
import resource

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_ALLOW_IT = (
    "allow it with 'rtprio 80' and 'memlock unlimited' for this user in /etc/security/limits.conf, "
    "in a container with --cap-add SYS_NICE --ulimit memlock=-1"
)


def request_fifo(priority: int) -> str:
    """Puts the calling thread before all normal ones of the machine.

    Args:
        priority: Of SCHED_FIFO, 1 to 99; 0 asks for nothing.

    Returns:
        What came of it, with a remedy where it was not allowed.
    """
    if priority == 0:
        return "normal scheduling, as configured"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"normal scheduling, SCHED_FIFO refused ({error.strerror}): {_ALLOW_IT}"
    return f"SCHED_FIFO {priority}"


def claim_real_time(priority: int) -> str:
    """Prepares the process, from its main thread, for a thread that ticks at this priority.

    The tick must wait for a callback that holds the interpreter, so no normal process may delay
    the callbacks either: the main thread gets the next lower priority.

    Args:
        priority: Of the thread that ticks, 1 to 99; 0 asks for nothing.

    Returns:
        What came of it, for people.
    """
    if priority == 0:
        return "real time: not asked for"
    return f"real time: callbacks {request_fifo(max(1, priority - 1))}; {lock_memory()}"


def lock_memory() -> str:
    """Keeps the pages of this process in memory, so that a tick never waits for the disk.

    Returns:
        What came of it, with a remedy where it was not allowed.
    """
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    try:
        # With a limit, later allocations would fail instead of being left unlocked.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    except (OSError, ValueError) as error:
        return f"memory not locked ({error}): {_ALLOW_IT}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        return f"memory not locked ({os.strerror(ctypes.get_errno())}): {_ALLOW_IT}"
    return "memory locked"
