"""A SpaceMouse's reports, and a device that comes, falls silent and goes; a pipe stands in."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmrl_common.testing.waiting import wait_until
from tmrl_teleop.device import DeviceError, DeviceReader, OpenDevice
from tmrl_teleop.reading import Reading
from tmrl_teleop.spacemouse import SPACEMOUSE, find
from tmrl_teleop.spacemouse_reports import SpaceMouseReports


def triple(number: int, *values: int) -> bytes:
    return bytes([number]) + struct.pack(f"<{len(values)}h", *values)


def test_a_push_away_from_the_person_is_forward() -> None:
    reports = SpaceMouseReports()
    assert reports.take(triple(1, 0, -350, 0))
    assert reports.axes == (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    reports.take(triple(1, -350, 0, -175))
    assert reports.axes[:3] == (0.0, 1.0, 0.5), "left, and half lifted"
    reports.take(triple(2, 0, 0, -350))
    assert reports.axes[3:] == (0.0, 0.0, 1.0), "turned to the left, seen from above"


def test_both_layouts_say_the_same() -> None:
    one, two = SpaceMouseReports(), SpaceMouseReports()
    one.take(triple(1, 10, -20, 30))
    one.take(triple(2, -40, 50, -60))
    two.take(triple(1, 10, -20, 30, -40, 50, -60))
    assert one.axes == two.axes
    assert not one.holds_in_silence


def test_buttons_are_bits_and_more_than_full_deflection_is_full() -> None:
    reports = SpaceMouseReports()
    reports.take(bytes([3, 0b10, 0]))
    assert [n for n, pressed in enumerate(reports.buttons) if pressed] == [1]
    reports.take(triple(1, 0, -32768, 32767))
    assert reports.axes[:3] == (1.0, 0.0, -1.0)


@pytest.mark.parametrize("report", [b"", b"\x01\x00", b"\x17\x63", b"\x02"])
def test_a_report_of_something_else_changes_nothing(report: bytes) -> None:
    reports = SpaceMouseReports()
    assert not reports.take(report)
    assert reports.holds_in_silence


def test_the_device_is_found_by_its_name(tmp_path: Path) -> None:
    for number, name in ((0, "Logitech Keyboard"), (3, "3Dconnexion SpaceMouse Compact")):
        folder = tmp_path / f"hidraw{number}" / "device"
        folder.mkdir(parents=True)
        (folder / "uevent").write_text(f"HID_ID=0003:0000256F:0000C635\nHID_NAME={name}\n")
    assert find(tmp_path) == Path("/dev/hidraw3")
    with pytest.raises(DeviceError, match="no SpaceMouse is connected"):
        find(tmp_path / "nothing")


def test_a_device_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        OpenDevice(SPACEMOUSE, str(tmp_path / "hidraw7"))


class Desk:
    """A pipe in the place of a device, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hidraw0"
        self.axes: list[tuple[float, ...]] = []
        self.problems: list[str] = []
        self.mouse = DeviceReader(
            SPACEMOUSE, str(self.path), lambda: 7, self._take, self.problems.append
        )

    def _take(self, reading: Reading) -> None:
        assert reading.stamp_ns == 7
        self.axes.append(reading.axes)

    def plug_in(self) -> int:
        os.mkfifo(self.path)
        wait_until(lambda: self.problems and not self.problems[-1], "the device to be opened")
        return os.open(self.path, os.O_WRONLY)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.mouse.close()


def test_a_device_at_rest_is_present_and_one_that_falls_silent_deflected_is_not(desk: Desk) -> None:
    device = desk.plug_in()
    os.write(device, triple(1, 0, 0, 0))
    wait_until(lambda: len(desk.axes) > 3, "news of a device at rest")
    os.write(device, triple(1, 0, -350, 0))
    wait_until(lambda: desk.axes[-1][0] == 1.0, "the push")
    assert desk.axes.count(desk.axes[-1]) == 1, "a silent push is not repeated"
    os.write(device, triple(1, 0, 0, 0))
    wait_until(lambda: not any(desk.axes[-1]), "the release")
    assert sum(any(axes) for axes in desk.axes) == 1
    os.close(device)
    wait_until(lambda: "was lost" in desk.problems[-1], "the loss to be said")
    desk.mouse.check()
