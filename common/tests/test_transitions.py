"""The table of a transition's fields: cells and back, one hash per content, checks by name."""

from typing import Any

import numpy as np
import pytest

from tmrl_common.chunks import Driver, Origin
from tmrl_common.testing.transition_examples import assert_same, example_transition
from tmrl_common.transition_cells import from_cells, hash_of, to_cells
from tmrl_common.transitions import FIELDS, InvalidTransitionError, Kind, check, origin_of
from tmrl_common.types import Outcome

NAMES = [each.name for each in FIELDS]


def test_cells_hold_a_transition_whole() -> None:
    transition = example_transition(7)
    assert_same(from_cells(to_cells(transition)), transition)


def test_a_transition_of_an_older_journal_takes_the_defaults() -> None:
    old = to_cells(example_transition(7))
    for each in FIELDS:
        if each.column.since > 1:
            del old[each.name]
    read = from_cells(old)
    assert (read.origin, read.prompt, read.delay_steps) == (Origin.POLICY, "", 0)
    assert (read.observation_stamp_ns, read.image_stamps_ns) == (0, {})
    assert read.step_ends_ns.shape == (0,)
    check(read)


def changed(name: str) -> Any:
    """Another value of a field of an example."""
    value = getattr(example_transition(), name)
    match next(each.kind for each in FIELDS if each.name == name):
        case Kind.TEXT:
            return value + "x"
        case Kind.FLAG:
            return not value
        case Kind.NAME | Kind.CODE:
            return next(other for other in type(value) if other is not value)
        case Kind.NAMED_STAMPS:
            return {**value, "wrist": 1}
        case Kind.NUMBER:
            return float(np.nextafter(np.float32(value), np.float32(9)))
        case _:
            return value - 1


@pytest.mark.parametrize("name", NAMES)
def test_every_field_counts_in_the_content_hash(name: str) -> None:
    assert hash_of(example_transition(**{name: changed(name)})) != hash_of(example_transition())


def test_the_shape_of_the_actions_counts_in_the_content_hash() -> None:
    flat = example_transition().executed_actions.reshape(2, 3)
    assert hash_of(example_transition(executed_actions=flat)) != hash_of(example_transition())


def test_the_content_hash_is_that_of_float32_numbers() -> None:
    """The message carries float32; the agent's own numbers have more digits."""
    precise = example_transition(round_trip_s=0.1)
    assert precise.round_trip_s != float(np.float32(0.1))
    assert hash_of(precise) == hash_of(example_transition(round_trip_s=float(np.float32(0.1))))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", 0),
        ("episode", 0),
        ("chunk", -1),
        ("seed", 2**63),
        ("sigma", 1.5),
        ("sigma", float("nan")),
        ("reward", 1e30),
        ("reward", -1e30),
        ("round_trip_s", float("inf")),
        ("features", np.full(4, np.nan, np.float32)),
        ("z", np.full(4, 1e30, np.float32)),
        ("next_features", np.zeros(5, np.float32)),
        ("driver", np.zeros(9, np.uint8)),
        ("driver", np.full(3, 77, np.uint8)),
        ("step_ends_ns", np.zeros(2, np.int64)),
        ("executed_actions", np.full((3, 2), np.inf, np.float32)),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: Any) -> None:
    sequence = value if name == "sequence" else 3
    changes = {} if name == "sequence" else {name: value}
    check(example_transition())
    with pytest.raises(InvalidTransitionError, match=rf"of widowx/run: {name}\b"):
        check(example_transition(sequence, **changes))


def test_two_ends_at_once_and_a_label_without_an_end_are_refused() -> None:
    with pytest.raises(InvalidTransitionError, match="at most one"):
        check(example_transition(terminated=True, aborted=True))
    with pytest.raises(InvalidTransitionError, match="ends no episode"):
        check(example_transition(episode_outcome=Outcome.SUCCESS))


@pytest.mark.parametrize(
    ("driver", "origin"),
    [
        ([Driver.POLICY, Driver.POLICY], Origin.POLICY),
        ([Driver.POLICY, Driver.TELEOP], Origin.HUMAN),
        ([Driver.TELEOP, Driver.NONE], Origin.HUMAN),
        ([Driver.NONE], Origin.POLICY),
    ],
)
def test_one_step_of_a_person_makes_a_chunk_a_persons(driver: list[Driver], origin: Origin) -> None:
    assert origin_of(np.array(driver, np.uint8)) is origin
