"""What the controller tells about itself once per second on /diagnostics."""

from tmrl_common.chunks import ControllerMode
from tmrl_controller.core import ControllerCore
from tmrl_controller.ticker import Ticker


def health(core: ControllerCore, ticker: Ticker) -> tuple[str, dict[str, str]]:
    """What a person has to look at (empty while all is well), and figures.

    Args:
        core: The controller.
        ticker: What makes it tick; on simulated time it never started.
    """
    status, age_s = core.status(), core.arm_state_age_s()
    figures = {
        "mode": status.mode.name.lower(),
        "reason": status.reason,
        "arm_state_age_s": "none yet" if age_s is None else f"{age_s:.3f}",
        "chunks_accepted": str(status.chunks_accepted),
        "chunks_refused": str(status.chunks_refused),
        "last_refusal": status.last_refusal,
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
    stopped = status.mode in (ControllerMode.ESTOP, ControllerMode.FAULT)
    return status.reason if stopped else "", figures
