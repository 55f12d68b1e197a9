"""Clock and real-time behaviour of this machine: what was seen, and what to think of it."""

from dataclasses import dataclass

from tmrl_doctor.finding import Finding, failed, good, warning

_MAX_CLOCK_ERROR_S = 0.1
_GOOD_LATENESS_S = 2e-3
"""p99 of a tick's lateness that the controller is built for."""
_MAX_SKEW_S = 0.5


@dataclass(frozen=True)
class ClockSeen:
    """What the kernel says about its clock.

    Attributes:
        synchronised: Whether somebody (chrony, ntpd, timesyncd, PTP) disciplines it.
        max_error_s: Bound on its error, as that somebody says.
    """

    synchronised: bool
    max_error_s: float


@dataclass(frozen=True)
class JitterSeen:
    """How late a thread woke that asked for absolute deadlines.

    Attributes:
        period_s: Between two deadlines.
        late_s: p50, p99 and maximum of the lateness.
        fifo: Whether SCHED_FIFO was granted, under which it was then measured.
        realtime_kernel: Whether the kernel is built with PREEMPT_RT.
    """

    period_s: float
    late_s: tuple[float, float, float]
    fifo: bool
    realtime_kernel: bool


def judge_clock(seen: ClockSeen) -> Finding:
    """Stamps are compared by people and recordings, ages never: a wrong clock is no failure."""
    remedy = "install and start chrony (timedatectl shows the state)"
    if not seen.synchronised:
        return warning("nobody sets this machine's clock", remedy)
    if seen.max_error_s > _MAX_CLOCK_ERROR_S:
        return warning(f"set, but up to {seen.max_error_s:.2f} s off", remedy)
    return good(f"set by the network, at most {1e3 * seen.max_error_s:.1f} ms off")


def judge_skew(offset_s: float) -> Finding:
    """How far the stamps of the learner's machine are from this machine's clock on arrival."""
    if abs(offset_s) > _MAX_SKEW_S:
        return warning(
            f"the learner's stamps are {offset_s:+.2f} s off (the way included)",
            "set the clocks of both machines with chrony; learning does not depend on it",
        )
    return good(f"the learner's stamps are {1e3 * offset_s:+.0f} ms off (the way included)")


def judge_jitter(seen: JitterSeen, tick_period_s: float) -> Finding:
    """Late ticks are safe, because setpoints expire, but the arm then moves in jerks.

    Args:
        seen: What was measured.
        tick_period_s: Of the controller; a thread that wakes later than this misses a whole tick.
    """
    p50_s, p99_s, worst_s = seen.late_s
    detail = (
        f"wakes {1e3 * p50_s:.2f} ms late (p50), {1e3 * p99_s:.2f} (p99), {1e3 * worst_s:.1f} "
        f"(worst); SCHED_FIFO {'granted' if seen.fifo else 'refused'}, "
        f"{'PREEMPT_RT' if seen.realtime_kernel else 'ordinary'} kernel"
    )
    remedy = (
        "allow real-time priority: write '@realtime - rtprio 99' and '@realtime - memlock "
        "unlimited' into /etc/security/limits.d/realtime.conf, join that group, log in again"
    )
    if seen.fifo:
        remedy = "stop what else runs here, and switch the processor's power saving off"
    if p99_s > tick_period_s:
        return failed(f"{detail}; a tick is {1e3 * tick_period_s:.0f} ms", remedy)
    if p99_s > _GOOD_LATENESS_S or not seen.fifo:
        return warning(detail, remedy)
    return good(detail)
