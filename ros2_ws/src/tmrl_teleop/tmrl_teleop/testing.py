"""A gamepad without hardware: its events come through a pipe, and its state from memory."""

import errno
import os
import struct
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tmrl_teleop.device import DeviceKind
from tmrl_teleop.gamepad import GAMEPAD, begin
from tmrl_teleop.input_device import EV_ABS, EV_KEY, EV_SYN, EVENT, SYN_REPORT, Axis

A, B, X, Y, LB, RB = 0x130, 0x131, 0x133, 0x134, 0x136, 0x137
BACK, START, GUIDE, LEFT_STICK, RIGHT_STICK = 0x13A, 0x13B, 0x13C, 0x13D, 0x13E
ABS_X, ABS_Y, ABS_Z, ABS_RX, ABS_RY, ABS_RZ, HAT_X, HAT_Y = 0, 1, 2, 3, 4, 5, 16, 17
_STICK, _TRIGGER, _HAT = Axis(0, -32768, 32767, 128), Axis(0, 0, 255, 0), Axis(0, -1, 1, 0)


def event(kind: int, code: int, value: int) -> bytes:
    """An event as the kernel lays it out."""
    return EVENT.pack(1_700_000_000, 250_000, kind, code, value)


SYN = event(EV_SYN, SYN_REPORT, 0)


@dataclass
class MadeUpGamepad:
    """An Xbox pad, with the codes and ranges that the kernel's driver xpad gives it.

    Attributes:
        path: Where it is while it is plugged in.
        keys: Codes of its buttons.
        axes: Its axes by code, where they stand included.
        pressed: Codes of the buttons that are pressed.
        gone: Whether the kernel answers no question any more.
    """

    path: Path
    keys: frozenset[int] = frozenset(
        {A, B, X, Y, LB, RB, BACK, START, GUIDE, LEFT_STICK, RIGHT_STICK}
    )
    axes: dict[int, Axis] = field(
        default_factory=lambda: {
            **dict.fromkeys((ABS_X, ABS_Y, ABS_RX, ABS_RY), _STICK),
            **dict.fromkeys((ABS_Z, ABS_RZ), _TRIGGER),
            **dict.fromkeys((HAT_X, HAT_Y), _HAT),
        }
    )
    pressed: set[int] = field(default_factory=lambda: set[int]())
    gone: bool = False
    _pipe: int = -1

    @property
    def kind(self) -> DeviceKind:
        """A gamepad that asks this one instead of the kernel."""
        return replace(GAMEPAD, find=lambda: self.path, begin=partial(begin, ioctl=self.answer))

    def answer(self, descriptor: int, request: int, answer: bytearray) -> None:
        """Answers as the kernel does; the numbers were taken from its headers by a C compiler."""
        del descriptor
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if request == 0x81004506:
            found = b"Microsoft X-Box 360 pad\0"
        elif request == 0x80604518:
            found = _bits(self.pressed)
        elif request == 0x80604521:
            found = _bits(self.keys)
        elif request == 0x80604523:
            found = _bits(self.axes.keys())
        elif 0x80184540 <= request < 0x80184580:
            axis = self.axes[request - 0x80184540]
            found = struct.pack("=6i", axis.value, axis.minimum, axis.maximum, 16, axis.flat, 0)
        else:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        answer[: len(found)] = found

    def plug_in(self) -> None:
        """Puts its file there, open to be written from the beginning."""
        hidden = self.path.with_name("not_yet")
        os.mkfifo(hidden)
        self._pipe = os.open(hidden, os.O_RDWR)
        hidden.rename(self.path)

    def unplug(self) -> None:
        """Takes its file away."""
        self.path.unlink()
        os.close(self._pipe)

    def press(self, code: int, *, down: bool = True) -> None:
        """Presses a button, or lets go of it."""
        (self.pressed.add if down else self.pressed.discard)(code)
        self.send(event(EV_KEY, code, int(down)) + SYN)

    def press_unheard(self, code: int) -> None:
        """Presses a button alone, all others up, without an event."""
        self.pressed = {code}

    def push(self, code: int, value: int) -> None:
        """Moves an axis."""
        self.axes[code] = replace(self.axes[code], value=value)
        self.send(event(EV_ABS, code, value) + SYN)

    def send(self, events: bytes) -> None:
        """Sends events that change nothing in what it answers."""
        os.write(self._pipe, events)


def _bits(codes: Collection[int]) -> bytes:
    return sum(1 << code for code in codes).to_bytes(96, "little")
