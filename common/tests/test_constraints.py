"""What a field may hold: judged, and said in words."""

from dataclasses import dataclass
from math import inf, nan
from typing import Annotated

import pytest

from tmrl_common.config import build_config
from tmrl_common.constraints import (
    Live,
    NotEmpty,
    OneOf,
    Range,
    check_fields,
    constraints_of,
    live_fields,
)
from tmrl_common.errors import ConfigError

Positive = Annotated[float, Range(0.0, above=True)]


@dataclass(frozen=True)
class Example:
    robot: Annotated[str, NotEmpty("widowx")] = "widowx"
    share: Annotated[float, Range(0.0, 1.0), Live(lower_only=True)] = 0.5
    count: Annotated[int, Range(1, 4)] = 1
    timeout_s: Positive = 1.0
    reset: Annotated[str, OneOf("scene", "person")] = "scene"
    box: Annotated[tuple[float, ...], Range(-1.0, 1.0)] = ()
    free: float = nan

    def __post_init__(self) -> None:
        check_fields(self)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("robot", " ", "robot is ' '; give one, for example widowx"),
        ("share", 1.5, "share is 1.5; it must be 0 to 1"),
        ("share", nan, "share is nan; it must be finite and 0 to 1"),
        ("count", 0, "count is 0; it must be 1 to 4"),
        ("timeout_s", 0.0, "timeout_s is 0.0; it must be above 0"),
        ("timeout_s", inf, "timeout_s is inf; it must be finite and above 0"),
        ("reset", "scence", "reset is 'scence'; did you mean 'scene'? Valid: person, scene"),
        ("box", (0.0, 2.0), "box is 2.0; it must be -1 to 1"),
    ],
)
def test_a_value_out_of_range_is_refused_with_field_value_and_range(field, value, said):
    with pytest.raises(ConfigError) as refused:
        Example(**{field: value})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"share": 0.0}, {"share": 1.0}, {"count": 4}, {"timeout_s": 1e-9}, {"box": (1.0,)}]
)
def test_the_ends_of_a_range_belong_to_it(values):
    Example(**values)


def test_a_field_without_constraints_takes_anything():
    assert constraints_of(Example)["free"] == ()


def test_only_marked_fields_are_live():
    assert dict(live_fields(Example)) == {"share": Live(lower_only=True)}


def test_text_of_a_command_line_is_read_as_the_annotated_type():
    assert build_config(Example, {"share": "0.25", "count": "2"}).count == 2
