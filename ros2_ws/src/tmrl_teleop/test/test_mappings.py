"""The mappings that come with the package fit the codes of the kernel's drivers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tmrl_teleop.gamepad_events import GamepadEvents
from tmrl_teleop.input_device import EV_ABS, EV_KEY, Axis, InputDevice
from tmrl_teleop.params import AXES, TeleopConfig
from tmrl_teleop.reading import Reading
from tmrl_teleop.steering import of_axes
from tmrl_teleop.testing import SYN, MadeUpGamepad, event

FOLDER = Path(__file__).parents[1] / "devices"
SOUTH, EAST, NORTH, WEST, TL, TR, TL2, TR2 = 0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x138, 0x139
SELECT, START, MODE, THUMBL, THUMBR = range(0x13A, 0x13F)
X, Y, Z, RX, RY, RZ, HAT_X, HAT_Y = 0, 1, 2, 3, 4, 5, 16, 17

XBOX = {SOUTH, EAST, NORTH, WEST, TL, TR, SELECT, START, MODE, THUMBL, THUMBR}
DUALSENSE = XBOX | {TL2, TR2}
F310 = set(range(0x120, 0x12C))
BYTE, HAT = Axis(127, 0, 255, 0), Axis(0, -1, 1, 0)

PADS: list[tuple[str, set[int], tuple[int, ...], dict[str, int], tuple[int, int]]] = [
    (
        "xbox",
        XBOX,
        (X, Y, Z, RX, RY, RZ, HAT_X, HAT_Y),
        {
            "dead_man": TR,
            "gripper_close": SOUTH,
            "gripper_open": EAST,
            "resume": START,
            "estop": SELECT,
            "success": WEST,  # the code that the kernel also calls Y: on an Xbox pad it is on top
            "failure": NORTH,
        },
        (RX, RY),
    ),
    (
        "dualsense",
        DUALSENSE,
        (X, Y, Z, RX, RY, RZ, HAT_X, HAT_Y),
        {
            "dead_man": TR,
            "gripper_close": SOUTH,
            "gripper_open": EAST,
            "resume": START,
            "estop": SELECT,
            "success": NORTH,
            "failure": WEST,
        },
        (RX, RY),
    ),
    (
        "logitech_f310",
        F310,
        (X, Y, Z, RZ, HAT_X, HAT_Y),
        {
            "dead_man": 0x125,
            "gripper_close": 0x121,
            "gripper_open": 0x122,
            "resume": 0x129,
            "estop": 0x128,
            "success": 0x123,
            "failure": 0x120,
        },
        (Z, RZ),
    ),
]


def section(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["teleop"]


def config_of(name: str) -> TeleopConfig:
    values = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in section(name).items()
    }
    return TeleopConfig(robot="widowx", **values)


def test_every_mapping_is_tried_here() -> None:
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert names == {name for name, *_ in PADS} | {"spacemouse"}


@pytest.mark.parametrize(("name", "keys", "axes", "buttons", "right"), PADS, ids=lambda v: str(v))
def test_every_button_and_stick_does_what_the_file_says(
    name: str,
    keys: set[int],
    axes: tuple[int, ...],
    buttons: dict[str, int],
    right: tuple[int, int],
    tmp_path: Path,
) -> None:
    config = config_of(name)
    ranges = {code: HAT if code in (HAT_X, HAT_Y) else BYTE for code in axes}
    pad = MadeUpGamepad(tmp_path / "event5", frozenset(keys), ranges)
    for function, code in buttons.items():
        decoder = GamepadEvents(InputDevice(0, pad.answer))
        for each in (event(EV_KEY, code, 1), SYN):
            decoder.take(each)
        assert Reading(0, (), decoder.buttons).pressed(config.buttons[function]), function
        assert sum(decoder.buttons) == 1
    across, along = right
    for code, moves in ((Y, "x"), (X, "y"), (along, "z"), (across, "yaw")):
        decoder = GamepadEvents(InputDevice(0, pad.answer))
        for each in (event(EV_ABS, code, 0), SYN):
            decoder.take(each)
        linear, angular = of_axes(Reading(0, decoder.axes), config)
        moved = dict(zip(AXES, [*linear, *angular], strict=True))
        assert moved.pop(moves) > 0.0, f"{moves}: to the left or away is positive"
        assert not any(moved.values())


def test_the_default_is_an_xbox_pad() -> None:
    assert config_of("xbox") == TeleopConfig(robot="widowx", device="gamepad")


def test_a_cap_that_is_moved_drives() -> None:
    config = config_of("spacemouse")
    assert config.dead_man == -1
    linear, angular = of_axes(Reading(0, (0.5,) * 6), config)
    assert (linear > 0.0).all()
    assert (angular > 0.0).all()
