"""The kinds of device that are read on this machine, without a driver of anybody."""

from collections.abc import Mapping

from tmrl_teleop.device import DeviceKind
from tmrl_teleop.gamepad import GAMEPAD
from tmrl_teleop.spacemouse import SPACEMOUSE

LOCAL_DEVICES: Mapping[str, DeviceKind] = {"spacemouse": SPACEMOUSE, "gamepad": GAMEPAD}
"""By the name in the parameter `device`."""
