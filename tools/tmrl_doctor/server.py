"""The policy server and what it serves: what was seen, and what to think of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tmrl_common.messages import PolicyExpectation
from tmrl_common.types import PolicySpec
from tmrl_doctor.finding import Finding, failed, good, warning

_HASH_SHOWN = 12


@dataclass(frozen=True)
class ServerSeen:
    """A server that answered.

    Attributes:
        where: Its endpoint, and whether it was started for this look only.
        spec: What it serves.
        ping_s: Round trips of pings.
        encode_s: Round trips of one observation to its features, the first one left out.
    """

    where: str
    spec: PolicySpec
    ping_s: tuple[float, ...]
    encode_s: tuple[float, ...]


@dataclass(frozen=True)
class Expected:
    """What the rig's file says about the policy.

    Attributes:
        policy: What the agent will demand.
        horizon: Rows of a chunk that the controller expects.
        execute_steps: Steps of each chunk that are to be executed.
        control_rate_hz: Steps per second.
    """

    policy: PolicyExpectation
    horizon: int
    execute_steps: int
    control_rate_hz: float


def judge_server(seen: ServerSeen, expected: Expected) -> Finding:
    """Whether it answers in the time that the execution of a chunk leaves."""
    chunk_s = expected.execute_steps / expected.control_rate_hz
    detail = f"{seen.where}: ping {_percentiles(seen.ping_s)}, encode {_percentiles(seen.encode_s)}"
    if np.median(seen.encode_s) > chunk_s:
        return warning(
            f"{detail}; a chunk takes {1e3 * chunk_s:.0f} ms, so the arm would wait for it",
            "run the server on a GPU, or nearer (docs/guides/remote_gpu.md)",
        )
    return good(detail)


def judge_agreement(spec: PolicySpec, expected: Expected) -> Finding:
    """Whether checkpoint and rig mean the same; the handshake refuses the same differences."""
    differences = [
        f"{name} is {_text(getattr(spec, name))} in the checkpoint, {_text(wanted)} in the rig"
        for name, wanted in vars(expected.policy).items()
        if wanted is not None and wanted != getattr(spec, name)
    ]
    if expected.horizon != spec.horizon:
        differences.append(
            f"horizon is {spec.horizon} in the checkpoint, {expected.horizon} in the controller"
        )
    if expected.execute_steps > spec.horizon:
        differences.append(f"execute_steps is {expected.execute_steps}, the horizon {spec.horizon}")
    if differences:
        return failed(
            "; ".join(differences), "give the rig the checkpoint's values, or another checkpoint"
        )
    return good(
        f"{spec.action_space}, chunks of {spec.horizon}, state of {spec.proprio_dim}, "
        f"cameras {_text(spec.cameras)}; statistics {spec.statistics_hash[:_HASH_SHOWN]}, "
        f"policy {spec.policy_version[:_HASH_SHOWN]}"
    )


def _percentiles(times_s: tuple[float, ...]) -> str:
    p50, p99 = 1e3 * np.percentile(times_s, (50, 99))
    return f"{p50:.1f}/{p99:.1f} ms (p50/p99)"


def _text(value: Any) -> str:
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)
