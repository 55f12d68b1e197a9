"""Which key asks for what: the keyboard, and pedals, which are keyboards with few keys.

Keys go by `KeyboardEvent.code`, the place on the keyboard, so that the letters of another layout
or a caps lock change nothing.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from tmrl_common.config import nearest_name


class Action(StrEnum):
    """What a key can ask for. While `drive` is held, those from `forward` on move the tool."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    UNDO = "undo"
    DISCARD = "discard"
    HOLD = "hold"
    RESUME = "resume"
    ESTOP = "estop"
    PAUSE = "pause"
    DRIVE = "drive"
    FORWARD = "forward"
    BACK = "back"
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    ROLL_LEFT = "roll_left"
    ROLL_RIGHT = "roll_right"
    PITCH_UP = "pitch_up"
    PITCH_DOWN = "pitch_down"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    OPEN = "open"
    CLOSE = "close"


ESTOP_CODE = "Escape"
"""The one key that keeps its meaning whatever a rig says."""

STANDARD: Mapping[str, Action] = {
    "KeyG": Action.START,
    "KeyS": Action.SUCCESS,
    "KeyF": Action.FAILURE,
    "KeyU": Action.UNDO,
    "KeyD": Action.DISCARD,
    "KeyH": Action.HOLD,
    "KeyR": Action.RESUME,
    "KeyP": Action.PAUSE,
    ESTOP_CODE: Action.ESTOP,
    "Space": Action.DRIVE,
    "ArrowUp": Action.FORWARD,
    "ArrowDown": Action.BACK,
    "ArrowLeft": Action.LEFT,
    "ArrowRight": Action.RIGHT,
    "PageUp": Action.UP,
    "PageDown": Action.DOWN,
    "KeyJ": Action.ROLL_LEFT,
    "KeyL": Action.ROLL_RIGHT,
    "KeyI": Action.PITCH_UP,
    "KeyK": Action.PITCH_DOWN,
    "Comma": Action.TURN_LEFT,
    "Period": Action.TURN_RIGHT,
    "KeyO": Action.OPEN,
    "KeyC": Action.CLOSE,
}


class KeyBinding:
    """Constraint: `CODE=action`, such as a pedal's F13=success."""

    @property
    def text(self) -> str:
        """What is valid."""
        return f"CODE=action, such as F13=success; actions: {', '.join(Action)}"

    def admits(self, value: str) -> bool:
        """Returns whether a value binds a key that may be bound to an action that exists."""
        code, _, action = value.partition("=")
        return bool(code) and code != ESTOP_CODE and action in tuple(Action)

    def remedy(self, value: str) -> str:
        """Returns the form, or the nearest action."""
        code, separator, action = value.partition("=")
        if code == ESTOP_CODE:
            return "Escape is always the e-stop; bind another key"
        if not separator or not code:
            return "write CODE=action with the key's event.code, such as F13=success"
        return f"of the actions, {_lowered(nearest_name(action, list(Action)))}"


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def key_map(bindings: Iterable[str]) -> dict[str, Action]:
    """Returns the action of each key.

    Args:
        bindings: `CODE=action` each, on top of the standard keys; a later one of a code counts.
    """
    own = (binding.partition("=") for binding in bindings)
    return {**STANDARD, **{code: Action(action) for code, _, action in own}}
