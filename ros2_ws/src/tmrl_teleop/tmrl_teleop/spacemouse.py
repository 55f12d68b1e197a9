"""A SpaceMouse on this machine: found, opened, read, and opened again when it was lost."""

import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from tmrl_common.checked_thread import CheckedThread
from tmrl_teleop.spacemouse_reports import SpaceMouseReports

_HIDRAW = Path("/sys/class/hidraw")
_NAMES = ("3dconnexion", "spacemouse", "spacenavigator", "spacepilot", "spaceball")
_LONGEST_REPORT = 64
_POLL_S = 0.05
_RETRY_S = 1.0
_RULE = (
    "install the rule beside this package (share/tmrl_teleop/udev/60-tmrl-spacemouse.rules into "
    "/etc/udev/rules.d), run 'sudo udevadm control --reload', and plug the device in again"
)


class DeviceError(Exception):
    """The device cannot be used; the text says why and what to do."""


def find(hidraw: Path = _HIDRAW) -> Path:
    """The first SpaceMouse of this machine.

    Args:
        hidraw: Where the kernel lists raw HID devices.

    Raises:
        DeviceError: There is none.
    """
    for entry in sorted(hidraw.glob("hidraw*")):
        try:
            lines = (entry / "device" / "uevent").read_text(errors="replace").lower().splitlines()
        except OSError:
            continue
        name = next((line for line in lines if line.startswith("hid_name=")), "")
        if any(known in name for known in _NAMES):
            return Path("/dev") / entry.name
    raise DeviceError("no SpaceMouse is connected to this machine: plug it in, or give device_path")


def open_device(path: Path) -> int:
    """Opens a device for reading without waiting.

    Returns:
        The file's descriptor.

    Raises:
        DeviceError: It is not there, or not for this user.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError as error:
        raise DeviceError(f"{path} may not be read by this user: {_RULE}") from error
    except OSError as error:
        raise DeviceError(f"{path} cannot be opened ({error.strerror}): plug it in") from error


class SpaceMouse:
    """Reads a device in a thread of its own.

    A cap that is deflected sends all the time. One that is deflected and silent has lost its radio
    link or its cable, so its state is not repeated; one at rest says nothing, and is.

    Args:
        path: Of the device; empty: the first that is found.
        deliver: Called in the thread with axes and buttons, for each report and a few times a
            second while the device is at rest.
        report_problem: Called in the thread when the device is lost; empty once it is back.
    """

    def __init__(
        self,
        path: str,
        deliver: Callable[[SpaceMouseReports], None],
        report_problem: Callable[[str], None],
    ) -> None:
        self._path = path
        self._deliver = deliver
        self._report_problem = report_problem
        self._closing = threading.Event()
        self._thread = CheckedThread(self._run, "spacemouse")
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the thread, if something has; to be called regularly."""
        self._thread.check()

    def close(self) -> None:
        """Ends the thread."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._read_until_lost()
            except DeviceError as error:
                self._report_problem(str(error))
                self._closing.wait(_RETRY_S)

    def _read_until_lost(self) -> None:
        path = Path(self._path) if self._path else find()
        device = open_device(path)
        try:
            self._report_problem("")
            reports = SpaceMouseReports()
            while not self._closing.is_set():
                readable, _, _ = select.select([device], [], [], _POLL_S)
                if readable and not _take_one(device, reports, path):
                    continue
                if readable or reports.is_at_rest:
                    self._deliver(reports)
        finally:
            os.close(device)


def _take_one(device: int, reports: SpaceMouseReports, path: Path) -> bool:
    try:
        report = os.read(device, _LONGEST_REPORT)
    except BlockingIOError:
        return False
    except OSError as error:
        raise DeviceError(f"{path} was lost ({error.strerror}): plug it in again") from error
    if not report:
        raise DeviceError(f"{path} was lost: plug it in again")
    return reports.take(report)
