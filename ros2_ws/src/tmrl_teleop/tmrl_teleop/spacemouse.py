"""Where on this machine a SpaceMouse is."""

from pathlib import Path

from tmrl_teleop.device import DeviceError, DeviceKind
from tmrl_teleop.spacemouse_reports import SpaceMouseReports

_HIDRAW = Path("/sys/class/hidraw")
_NAMES = ("3dconnexion", "spacemouse", "spacenavigator", "spacepilot", "spaceball")
_PERMISSION = (
    "install the rule beside this package (share/tmrl_teleop/udev/60-tmrl-spacemouse.rules into "
    "/etc/udev/rules.d), run 'sudo udevadm control --reload', and plug the device in again"
)


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
    raise DeviceError(
        "no SpaceMouse is connected to this machine", "plug it in, or give device_path"
    )


SPACEMOUSE = DeviceKind(find, _PERMISSION, lambda descriptor, path: SpaceMouseReports())
"""A cap that is deflected sends all the time. One that is deflected and silent has lost its radio
link or its cable, so its state is not repeated; one at rest says nothing, and is."""
