"""A session that runs: what its parts say about themselves, and what to think of it."""

from dataclasses import dataclass

from tmrl_doctor.finding import Finding, failed, good, warning
from tmrl_doctor.silence import likely_cause

_MODES = ("hold", "policy", "teleop", "e-stop", "fault")
_STATES = ("idle", "resetting", "ready", "running", "labelling", "paused")
_STOPPED = ("e-stop", "fault")


@dataclass(frozen=True)
class SessionSeen:
    """The newest statuses; empty text or 0 where nothing was received.

    Attributes:
        mode: Of the controller, as a number of ControllerStatus.
        mode_reason: Why it is in that mode.
        refusal: The last chunk that it refused, and why.
        agent: What keeps the agent from continuing.
        episode: Number of the episode.
        state: Of the session, as a number of EpisodeState.
        state_reason: Why.
        learner: What is wrong with the learner.
        silent: Topics that somebody publishes and of which nothing was heard.
    """

    mode: int
    mode_reason: str
    refusal: str
    agent: str
    episode: int
    state: int
    state_reason: str
    learner: str
    silent: tuple[str, ...] = ()


def judge_session(seen: SessionSeen) -> Finding:
    """Whether the session could continue by itself."""
    if seen.silent:
        return failed(f"nothing heard of {', '.join(seen.silent)}", likely_cause())
    mode, state = _MODES[seen.mode], _STATES[seen.state]
    said = [
        f"controller {mode}: {seen.mode_reason}",
        f"episode {seen.episode} {state}" + (f": {seen.state_reason}" if seen.state_reason else ""),
    ]
    said += [f"{who}: {text}" for who, text in _complaints(seen)]
    detail = "; ".join(said)
    if mode in _STOPPED or state == "paused" or seen.agent or seen.learner:
        return warning(detail, "do what the text says; ./tmrl call lists the services that help")
    return good(detail)


def _complaints(seen: SessionSeen) -> list[tuple[str, str]]:
    parts = (("last refused chunk", seen.refusal), ("agent", seen.agent), ("learner", seen.learner))
    return [(who, text) for who, text in parts if text]
