"""ROS messages as sections of the board: plain values, in the words that the page shows."""

import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from tmrl_common.chunks import ControllerMode, Driver
from tmrl_common.types import Outcome
from tmrl_console.history import Chunk, share
from tmrl_msgs import msg
from tmrl_ros.conversion import to_seconds

EPISODE_STATES = ("idle", "resetting", "ready", "running", "labelling", "paused")
NO_LABEL = 255
"""Of EpisodeState: a detector holds the episode for nothing."""


def episode(message: msg.EpisodeState) -> dict[str, Any]:
    """Returns where the session stands."""
    elapsed_s = to_seconds(message.header.stamp) - to_seconds(message.started)
    running = message.state == msg.EpisodeState.RUNNING
    return {
        "session": message.session,
        "number": message.episode,
        "code": message.state,
        "state": EPISODE_STATES[message.state],
        "reason": message.reason,
        "elapsed_s": rounded(elapsed_s, 1) if running else None,
        "time_limit_s": message.time_limit_s,
        "suggestion": _outcome(message.suggestion),
        "confidence": rounded(message.suggestion_confidence, 2),
        "suggestion_detail": message.suggestion_detail,
    }


def _outcome(number: int) -> str:
    return "" if number == NO_LABEL else Outcome(number).name


def controller(message: msg.ControllerStatus) -> dict[str, Any]:
    """Returns mode, caps and refusals."""
    return {
        "mode": ControllerMode(message.mode).name.lower(),
        "reason": message.reason,
        "waits_for": message.waits_for,
        "sigma_cap": message.sigma_cap,
        "z_cap": message.z_cap,
        "accepted": message.chunks_accepted,
        "refused": message.chunks_refused,
        "clamped": message.steps_clamped,
        "last_refusal": message.last_refusal,
    }


def agent(message: msg.AgentStatus) -> dict[str, Any]:
    """Returns the agent's health, and how long a chunk takes."""
    return {
        "server_connected": message.server_connected,
        "round_trip_ms": _ms(message.round_trip_s),
        "inference_ms": _ms(message.inference_s),
        "transitions": message.transitions_published,
        "reason": message.reason,
        "waits_for": message.waits_for,
    }


def learner(message: msg.LearnerStatus) -> dict[str, Any]:
    """Returns the learner's progress."""
    metrics = dict(zip(message.metric_names, message.metric_values, strict=False))
    return {
        "method": message.method,
        "phase": message.phase,
        "transitions": message.transitions_stored,
        "episodes": message.episodes_stored,
        "successes": message.successes_stored,
        "rounds": message.rounds,
        "rounds_owed": message.rounds_owed,
        "rounds_per_s": rounded(message.rounds_per_s, 1),
        "actor_version": message.actor_version,
        "metrics": {n: float(f"{v:.4g}") for n, v in metrics.items() if math.isfinite(v)},
        "reason": message.reason,
    }


def arm(message: msg.ArmState) -> dict[str, Any]:
    """Returns what the page shows of the arm, rounded: it changes all the time."""
    p = message.x_base_tool.position
    return {
        "tool_mm": [rounded(1000.0 * v, 0) for v in (p.x, p.y, p.z)],
        "gripper": rounded(message.gripper_command, 3),
        "fault": message.fault,
    }


def chunk(message: msg.Transition) -> Chunk:
    """Returns what the policy chose, and who really drove."""
    z = max((abs(v) for v in message.z), default=math.nan)
    return Chunk(
        message.episode,
        message.chunk,
        rounded(message.sigma, 3),
        rounded(z, 3),
        message.steering,
        round(share(message.driver, int(Driver.TELEOP)), 3),
        message.clamped,
    )


def success_head(status: DiagnosticStatus) -> dict[str, Any]:
    """Returns what the success head can do, and the episodes whose label it doubts."""
    figures = {each.key: each.value for each in status.values}
    doubts = [int(word) for word in figures.get("look_again", "").split() if word.isdecimal()]
    return {"state": figures.get("state", ""), "look_again": doubts}


def rounded(value: float, digits: int) -> float | None:
    """Returns a number as JSON can have it; None for what is not finite."""
    return round(value, digits) if math.isfinite(value) else None


def _ms(seconds: float) -> float | None:
    return rounded(1000.0 * seconds, 0)
