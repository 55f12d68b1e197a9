"""Which columns of a data set are state, actions and cameras.

A vector is given as columns joined by "+", each with the entries wanted of it in brackets where not
all are: `observation.state[0:6]+observation.state[7:8]`. Cameras are given as `name=column` joined
by ",": the name is the rig's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError

_PART = re.compile(r"(?P<column>[^\[\]]+)(\[(?P<start>\d+):(?P<stop>\d+)\])?")


@dataclass(frozen=True)
class ColumnPart:
    """Some entries of one column.

    Attributes:
        column: Name of the column.
        start: First entry.
        stop: One past the last entry; -1 for all to the end.
    """

    column: str
    start: int = 0
    stop: int = -1


@dataclass(frozen=True)
class ColumnLayout:
    """Where a rig's numbers and images are in a data set.

    Attributes:
        state: Columns of the robot state, see the module's text.
        actions: Columns of the actions.
        cameras: Columns of the images; empty where none are looked at.
    """

    state: str
    actions: str
    cameras: str

    def __post_init__(self) -> None:
        """Refuses texts that name no columns.

        Raises:
            ConfigError: Names the text and the form.
        """
        column_parts(self.state)
        column_parts(self.actions)
        camera_columns(self.cameras)


def column_parts(text: str) -> tuple[ColumnPart, ...]:
    """Reads how a vector is put together.

    Raises:
        ConfigError: The text does not have the form.
    """
    parts: list[ColumnPart] = []
    for piece in text.split("+"):
        match = _PART.fullmatch(piece.strip())
        if match is None or (match["stop"] and int(match["stop"]) <= int(match["start"])):
            raise ConfigError(
                f"'{piece}' in '{text}' is no column; write name or name[start:stop], joined by +"
            )
        start, stop = int(match["start"] or 0), int(match["stop"] or -1)
        parts.append(ColumnPart(match["column"], start, stop))
    return tuple(parts)


def camera_columns(text: str) -> dict[str, str]:
    """Column of each camera by the rig's name of it; an empty text names none.

    Raises:
        ConfigError: The text does not have the form, or names a camera twice.
    """
    columns: dict[str, str] = {}
    for piece in text.split(",") if text else ():
        camera, equals, column = piece.strip().partition("=")
        if not (camera and equals and column) or camera in columns:
            raise ConfigError(
                f"'{piece}' in '{text}' is no camera of its own; write name=column, joined by ,"
            )
        columns[camera] = column
    return columns


_STATE, _IMAGES = "observation.state", "observation.images"

LAYOUTS: Mapping[str, ColumnLayout] = {
    # BridgeData v2 as converted for pi0: 7 numbers of state and action, camera over the shoulder.
    "bridge": ColumnLayout(_STATE, "action", f"overview={_IMAGES}.image_0"),
    # The Open X-Embodiment conversion of BridgeData has a number that pads its state.
    "bridge_oxe": ColumnLayout(
        f"{_STATE}[0:6]+{_STATE}[7:8]", "action", f"overview={_IMAGES}.image_0"
    ),
    # LeRobot's port of DROID 1.0.1. Its column "action" has joint positions; pi0 takes velocities.
    "droid": ColumnLayout(
        f"{_STATE}.joint_position+{_STATE}.gripper_position",
        "action.joint_velocity+action.gripper_position",
        f"exterior={_IMAGES}.exterior_1_left,wrist={_IMAGES}.wrist_left",
    ),
    # What openpi's converter makes of a lab's own DROID recordings: joint velocities already.
    "droid_openpi": ColumnLayout(
        "joint_position+gripper_position",
        "actions",
        "exterior=exterior_image_1_left,wrist=wrist_image_left",
    ),
    # LIBERO as openpi converts it.
    "libero": ColumnLayout("state", "actions", "overview=image,wrist=wrist_image"),
}


def named_layout(name: str) -> ColumnLayout:
    """The layout called `name`.

    Raises:
        ConfigError: There is none; the message gives the nearest name and all of them.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"unknown layout '{name}'; {nearest_name(name, list(LAYOUTS))}")
    return LAYOUTS[name]
