"""A device on this machine, of whatever kind: opened, read, and opened again when it was lost."""

import errno
import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tmrl_common.checked_thread import CheckedThread
from tmrl_common.closeable import Closeable
from tmrl_common.errors import LocalError
from tmrl_teleop.params import REPEAT_S
from tmrl_teleop.reading import Reading

_RETRY_S = 1.0


class DeviceError(LocalError):
    """The device cannot be used.

    Attributes:
        detail: Why.
        remedy: What to do about it.
    """

    def __init__(self, detail: str, remedy: str) -> None:
        """Joins both into the error's text."""
        super().__init__(f"{detail}: {remedy}")
        self.detail = detail
        self.remedy = remedy


class Decoder(Protocol):
    """The state of one open device, kept by what it sends.

    Attributes:
        name: Of the device, for people.
        axes: Deflections, -1 to 1.
        buttons: Whether each is pressed.
        longest: Bytes that it sends at once, at most.
    """

    name: str
    axes: tuple[float, ...]
    buttons: tuple[bool, ...]
    longest: int

    @property
    def holds_in_silence(self) -> bool:
        """Whether the state is still that of a device that sends nothing."""
        ...

    def take(self, data: bytes, /) -> bool:
        """Takes in what was sent at once; whether the state may be used now.

        Raises:
            OSError: The device is gone, or sends what no device sends.
        """
        ...


@dataclass(frozen=True)
class DeviceKind:
    """What is different from one kind of device to the other.

    Attributes:
        find: Returns the path of the one on this machine; raises DeviceError where it cannot.
        permission: What to do where the user may not read it.
        begin: Makes the decoder of an open file, given its descriptor and path; raises DeviceError
            where it is no such device, OSError where it is gone.
    """

    find: Callable[[], Path]
    permission: str
    begin: Callable[[int, Path], Decoder]


class OpenDevice(Closeable):
    """A device that is there and may be read.

    Args:
        kind: Of the device.
        path: Where it is; empty: where one is found.

    Attributes:
        path: Where it is.
        state: What it says.
    """

    def __init__(self, kind: DeviceKind, path: str) -> None:
        """Opens it.

        Raises:
            DeviceError: It is not there, is something else, or is not for this user.
        """
        self.path = Path(path) if path else kind.find()
        self._descriptor = _open(self.path, kind.permission)
        try:
            self.state = kind.begin(self._descriptor, self.path)
        except DeviceError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise self._lost(error) from error

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._descriptor)

    def hear(self, wait_s: float) -> bool:
        """Waits for what it says; whether `state` may be used now.

        Args:
            wait_s: Longest wait, s.

        Raises:
            DeviceError: It is gone.
        """
        readable, _, _ = select.select([self._descriptor], [], [], wait_s)
        if not readable:
            return self.state.holds_in_silence
        try:
            data = os.read(self._descriptor, self.state.longest)
            if not data:
                raise OSError(errno.ENODEV, "end of file")
            return self.state.take(data)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> DeviceError:
        return DeviceError(f"{self.path} was lost ({error.strerror})", "plug it in again")


def _open(path: Path, permission: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError as error:
        raise DeviceError(f"{path} may not be read by this user", permission) from error
    except OSError as error:
        remedy = "plug it in; a container must be given the file"
        raise DeviceError(f"{path} cannot be opened ({error.strerror})", remedy) from error


class DeviceReader:
    """Reads a device in a thread of its own, for as long as it is there, whenever it is there.

    Args:
        kind: Of the device.
        path: Where it is; empty: where one is found.
        now_ns: ROS time, ns.
        deliver: Called in the thread with each reading, and with a newer one of the same state a
            few times a second while the state holds; with nothing once the device is lost.
        report_problem: Called in the thread when the device is lost, and every second until it is
            back, then with an empty text.
    """

    def __init__(
        self,
        kind: DeviceKind,
        path: str,
        now_ns: Callable[[], int],
        deliver: Callable[[Reading], None],
        report_problem: Callable[[str], None],
    ) -> None:
        self._kind = kind
        self._path = path
        self._now_ns = now_ns
        self._deliver = deliver
        self._report_problem = report_problem
        self._closing = threading.Event()
        self._thread = CheckedThread(self._run, "device")
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
        with OpenDevice(self._kind, self._path) as device:
            self._report_problem("")
            while not self._closing.is_set():
                if device.hear(REPEAT_S):
                    state = device.state
                    self._deliver(Reading(self._now_ns(), state.axes, state.buttons))
