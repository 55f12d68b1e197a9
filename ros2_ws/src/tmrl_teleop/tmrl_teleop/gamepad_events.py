"""The events of a gamepad, as axes and buttons with the numbers and signs of `joy_node`.

Buttons are numbered by their codes from BTN_JOYSTICK up, then those below; axes by their codes,
the hats after all others. Left and away from the person are positive (REP 103); the kernel's values
grow to the right and towards the person.
"""

import errno
import math

from tmrl_teleop.input_device import (
    EV_ABS,
    EV_KEY,
    EV_SYN,
    EVENT,
    SYN_DROPPED,
    SYN_REPORT,
    Axis,
    InputDevice,
)

_ABS_X, _ABS_Y = 0x00, 0x01
_BTN_JOYSTICK, _BTN_GAMEPAD = 0x120, 0x130
_HATS = range(0x10, 0x18)


def is_gamepad(keys: frozenset[int], axes: frozenset[int]) -> bool:
    """Whether what has these codes is a gamepad or joystick; mice, tablets and keyboards are not.

    Args:
        keys: Codes of its keys and buttons.
        axes: Codes of its absolute axes.
    """
    return axes >= {_ABS_X, _ABS_Y} and not keys.isdisjoint({_BTN_JOYSTICK, _BTN_GAMEPAD})


def deflection(value: int, axis: Axis) -> float:
    """How far an axis is pushed to the left or away, -1 to 1, from the edge of its flat part on.

    Args:
        value: Of the event.
        axis: Its range; an axis without one is at rest.
    """
    beyond = value - (axis.minimum + axis.maximum) / 2
    reach = (axis.maximum - axis.minimum) / 2 - axis.flat
    if reach <= 0 or abs(beyond) <= axis.flat:
        return 0.0
    return math.copysign(min((abs(beyond) - axis.flat) / reach, 1.0), -beyond)


class GamepadEvents:
    """The state of a gamepad, event by event.

    Args:
        device: The open device.

    Attributes:
        name: Of the device, for people.
        axes: Deflections, -1 to 1.
        buttons: Whether each is pressed.
        longest: Bytes of an event: they are read one by one.
    """

    longest = EVENT.size

    def __init__(self, device: InputDevice) -> None:
        self._device = device
        self.name = device.name()
        keys = device.codes(EV_KEY)
        self._keys = sorted(keys, key=lambda code: (code < _BTN_JOYSTICK, code))
        codes = sorted(device.codes(EV_ABS), key=lambda code: (code in _HATS, code))
        self._ranges = {code: device.axis(code) for code in codes}
        self._dropped = False
        self._ask_for_all()
        self._settle()

    @property
    def holds_in_silence(self) -> bool:
        """Whether nothing was lost: a gamepad that is held says nothing, whatever its state."""
        return not self._dropped

    def take(self, event: bytes, /) -> bool:
        """Takes one event in.

        Args:
            event: As it was read.

        Returns:
            Whether it completed a change of the state.

        Raises:
            OSError: It is no whole event, or the device is gone.
        """
        if len(event) != EVENT.size:
            raise OSError(errno.EIO, f"{len(event)} bytes in the place of an event")
        _, _, kind, code, value = EVENT.unpack(event)
        if kind == EV_KEY:
            self._pressed = self._pressed | {code} if value else self._pressed - {code}
        elif kind == EV_ABS and code in self._values:
            self._values[code] = value
        elif kind == EV_SYN and code == SYN_DROPPED:
            self._dropped = True
        elif kind == EV_SYN and code == SYN_REPORT:
            if self._dropped:
                self._ask_for_all()
            self._settle()
            return True
        return False

    def _ask_for_all(self) -> None:
        """Asks for the whole state: at the start, and where the kernel had no room for events."""
        self._pressed = self._device.pressed()
        self._values = {code: self._device.axis(code).value for code in self._ranges}
        self._dropped = False

    def _settle(self) -> None:
        values, ranges = self._values, self._ranges
        self.axes = tuple(deflection(values[code], axis) for code, axis in ranges.items())
        self.buttons = tuple(code in self._pressed for code in self._keys)
