"""Every setting that a rig can hold, and values for it: right ones, and wrong ones."""

import dataclasses
import math
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from tmrl_bringup.link import ServerLink
from tmrl_bringup.parts import CAMERAS, PARTS, SERVER
from tmrl_common.algorithms import method_names
from tmrl_common.arm_drivers import driver_names, find_driver
from tmrl_common.constraints import Constraint, OneOf, Range, constraints_of
from tmrl_common.ros_names import RosName

CAMERA = f"{CAMERAS}.overview"
_FROM_THE_RIG = ("robot", "camera")
_LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
_ODD_TEXTS = st.sampled_from(
    (
        *("007", "08", "1e3", "no", "y", "~", "null", "nan", ".inf", "0x10", "1_000", "12:30"),
        *("a: b", "2026-11-30", "[1]", "{a: 1}", "!tag", "&a", "*a", "- a", "# a", " a "),
        *("'", '"', "\\", "\n", "-", "--", "=", "$HOME", "%s"),
    )
)
_TEXTS = _ODD_TEXTS | st.text(_LETTERS, max_size=40)
_ROS_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
_FURTHER_NAMES = {
    "driver": driver_names(),
    "keys": ("F13=success", "KeyQ=estop", "Numpad0=drive"),
    "method": method_names(),
    "probe": ("full@0", "repeated:1.5@0.3", "warmup"),
    "proprio_fields": ("tool_x", "joint.waist"),
}
"""Some valid names, where a constraint of a part's own judges them."""


@dataclass(frozen=True)
class Setting:
    """One field of one configuration class.

    Attributes:
        path: `part.key`.
        config_class: Whose field it is.
        hint: Its type.
        constraints: What may be in it.
    """

    path: str
    config_class: type
    hint: Any
    constraints: tuple[Constraint, ...]

    @property
    def name(self) -> str:
        """The key alone."""
        return self.path.rpartition(".")[2]

    @property
    def element(self) -> Any:
        """Type of a value; of a list, of each element."""
        return get_args(self.hint)[0] if self.is_list else self.hint

    @property
    def is_list(self) -> bool:
        """Whether it takes a list."""
        return get_origin(self.hint) is tuple

    @property
    def limits(self) -> Range:
        """Ends of a number; of several ranges the narrowest."""
        found = [each for each in self.constraints if isinstance(each, Range)]
        low = max(found, key=lambda each: (each.low, each.above), default=Range())
        high = min(found, key=lambda each: (each.high, not each.below), default=Range())
        return Range(low.low, high.high, low.above, high.below)

    def admits(self, value: Any) -> bool:
        """Whether every constraint admits a value."""
        return all(each.admits(value) for each in self.constraints)

    def right(self) -> st.SearchStrategy[Any]:
        """Values that it takes, in its type."""
        element = self._element()
        # An empty list is what ROS cannot carry; the rig's check knows where it may be left out.
        return st.lists(element, min_size=1, max_size=9) if self.is_list else element

    def wrong(self) -> st.SearchStrategy[Any]:
        """Values of another type, or out of range, as YAML would give them."""
        scalar = self._wrong_scalar()
        if not self.is_list:
            return scalar | st.lists(self._element(), min_size=1, max_size=2)
        return self._element() | st.lists(scalar, min_size=1, max_size=3)

    def _element(self) -> st.SearchStrategy[Any]:
        if self.element is bool:
            return st.booleans()
        if self.element is int:
            return self._numbers(st.integers)
        if self.element is float:
            return self._numbers(st.floats)
        for each in self.constraints:
            if isinstance(each, OneOf):
                return st.sampled_from(each.names)
        if issubclass(self.element, str) and self.element is not str:
            return st.sampled_from([str(each) for each in self.element])
        known = _FURTHER_NAMES.get(self.name)
        named = any(isinstance(each, RosName) for each in self.constraints)
        other = _ROS_NAMES if named else _TEXTS
        texts = st.sampled_from(known) if known else other
        return texts.filter(self.admits)

    def _numbers(self, kind: Any) -> st.SearchStrategy[Any]:
        limits = self.limits
        if kind is st.integers:
            low = math.ceil(limits.low) + limits.above if math.isfinite(limits.low) else -(2**63)
            high = math.floor(limits.high) - limits.below if math.isfinite(limits.high) else 2**63
            return st.integers(low, min(high, 2**63 - 1))
        return st.floats(
            limits.low if math.isfinite(limits.low) else None,
            limits.high if math.isfinite(limits.high) else None,
            exclude_min=limits.above and math.isfinite(limits.low),
            exclude_max=limits.below and math.isfinite(limits.high),
            allow_nan=False,
            allow_infinity=False,
            allow_subnormal=False,
        ).filter(self.admits)

    def _wrong_scalar(self) -> st.SearchStrategy[Any]:
        mapping = st.just({"a": 1})
        if self.element is bool:
            return mapping | st.integers() | st.floats() | st.sampled_from(["y", "1", "maybe", ""])
        if self.element in (int, float):
            kinds = st.booleans() | mapping | self._words() | st.sampled_from(_NO_NUMBERS)
            if self.element is int:
                kinds |= st.sampled_from([0.5, 2**63, -(2**70), 1e300])
            return kinds | self._out_of_range()
        others = st.booleans() | mapping | st.integers() | st.floats() | st.dates()
        texts = _TEXTS.filter(lambda text: not self._taken(text))
        return others | texts if self._names else others

    def _words(self) -> st.SearchStrategy[str]:
        return st.text(string.ascii_letters, max_size=9).filter(lambda text: not _is_number(text))

    @property
    def _names(self) -> bool:
        return self.element is not str or any(isinstance(c, OneOf) for c in self.constraints)

    def _taken(self, text: str) -> bool:
        return self.admits(text) and (self.element is str or text in list(self.element))

    def _out_of_range(self) -> st.SearchStrategy[Any]:
        numbers = st.floats(allow_subnormal=False) if self.element is float else st.integers()
        if self.limits == Range():
            return st.sampled_from([math.nan, math.inf, -math.inf])
        return numbers.filter(lambda value: not self.admits(value))


_NO_NUMBERS = [
    *("0,3", "1,000.5", "300 ms", "0.3m", "50 %", "1/2", "0x1p3", "1e", "--3", ".", "nan", "-inf"),
    *(math.nan, math.inf, -math.inf, 10**400, "1e999"),
]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def settings_of(path: str, config_class: type) -> Iterator[Setting]:
    """Settings of one configuration class."""
    hints, constraints = get_type_hints(config_class), constraints_of(config_class)
    for field in dataclasses.fields(config_class):
        if field.name not in _FROM_THE_RIG:
            marks = constraints[field.name]
            yield Setting(f"{path}.{field.name}", config_class, hints[field.name], marks)


def every_setting() -> list[Setting]:
    """Settings of all classes that the parts of rigs name, and of the drivers that are here."""
    found: list[Setting] = []
    for part in PARTS.values():
        for config_class in part.classes():
            found += settings_of(CAMERA if part.name == CAMERAS else part.name, config_class)
    for name in driver_names():
        wanted = find_driver(name).settings
        if wanted is not None:
            found += settings_of(f"arm.{name}", wanted)
    return [*found, *settings_of(SERVER, ServerLink)]
