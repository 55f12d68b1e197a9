"""HID reports of a 3Dconnexion SpaceMouse, in both layouts that the devices use.

Older ones and most wired ones send translation (report 1) and rotation (report 2) one by one, newer
wireless ones send all six axes in report 1. Buttons are the bits of report 3. The device's own axes
are x right, y towards the person, z down; a reading has x forward, y left, z up (REP 103).
"""

import struct

_FULL_DEFLECTION = 350.0
_TRANSLATION, _ROTATION, _BUTTONS = 1, 2, 3
_ONE_TRIPLE, _TWO_TRIPLES = 7, 13
"""Sizes of a report of axes, bytes, its number included."""


class SpaceMouseReports:
    """The state of a device, report by report.

    Attributes:
        name: Of the device, for people.
        axes: x y z of the translation, then of the rotation, -1 to 1, by REP 103.
        buttons: Whether each of the 32 that a report has room for is pressed.
        longest: Bytes of the longest report, at most.
    """

    def __init__(self) -> None:
        self.name = "SpaceMouse"
        self.longest = 64
        self.axes: tuple[float, ...] = (0.0,) * 6
        self.buttons: tuple[bool, ...] = (False,) * 32

    @property
    def holds_in_silence(self) -> bool:
        """Whether the cap stands in its middle, where it has nothing to say."""
        return not any(self.axes)

    def take(self, report: bytes, /) -> bool:
        """Takes one report in.

        Args:
            report: As it was read, its number first.

        Returns:
            Whether it said anything about axes or buttons.
        """
        kind, size = report[:1], len(report)
        if kind == bytes([_BUTTONS]) and size > 1:
            bits = int.from_bytes(report[1:5], "little")
            self.buttons = tuple(bool(bits >> button & 1) for button in range(32))
        elif kind == bytes([_TRANSLATION]) and size >= _TWO_TRIPLES:
            self.axes = _triple(report, 1) + _triple(report, 7)
        elif kind == bytes([_TRANSLATION]) and size >= _ONE_TRIPLE:
            self.axes = _triple(report, 1) + self.axes[3:]
        elif kind == bytes([_ROTATION]) and size >= _ONE_TRIPLE:
            self.axes = self.axes[:3] + _triple(report, 1)
        else:
            return False
        return True


def _triple(report: bytes, offset: int) -> tuple[float, float, float]:
    right, towards, down = struct.unpack_from("<3h", report, offset)
    # The same turn of axes serves rotations: both frames are right-handed.
    return tuple(  # type: ignore[return-value]
        max(-1.0, min(1.0, -value / _FULL_DEFLECTION)) + 0.0 for value in (towards, right, down)
    )
