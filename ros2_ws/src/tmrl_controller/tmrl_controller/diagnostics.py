"""What the controller tells about itself once per second on /diagnostics."""

from tmrl_common.chunks import ControllerMode
from tmrl_controller.core import ControllerCore
from tmrl_controller.ticker import Ticker


def health(
    core: ControllerCore, ticker: Ticker, estop_problem: str = "", failures: int = 0
) -> tuple[str, dict[str, str]]:
    """What a person must look at (empty while all is well), and figures.

    Args:
        core: The controller.
        ticker: What makes it tick; on simulated time it never started.
        estop_problem: Why a latched e-stop would not survive a restart; empty where it would.
        failures: Errors of the program since the start; each one made the arm hold.
    """
    status, age_s = core.status(), core.arm_state_age_s()
    figures = {
        "mode": status.mode.name.lower(),
        "reason": status.reason,
        "arm_state_age_s": "none yet" if age_s is None else f"{age_s:.3f}",
        "chunks_accepted": str(status.chunks_accepted),
        "chunks_refused": str(status.chunks_refused),
        "last_refusal": status.last_refusal,
        "internal_errors": str(failures),
        "steps_clamped": str(status.steps_clamped),
        **{f"limited_by_{limit}": str(count) for limit, count in status.limits_acted.items()},
    }
    if ticker.scheduling:
        figures |= {
            "scheduling": ticker.scheduling,
            "ticks": str(ticker.lateness.count),
            "tick_overruns": str(ticker.overruns),
            "tick_late_p99_ms": f"{ticker.lateness.percentile_ms(99.0):.3f}",
            "tick_late_max_ms": f"{ticker.lateness.percentile_ms(100.0):.3f}",
        }
    stopped = status.reason if status.mode in (ControllerMode.ESTOP, ControllerMode.FAULT) else ""
    problems = (stopped, estop_problem, ticker.problem)
    return "; ".join(problem for problem in problems if problem), figures
