"""Transitions for tests, made from the table of fields: every field holds a value of its own."""

from typing import Any

import numpy as np

from tmrl_common.transitions import FIELDS, Kind, Transition, TransitionField
from tmrl_common.types import Outcome

STEPS, ACTION_DIM = 3, 2
LENGTH = 4
"""Of every vector."""
STAMP_NS = 1_795_259_902_125_000_001
"""Needs all of its digits: as float64 seconds it would be another."""


def example_transition(sequence: int = 1, **changes: Any) -> Transition:
    """Returns a transition of widowx/run in the first episode that ends nothing.

    Args:
        sequence: Its number; the chunk counts along, from 0.
        changes: Fields to replace.
    """
    values = {
        each.name: _example(each, place, sequence) for place, each in enumerate(FIELDS, start=1)
    }
    values |= {
        "robot": "widowx",
        "session": "run",
        "sequence": sequence,
        "episode": 1,
        "chunk": sequence - 1,
        "revision": 0,
        "reward": -1.0,
        "terminated": False,
        "truncated": False,
        "aborted": False,
        "episode_outcome": Outcome.PENDING,
    }
    return Transition(**(values | changes))


def _example(each: TransitionField, place: int, sequence: int) -> Any:
    fraction = place / 64
    match each.kind:
        case Kind.TEXT:
            return f"{each.name} ü"
        case Kind.COUNT:
            return 2**15 + place if each.column.high < 2**32 else int(each.column.high) - place
        case Kind.NUMBER:
            return fraction
        case Kind.FLAG:
            return True
        case Kind.NAME | Kind.CODE:
            return list(each.python_type)[-1]
        case Kind.STAMP:
            return STAMP_NS
        case Kind.NAMED_STAMPS:
            return {"wrist": STAMP_NS - 1, "front": STAMP_NS - 2}
        case Kind.VECTOR:
            return np.full(LENGTH, min(sequence + fraction, each.column.high), np.float32)
        case Kind.ROWS:
            return np.arange(STEPS * ACTION_DIM, dtype=np.float32).reshape(STEPS, ACTION_DIM)
        case Kind.STEP_CODES:
            return np.arange(STEPS, dtype=np.uint8)
        case Kind.STEP_STAMPS:
            return STAMP_NS + np.arange(1, STEPS + 1, dtype=np.int64)


def assert_same(left: Transition, right: Transition) -> None:
    """Assert that two transitions agree in every field, arrays in type, shape and content."""
    for each in FIELDS:
        a, b = getattr(left, each.name), getattr(right, each.name)
        assert type(a) is type(b), each.name
        np.testing.assert_array_equal(a, b, each.name, strict=True)
