"""A gamepad's events, and a device that is found, held still, and pulled out; a pipe stands in."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmrl_common.errors import ConfigError
from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.testing.waiting import wait_until
from tmrl_teleop.core import Teleop
from tmrl_teleop.device import DeviceError, DeviceReader, OpenDevice
from tmrl_teleop.effects import Drive
from tmrl_teleop.gamepad import GAMEPAD, find
from tmrl_teleop.gamepad_events import GamepadEvents, deflection
from tmrl_teleop.input_device import EV_ABS, EV_KEY, EV_SYN, SYN_DROPPED, Axis, InputDevice
from tmrl_teleop.params import TeleopConfig
from tmrl_teleop.reading import Reading
from tmrl_teleop.testing import (
    ABS_RX,
    ABS_RY,
    ABS_X,
    ABS_Y,
    ABS_Z,
    BACK,
    HAT_X,
    HAT_Y,
    LB,
    RB,
    START,
    SYN,
    A,
    B,
    MadeUpGamepad,
    X,
    Y,
    event,
)

STICK = Axis(0, -32768, 32767, 128)
PAD_BITS, PAD_AXES = "7cdb000000000000 0 0 0 0", "3003f"
"""As the kernel lists an Xbox pad."""
KEYBOARD = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"
KEY_RECORD, HAPPY_1 = 0xA7, 0x2C0


@pytest.fixture
def pad(tmp_path: Path) -> MadeUpGamepad:
    return MadeUpGamepad(tmp_path / "event5")


def opened(pad: MadeUpGamepad) -> GamepadEvents:
    return GamepadEvents(InputDevice(0, pad.answer))


def feed(decoder: GamepadEvents, *events: bytes) -> list[bool]:
    return [decoder.take(each) for each in events]


def pressed(decoder: GamepadEvents) -> list[int]:
    return [number for number, down in enumerate(decoder.buttons) if down]


def test_buttons_have_the_numbers_of_joy_node_and_go_up_and_down(pad: MadeUpGamepad) -> None:
    decoder = opened(pad)
    for number, code in enumerate((A, B, X, Y, LB, RB, BACK, START)):
        assert feed(decoder, event(EV_KEY, code, 1), SYN) == [False, True]
        assert pressed(decoder) == [number]
        feed(decoder, event(EV_KEY, code, 0), SYN)
        assert pressed(decoder) == []


@pytest.mark.parametrize(
    ("code", "value", "number", "seen"),
    [
        (ABS_X, -32768, 0, 1.0),
        (ABS_Y, -32768, 1, 1.0),
        (ABS_Y, 32767, 1, -1.0),
        (ABS_RX, 32767, 3, -1.0),
        (ABS_RY, -32768, 4, 1.0),
        (ABS_Z, 255, 2, -1.0),
        (HAT_X, -1, 6, 1.0),
        (HAT_Y, 1, 7, -1.0),
    ],
)
def test_left_and_away_are_positive_and_axes_have_the_numbers_of_joy_node(
    code: int, value: int, number: int, seen: float, pad: MadeUpGamepad
) -> None:
    decoder = opened(pad)
    assert decoder.axes == (0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0), "triggers rest at 1"
    feed(decoder, event(EV_ABS, code, value), SYN)
    assert decoder.axes[number] == pytest.approx(seen, abs=1e-4)


def test_the_defaults_drive_with_an_xbox_pad(pad: MadeUpGamepad) -> None:
    decoder = opened(pad)
    core = Teleop(TeleopConfig(robot="widowx", device="gamepad"), FakeClock())
    feed(decoder, event(EV_KEY, RB, 1), event(EV_ABS, ABS_Y, -32768), event(EV_ABS, ABS_RX, -32768))
    feed(decoder, SYN)
    core.reading_seen(Reading(1, decoder.axes, decoder.buttons))
    (command,) = core.tick()
    assert isinstance(command, Drive)
    assert command.active
    assert command.linear_m_s == pytest.approx([0.1, 0.0, 0.0]), "away from the person"
    assert command.angular_rad_s == pytest.approx([0.0, 0.0, 0.5]), "to the left"


def test_further_buttons_come_last_and_hats_after_every_axis(pad: MadeUpGamepad) -> None:
    throttle = 0x28
    pad.keys |= {KEY_RECORD, HAPPY_1}
    pad.axes[throttle] = Axis(255, 0, 255, 0)
    pad.pressed = {RB, HAPPY_1, KEY_RECORD}
    decoder = opened(pad)
    assert pressed(decoder) == [5, 11, 12]
    assert decoder.axes[6:] == (-1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "axis", "seen"),
    [
        (128, STICK, 0.0),
        (-129, STICK, 0.0),
        (200, Axis(0, 0, 255, 15), -(200 - 127.5 - 15) / (127.5 - 15)),
        (140, Axis(0, 0, 255, 15), 0.0),
        (0, Axis(0, 0, 255, 15), 1.0),
        (900, Axis(0, 0, 255, 15), -1.0),
        (7, Axis(0, 0, 0, 0), 0.0),
        (7, Axis(0, 0, 10, 5), 0.0),
        (7, Axis(0, 10, 0, 0), 0.0),
    ],
)
def test_an_axis_is_scaled_from_the_edge_of_its_flat_part_to_its_end(
    value: int, axis: Axis, seen: float
) -> None:
    assert deflection(value, axis) == pytest.approx(seen, abs=1e-4)


@given(*[st.integers(-(2**31), 2**31 - 1)] * 4)
@example(0, 5, 5, -1)
def test_no_range_whatever_makes_more_of_an_axis_than_full(
    value: int, minimum: int, maximum: int, flat: int
) -> None:
    assert -1.0 <= deflection(value, Axis(0, minimum, maximum, flat)) <= 1.0


def test_what_the_kernel_had_no_room_for_is_asked_for(pad: MadeUpGamepad) -> None:
    decoder = opened(pad)
    feed(decoder, event(EV_KEY, RB, 1), event(EV_ABS, ABS_Y, -32768), SYN)
    assert decoder.holds_in_silence
    pad.press_unheard(A)
    assert feed(decoder, event(EV_SYN, SYN_DROPPED, 0), event(EV_KEY, START, 1)) == [False, False]
    assert not decoder.holds_in_silence, "what is held now nobody knows"
    assert feed(decoder, SYN) == [True]
    assert pressed(decoder) == [0], "not RB, whose release was lost, nor START"
    assert decoder.axes[1] == 0.0
    assert decoder.holds_in_silence


def test_a_device_that_answers_no_more_after_a_loss_is_gone(pad: MadeUpGamepad) -> None:
    pad.plug_in()
    with OpenDevice(pad.kind, "") as device:
        pad.gone = True
        pad.send(event(EV_SYN, SYN_DROPPED, 0) + SYN)
        assert not device.hear(10.0)
        with pytest.raises(DeviceError, match="was lost"):
            device.hear(10.0)


def test_half_an_event_is_a_lost_device(pad: MadeUpGamepad) -> None:
    pad.plug_in()
    with OpenDevice(pad.kind, "") as device:
        pad.send(SYN[:9])
        with pytest.raises(DeviceError, match="9 bytes in the place of an event"):
            device.hear(10.0)


def listed(sysfs: Path, number: int, name: str, keys: str, axes: str) -> None:
    device = sysfs / f"event{number}" / "device"
    (device / "capabilities").mkdir(parents=True)
    (device / "name").write_text(f"{name}\n")
    (device / "capabilities" / "key").write_text(f"{keys}\n")
    (device / "capabilities" / "abs").write_text(f"{axes}\n")


def test_a_gamepad_is_found_by_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "event1").mkdir()
    (tmp_path / "mice").mkdir()
    listed(tmp_path, 0, "AT keyboard", KEYBOARD, "0")
    listed(tmp_path, 3, "Wireless Controller Touchpad", "2420 10000 0 0 0 0", "260800000000003")
    listed(tmp_path, 4, "Wireless Controller Motion Sensors", "0", "3f")
    with pytest.raises(DeviceError, match=r"no gamepad or joystick is connected .*: plug it in"):
        find(tmp_path)
    listed(tmp_path, 12, "Microsoft X-Box 360 pad", PAD_BITS, PAD_AXES)
    assert find(tmp_path) == Path("/dev/input/event12")


def test_of_two_gamepads_none_is_taken(tmp_path: Path) -> None:
    listed(tmp_path, 7, "Wireless Controller", PAD_BITS, PAD_AXES)
    listed(tmp_path, 5, "Logitech Dual Action", "fff00000000 0 0 0 0", "30027")
    with pytest.raises(DeviceError, match="2 gamepads are connected") as caught:
        find(tmp_path)
    assert "/dev/input/event5 'Logitech Dual Action', /dev/input/event7" in caught.value.detail
    assert caught.value.remedy.startswith("give device_path")


def test_a_file_that_is_no_gamepad_says_what_it_is(tmp_path: Path, pad: MadeUpGamepad) -> None:
    (tmp_path / "js0").touch()
    with pytest.raises(DeviceError, match="js0 is no event device of the kernel: give device_path"):
        OpenDevice(GAMEPAD, str(tmp_path / "js0"))
    pad.plug_in()
    pad.axes.clear()
    with pytest.raises(DeviceError, match=r"event5 .'Microsoft.* is no gamepad or joystick: give"):
        OpenDevice(pad.kind, str(pad.path))
    with pytest.raises(DeviceError, match=r"event6 cannot be opened .*: plug it in"):
        OpenDevice(GAMEPAD, str(tmp_path / "event6"))


def test_a_device_that_the_user_may_not_read_says_which_rule_helps(
    pad: MadeUpGamepad, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, os.strerror(13), path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DeviceError, match="may not be read by this user") as caught:
        OpenDevice(GAMEPAD, str(pad.path))
    assert "60-tmrl-gamepad.rules" in caught.value.remedy
    assert "group input" in caught.value.remedy


class Desk:
    """A gamepad on a desk, and what came of it."""

    def __init__(self, pad: MadeUpGamepad) -> None:
        self.pad = pad
        self.readings: list[Reading] = []
        self.problems: list[str] = []
        self.reader = DeviceReader(
            pad.kind, "", lambda: len(self.readings), self.readings.append, self.problems.append
        )

    def held(self) -> bool:
        return bool(self.readings) and self.readings[-1].pressed(5)


@pytest.fixture
def desk(pad: MadeUpGamepad) -> Iterator[Desk]:
    desk = Desk(pad)
    yield desk
    desk.reader.close()


def test_a_pad_that_is_held_still_is_said_again_until_it_is_pulled_out(desk: Desk) -> None:
    wait_until(lambda: desk.problems, "the absence to be said")
    desk.pad.plug_in()
    wait_until(lambda: desk.readings, "the pad to be found")
    desk.pad.press(RB)
    wait_until(desk.held, "the press")
    count = len(desk.readings)
    wait_until(lambda: len(desk.readings) > count + 3, "the held pad to be said again")
    assert desk.held()
    assert desk.readings[-1].stamp_ns > desk.readings[count].stamp_ns, "each is of its own time"
    desk.pad.unplug()
    wait_until(lambda: desk.problems[-1], "the loss to be said")
    count = len(desk.readings)
    assert "plug it in" in desk.problems[-1]
    problems = len(desk.problems)
    wait_until(lambda: len(desk.problems) > problems, "another look")
    assert len(desk.readings) == count, "nothing of a pad that is gone"
    desk.pad.plug_in()
    wait_until(lambda: len(desk.readings) > count, "the pad to be found again")
    assert desk.problems[-1] == ""
    desk.reader.check()


def test_a_short_press_is_not_swallowed(desk: Desk) -> None:
    desk.pad.plug_in()
    wait_until(lambda: desk.readings, "the pad to be found")
    desk.pad.send(event(EV_KEY, BACK, 1) + SYN + event(EV_KEY, BACK, 0) + SYN)
    wait_until(lambda: any(each.pressed(6) for each in desk.readings), "the e-stop")


def test_a_gamepad_without_a_dead_man_switch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dead_man is -1 and device 'gamepad'.*give the number"):
        TeleopConfig(robot="widowx", device="gamepad", dead_man=-1)
    with pytest.raises(ConfigError, match=r"silence_s is 0.06.*give at least 0.1"):
        TeleopConfig(robot="widowx", device="gamepad", silence_s=0.06)
