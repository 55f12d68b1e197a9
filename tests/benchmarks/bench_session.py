"""How much of an episode the arm stands still, and how old a picture is when the arm acts on it.

The whole stack on a rig file of its own: two cameras of 640 by 480 at 30 Hz (the camera's node on
the SDK's software device), agent, controller, driver of the made-up arm, operator, each a process,
over DDS; the policy server is ours with a network that only sleeps. Beside it, in turns, what one
would otherwise use: openpi's `Runtime` and `ActionChunkBroker` around the same made-up arm, with
its websocket client and a server that sleeps as long. Its cameras are a thread of the same process:
nothing of ROS is in its way.

Where the policy thinks while the arm moves (`OVERLAPS`), there is only our side.

*Duty* is the share of an episode in which the newest setpoint is at most one control period old,
from the first setpoint to the last. The rest is standstill: the policy thinks. *Overhead* is the
time from the older picture's stamp to the first setpoint that answers it, less what the network
slept. Both are taken where the setpoint arrives: at a listener beside the driver, at the arm's
`command`.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import session_openpi
import session_tmrl
from session_setting import EXECUTE, OVERLAPS, Run

_SIDES = (session_tmrl.episode, session_openpi.episode)
_SUFFIXES = ("", "_openpi")


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; ratios above 1: our arm stands still less, our overhead is smaller."""
    parser = argparse.ArgumentParser(prog="./tmrl bench session", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of an episode (default: 20)")
    parser.add_argument("--rounds", type=int, default=1, help="episodes of each (default: 1)")
    parser.add_argument(
        "--think-ms", type=float, nargs="+", default=[0.0, 80.0, 150.0], help="the network's sleep"
    )
    parser.add_argument(
        "--rates-hz", type=float, nargs="+", default=list(EXECUTE), choices=list(EXECUTE)
    )
    options = parser.parse_args(argv)
    figures: dict[str, float] = {"seconds": options.seconds, "rounds": options.rounds}
    duties: list[float] = []
    overheads_ms: tuple[list[float], list[float]] = ([], [])
    hops_ms: dict[str, list[float]] = {}
    for rate_hz in options.rates_hz:
        for think_ms in options.think_ms:
            pairs = [
                [episode(1e-3 * think_ms, rate_hz, options.seconds) for episode in _SIDES]
                for _ in range(options.rounds)
            ]
            duties += [a.duty(1.0 / rate_hz) / b.duty(1.0 / rate_hz) for a, b in pairs]
            for side, runs in enumerate(zip(*pairs, strict=True)):
                case = f"{think_ms:g}ms_{rate_hz:g}hz{_SUFFIXES[side]}"
                figures |= _of_case(case, runs, 1.0 / rate_hz)
                overheads_ms[side].extend(age_ms - think_ms for age_ms in _ages_ms(runs))
                for hop, spans_s in (hop for each in runs for hop in each.hops_s.items()):
                    hops_ms.setdefault(hop, []).extend(1e3 * span_s for span_s in spans_s)
    for think_ms, rate_hz, steps in OVERLAPS:
        figures |= _of_overlap(think_ms, rate_hz, steps, options)
    for name, spans_ms in zip(_SUFFIXES, overheads_ms, strict=True):
        figures[f"overhead{name}_p50_ms"] = float(np.median(spans_ms))
        figures[f"overhead{name}_p99_ms"] = float(np.percentile(spans_ms, 99))
    figures |= {f"hop_{hop}_p50_ms": float(np.median(spans)) for hop, spans in hops_ms.items()}
    ours_ms, theirs_ms = (float(np.median(spans_ms)) for spans_ms in overheads_ms)
    ratios = {"duty_vs_openpi": float(np.median(duties)), "overhead_vs_openpi": theirs_ms / ours_ms}
    return {"ratios": ratios, "figures": figures}


def _of_overlap(
    think_ms: float, rate_hz: float, steps: int, options: argparse.Namespace
) -> dict[str, float]:
    """Figures of our side where the policy thinks while the arm moves."""
    spans = 1e-3 * think_ms, rate_hz, options.seconds, steps
    runs = [session_tmrl.episode(*spans) for _ in range(options.rounds)]
    case, period_s = f"{think_ms:g}ms_{rate_hz:g}hz_overlap", 1.0 / rate_hz
    chunks = sum(len(each.seen_to_act_s) for each in runs)
    return {
        f"duty_{case}": float(np.median([each.duty(period_s) for each in runs])),
        f"steps_per_s_{case}": float(np.median([each.steps_per_s for each in runs])),
        f"longest_gap_{case}_periods": max(each.longest_gap(period_s) for each in runs),
        f"continued_{case}": sum(each.continued for each in runs) / chunks,
    }


def _of_case(case: str, runs: Sequence[Run], period_s: float) -> dict[str, float]:
    """Figures of one rate and one network."""
    ages_ms = _ages_ms(runs)
    return {
        f"duty_{case}": float(np.median([each.duty(period_s) for each in runs])),
        f"steps_per_s_{case}": float(np.median([each.steps_per_s for each in runs])),
        f"picture_to_setpoint_{case}_p50_ms": float(np.median(ages_ms)),
        f"picture_to_setpoint_{case}_p99_ms": float(np.percentile(ages_ms, 99)),
    }


def _ages_ms(runs: Sequence[Run]) -> list[float]:
    return [1e3 * age_s for each in runs for age_s in each.seen_to_act_s]
