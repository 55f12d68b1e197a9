"""Where a session stands, and which state may follow which."""

from enum import IntEnum


class State(IntEnum):
    """Where a session stands; the numbers are those of tmrl_msgs/EpisodeState."""

    IDLE = 0
    RESETTING = 1
    READY = 2
    RUNNING = 3
    LABELLING = 4
    PAUSED = 5


ALLOWED: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.RESETTING}),
    State.RESETTING: frozenset({State.READY, State.PAUSED, State.IDLE}),
    State.READY: frozenset({State.RUNNING, State.PAUSED, State.IDLE}),
    State.RUNNING: frozenset({State.LABELLING, State.RESETTING, State.PAUSED, State.IDLE}),
    State.LABELLING: frozenset({State.RESETTING, State.PAUSED, State.IDLE}),
    State.PAUSED: frozenset({State.RESETTING, State.IDLE}),
}
"""The table of transitions; everything else is a fault of the machine itself."""
