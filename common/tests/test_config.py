from dataclasses import dataclass
from enum import StrEnum

import pytest

from tmrl_common.config import build_config
from tmrl_common.errors import ConfigError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Example:
    name: str
    count: int = 1
    scale: float = 1.0
    enabled: bool = False
    colour: Colour = Colour.RED

    def __post_init__(self):
        if self.count < 1:
            raise ValueError(f"count is {self.count}; it must be at least 1")


def test_text_and_typed_values_give_the_same_configuration():
    typed = {"name": "a", "count": 2, "scale": 3, "enabled": True, "colour": Colour.BLUE}
    text = {"name": "a", "count": "2", "scale": "3", "enabled": "true", "colour": "blue"}
    assert build_config(Example, typed) == build_config(Example, text)


def test_unknown_names_are_refused_with_the_nearest_valid_one():
    with pytest.raises(ConfigError, match=r"unknown setting 'cuont'\. did you mean 'count'"):
        build_config(Example, {"name": "a", "cuont": 2})


def test_what_has_no_default_has_to_be_given():
    with pytest.raises(ConfigError, match="'name' is missing"):
        build_config(Example, {})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"count": "two"}, "count is 'two'; it must be a whole number"),
        ({"count": 1.5}, "count is 1.5; it must be a whole number"),
        ({"count": True}, "count is True; it must be a whole number"),
        ({"enabled": "y"}, "enabled is 'y'; it must be true or false"),
        ({"enabled": 1}, "enabled is 1; it must be true or false"),
        ({"name": 3}, "name is 3; it must be text"),
        ({"colour": "green"}, "colour is 'green'; it must be one of red, blue"),
        ({"count": 0}, "count is 0; it must be at least 1"),
    ],
)
def test_values_of_another_type_or_out_of_range_are_refused(values, reason):
    with pytest.raises(ConfigError, match=reason):
        build_config(Example, {"name": "a", **values})
