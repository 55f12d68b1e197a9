"""Where on this machine a gamepad or joystick is."""

import errno
import fcntl
import struct
from pathlib import Path

from tmrl_teleop.device import Decoder, DeviceError, DeviceKind
from tmrl_teleop.gamepad_events import GamepadEvents, is_gamepad
from tmrl_teleop.input_device import EV_ABS, EV_KEY, InputDevice, Ioctl, codes_of

_INPUT = Path("/sys/class/input")
_WORD_BITS = 8 * struct.calcsize("@l")
_PERMISSION = (
    "install the rule beside this package (share/tmrl_teleop/udev/60-tmrl-gamepad.rules into "
    "/etc/udev/rules.d), run 'sudo udevadm control --reload', and plug the device in again; or "
    "add the user to the group input, which may then read every keyboard, too"
)
_CHOOSE = "give device_path, best a lasting name such as /dev/input/by-id/...-event-joystick"


def find(sysfs: Path = _INPUT) -> Path:
    """The gamepad or joystick of this machine.

    Args:
        sysfs: Where the kernel lists input devices.

    Raises:
        DeviceError: There is none, or more than one.
    """
    found = [entry for entry in sysfs.glob("event*") if _is_listed_as_gamepad(entry)]
    paths = [Path("/dev/input") / entry.name for entry in found]
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise DeviceError(
            "no gamepad or joystick is connected to this machine",
            "plug it in, or give device_path",
        )
    names = sorted(f"{path} '{_name(entry)}'" for path, entry in zip(paths, found, strict=True))
    raise DeviceError(f"{len(paths)} gamepads are connected, {', '.join(names)}", _CHOOSE)


def _is_listed_as_gamepad(entry: Path) -> bool:
    try:
        return is_gamepad(_listed(entry, "key"), _listed(entry, "abs"))
    except (OSError, ValueError):
        # It was unplugged while it was looked at.
        return False


def _listed(entry: Path, kind: str) -> frozenset[int]:
    """Codes that the kernel lists: words of its own size in hexadecimal, the highest first."""
    bitmap = 0
    for word in (entry / "device" / "capabilities" / kind).read_text().split():
        bitmap = bitmap << _WORD_BITS | int(word, 16)
    return codes_of(bitmap)


def _name(entry: Path) -> str:
    try:
        return (entry / "device" / "name").read_text(errors="replace").strip()
    except OSError:
        return "?"


def begin(descriptor: int, path: Path, ioctl: Ioctl = fcntl.ioctl) -> Decoder:
    """The decoder of an open gamepad.

    Args:
        descriptor: Of its file.
        path: Of its file.
        ioctl: Asks the kernel.

    Raises:
        DeviceError: It is something else.
        OSError: It is gone.
    """
    device = InputDevice(descriptor, ioctl)
    try:
        keys, axes = device.codes(EV_KEY), device.codes(EV_ABS)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise
        raise DeviceError(f"{path} is no event device of the kernel", _CHOOSE) from error
    if not is_gamepad(keys, axes):
        raise DeviceError(
            f"{path} ('{device.name()}') is no gamepad or joystick",
            f"{_CHOOSE}, or leave it empty",
        )
    return GamepadEvents(device)


GAMEPAD = DeviceKind(find, _PERMISSION, begin)
