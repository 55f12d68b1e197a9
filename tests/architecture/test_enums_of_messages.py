"""Every enum of the vocabulary says what the constants of its message say, and the other way round.

The .msg files are read as text, so that a drift shows before anything is built.
"""

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest

from tmrl_common import arm, chunks, types
from tmrl_operator.episode import State

MESSAGES = Path(__file__).resolve().parents[2] / "ros2_ws" / "src" / "tmrl_msgs" / "msg"
CONSTANT = re.compile(r'^(\w+) ([A-Z][A-Z0-9_]*)\s*=\s*("([^"]*)"|-?\d+)\s*(#.*)?$')


class Pair(NamedTuple):
    """An enum and where its constants stand: in which message, with which prefix."""

    enum: type[Enum]
    message: str
    prefix: str = ""


PAIRS = [
    Pair(arm.CommandMode, "ArmCommand"),
    Pair(chunks.ControllerMode, "ControllerStatus"),
    Pair(chunks.ChunkResult, "ChunkOutcome"),
    Pair(chunks.Driver, "ChunkOutcome", "DRIVER_"),
    Pair(chunks.Origin, "ChunkOutcome", "ORIGIN_"),
    Pair(chunks.RefusalCode, "ChunkOutcome", "REFUSAL_"),
    Pair(chunks.Preemption, "ChunkOutcome", "PREEMPTION_"),
    Pair(types.SteeringSource, "ActionChunk", "STEERING_"),
    Pair(State, "EpisodeState"),
]
ONLY_IN_TRANSITIONS = {"PENDING": 255}
"""A transition may wait for its label; an episode's outcome is never without one."""


def constants(text: str) -> dict[str, str | int]:
    """The constants of a message's text by name."""
    found = (CONSTANT.match(line) for line in text.splitlines())
    return {m[2]: m[4] if m[4] is not None else int(m[3]) for m in found if m}


def declared(message: str) -> dict[str, str | int]:
    return constants((MESSAGES / f"{message}.msg").read_text(encoding="utf-8"))


def constants_of(pair: Pair) -> dict[str, str | int]:
    """Those with the pair's prefix; without one, those that no other pair of the message claims."""
    others = tuple(p.prefix for p in PAIRS if p.message == pair.message and p.prefix)
    return {
        name.removeprefix(pair.prefix): value
        for name, value in declared(pair.message).items()
        if (name.startswith(pair.prefix) if pair.prefix else not name.startswith(others))
    }


def members(enum: type[Enum]) -> Mapping[str, object]:
    return {member.name: member.value for member in enum}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.message}-{pair.enum.__name__}")
def test_an_enum_is_what_its_message_says(pair: Pair):
    assert members(pair.enum) == constants_of(pair), (
        f"{pair.enum.__name__} and the constants {pair.prefix}* of {pair.message}.msg differ: "
        "change both"
    )


def test_an_outcome_is_what_the_messages_of_episodes_and_transitions_say():
    pending = {"PENDING": declared("Transition")["OUTCOME_PENDING"]}

    assert pending == ONLY_IN_TRANSITIONS
    assert members(types.Outcome) == declared("EpisodeOutcome") | pending


def test_every_enum_of_the_vocabulary_is_compared():
    vocabulary = {
        value
        for module in (arm, chunks, types)
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Enum)
        and value.__module__ == module.__name__
    }

    assert vocabulary == {pair.enum for pair in PAIRS if pair.enum is not State} | {types.Outcome}


def test_every_constant_of_a_message_belongs_to_an_enum():
    compared = {pair.message for pair in PAIRS} | {"EpisodeOutcome", "Transition"}
    with_constants = {path.stem for path in MESSAGES.glob("*.msg") if declared(path.stem)}

    assert with_constants == compared


@pytest.mark.parametrize(
    "text", ["uint8 HOLD=1", "uint8 GRASP=0", "uint8 HOLD=0\nuint8 NEW=9", 'string HOLD="hold"']
)
def test_a_drift_would_be_seen(text: str):
    assert constants(text) != {"HOLD": 0}
    assert constants("uint8 HOLD=0             # stops\nuint64 sequence  # x=1") == {"HOLD": 0}
