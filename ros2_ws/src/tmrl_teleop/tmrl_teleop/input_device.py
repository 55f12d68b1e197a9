"""Input devices of the kernel (/dev/input/event*): what they have, their state, their events.

Numbers, structures and calls are those of <linux/input.h> on the machines that ROS runs on; why no
package does this: docs/decisions/0030-gamepads.md.
"""

import fcntl
import struct
from collections.abc import Callable
from dataclasses import dataclass

EV_SYN, EV_KEY, EV_ABS = 0, 1, 3
SYN_REPORT, SYN_DROPPED = 0, 3
EVENT = struct.Struct("@llHHi")
"""Seconds and microseconds, type, code, value."""

Ioctl = Callable[[int, int, bytearray], object]

_ABSINFO = struct.Struct("@6i")
_NAME, _PRESSED, _CODES, _AXIS = 0x06, 0x18, 0x20, 0x40
_BITMAP_BYTES = 0x300 // 8
"""Room for the codes of keys, of which there are most."""
_NAME_BYTES = 256


@dataclass(frozen=True)
class Axis:
    """An absolute axis.

    Attributes:
        value: Where it stands.
        minimum: Of the values.
        maximum: Of the values.
        flat: Distance from the middle within which it counts as at rest.
    """

    value: int
    minimum: int
    maximum: int
    flat: int


def codes_of(bitmap: int) -> frozenset[int]:
    """The numbers of the bits that are set."""
    return frozenset(code for code in range(bitmap.bit_length()) if bitmap >> code & 1)


class InputDevice:
    """Asks an open device; each question raises OSError where it is gone, or no input device.

    Args:
        descriptor: Of its file.
        ioctl: Asks the kernel.
    """

    def __init__(self, descriptor: int, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._descriptor = descriptor
        self._ioctl = ioctl

    def name(self) -> str:
        """As the kernel's driver calls it."""
        return self._ask(_NAME, _NAME_BYTES).rstrip(b"\0").decode(errors="replace")

    def codes(self, kind: int) -> frozenset[int]:
        """What it has of a kind, EV_KEY or EV_ABS."""
        return self._bits(_CODES + kind)

    def pressed(self) -> frozenset[int]:
        """Codes of the keys and buttons that are pressed."""
        return self._bits(_PRESSED)

    def axis(self, code: int) -> Axis:
        """Range and place of an absolute axis."""
        value, minimum, maximum, _, flat, _ = _ABSINFO.unpack(
            self._ask(_AXIS + code, _ABSINFO.size)
        )
        return Axis(value, minimum, maximum, flat)

    def _bits(self, number: int) -> frozenset[int]:
        return codes_of(int.from_bytes(self._ask(number, _BITMAP_BYTES), "little"))

    def _ask(self, number: int, size: int) -> bytes:
        answer = bytearray(size)
        self._ioctl(self._descriptor, _request(number, size), answer)
        return bytes(answer)


def _request(number: int, size: int) -> int:
    """A question to the kernel: the direction "read", the size of the answer, 'E', its number."""
    return 2 << 30 | size << 16 | ord("E") << 8 | number
