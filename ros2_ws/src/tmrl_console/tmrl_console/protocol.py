"""What a page sends over its WebSocket, read strictly: whatever is not listed here is refused.

- `{"do": "success", "id": 7, "name": "ada"}`: answered under the same id;
- `{"drive": ["forward", "up"]}`: the dead-man switch is held, with these keys;
- `{"drive": null}`: it is released;
- `{"ping": 12.5}`: comes back as `{"pong": 12.5}`.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from tmrl_common.json_object import is_json_object
from tmrl_console.keys import Action

MAX_NAME = 64
MAX_TEXT = 4096
"""Characters of a message; no page of ours comes near."""
_MAX_EPISODE = 2**32 - 1
"""The largest number that the messages' field holds."""


class Verb(StrEnum):
    """What a person can ask for."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    SUCCESS = "success"
    FAILURE = "failure"
    UNDO = "undo"
    DISCARD = "discard"
    HOLD = "hold"
    RESUME = "resume"
    ESTOP = "estop"
    CLEAR_ESTOP = "clear_estop"


class ProtocolError(ValueError):
    """A page sent what is none of the messages above."""


@dataclass(frozen=True)
class Command:
    """A person asks for something.

    Attributes:
        verb: What.
        request_id: Comes back with the answer.
        name: Of the person; empty where none was given.
        episode: Which one, of those that name one; 0: the running one or the last.
    """

    verb: Verb
    request_id: int
    name: str = ""
    episode: int = 0


@dataclass(frozen=True)
class Drive:
    """The dead-man switch.

    Attributes:
        held: Whether it is held.
        actions: Other keys that are held.
    """

    held: bool
    actions: frozenset[Action] = frozenset()


@dataclass(frozen=True)
class Ping:
    """A page measures its way to the console.

    Attributes:
        value: Comes back as it was.
    """

    value: float


def read(text: str) -> Command | Drive | Ping:
    """Returns what a page asks for.

    Raises:
        ProtocolError: It is not one of the messages above; the text says why.
    """
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"the message has more than {MAX_TEXT} characters")
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the message is no JSON") from error
    if not is_json_object(content):
        raise ProtocolError("the message is no JSON object")
    if "do" in content:
        return _command(content)
    if "drive" in content:
        return _drive(content["drive"])
    if "ping" in content:
        return Ping(_number(content["ping"]))
    raise ProtocolError("the message has neither do, drive nor ping")


def _command(content: dict[str, Any]) -> Command:
    try:
        verb = Verb(content["do"])
    except ValueError as error:
        raise ProtocolError(f"{content['do']!r} is none of {', '.join(Verb)}") from error
    name = content.get("name", "")
    if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
        raise ProtocolError(f"name must be printable text of at most {MAX_NAME} characters")
    return Command(
        verb,
        _whole(content.get("id", 0), "id"),
        name.strip(),
        _whole(content.get("episode", 0), "episode"),
    )


def _drive(keys: Any) -> Drive:
    if keys is None:
        return Drive(held=False)
    if not isinstance(keys, list) or len(names := cast("list[object]", keys)) > len(Action):
        raise ProtocolError("drive must be null or a list of actions")
    try:
        return Drive(held=True, actions=frozenset(Action(str(name)) for name in names))
    except ValueError as error:
        raise ProtocolError(f"drive names an unknown action: {error}") from error


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_EPISODE:
        raise ProtocolError(f"{name} must be a whole number from 0 on")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProtocolError("ping must be a number")
    return value
