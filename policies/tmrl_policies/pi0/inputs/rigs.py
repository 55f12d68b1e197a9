"""How the observations and actions of a rig lie in those of pi0, declared once per rig.

The conventions are those under which the public weights were trained (openpi and the authors'
tmrl_openpi): which camera stands in which image slot, what the robot state holds, what the action
columns mean. A rig is part of the weights, not of the robot: another camera order or another
state makes the same weights useless, silently.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.config import CAMERA_SLOTS, Pi0Config


class Scale(StrEnum):
    """How raw units become numbers around zero."""

    MEAN_STD = "mean_std"
    """Zero mean, unit variance: pi0 and CSP-pi0."""
    QUANTILE = "quantile"
    """The 1 % and 99 % quantiles become -1 and 1: pi0.5 and CSP-pi0.5."""


class AbsentCameras(StrEnum):
    """What stands in the image slots for which the rig has no camera."""

    MASKED = "masked"
    """Nothing: the network does not attend to them, and they need not be computed."""
    BLACK = "black"
    """A black image that the network looks at, because it was trained with it."""


class CameraSlot(NamedTuple):
    """A camera of a rig.

    Attributes:
        name: In observations and topics, such as "wrist".
        slot: Its image slot of pi0, one of `CAMERA_SLOTS`.
    """

    name: str
    slot: str


@dataclass(frozen=True)
class Rig:
    """One convention of observations and actions.

    Attributes:
        name: By which checkpoints and settings refer to it.
        cameras: What it sees.
        state: Names of the columns of the robot state.
        actions: Names of the columns of an action.
        action_space: Name under which the controller knows these actions.
        rate_hz: Actions per second in the data of this convention, and on the arm.
        horizon: Actions of a chunk of pi0, where a checkpoint does not say.
        horizon_pi05: The same of pi0.5.
        absent_cameras: What stands in the other image slots.
        relative_columns: So many leading action columns are learned relative to the robot state
            (column by column) and get it added back; 0 where the actions are learned as they are.
        state_in_prompt: Whether pi0.5 reads the robot state in its prompt; otherwise it is given
            no state at all.
        implies_prefix_rms: Whether context-smoothed weights of this convention always take a
            normalised prefix, see `Pi0Config.prefix_rms`; otherwise it must be said.
    """

    name: str
    cameras: tuple[CameraSlot, ...]
    state: tuple[str, ...]
    actions: tuple[str, ...]
    action_space: str
    rate_hz: float
    horizon: int
    horizon_pi05: int
    absent_cameras: AbsentCameras = AbsentCameras.MASKED
    relative_columns: int = 0
    state_in_prompt: bool = True
    implies_prefix_rms: bool = False

    def chunk_length(self, config: Pi0Config) -> int:
        """Actions of a chunk of such a network, where a checkpoint does not say."""
        return self.horizon_pi05 if config.pi05 else self.horizon

    @property
    def state_dim(self) -> int:
        """Length of the robot state."""
        return len(self.state)

    @property
    def action_dim(self) -> int:
        """Columns of an action."""
        return len(self.actions)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras in the order of their image slots."""
        names = {camera.slot: camera.name for camera in self.cameras}
        return tuple(names[slot] for slot in CAMERA_SLOTS if slot in names)

    @property
    def slots(self) -> tuple[int, ...]:
        """Place in `CAMERA_SLOTS` of each of `camera_names`."""
        taken = {camera.slot for camera in self.cameras}
        return tuple(place for place, slot in enumerate(CAMERA_SLOTS) if slot in taken)


_TOOL = ("tool_x", "tool_y", "tool_z", "tool_roll", "tool_pitch", "tool_yaw")
_AXIS_ANGLE = ("rotation_x", "rotation_y", "rotation_z")
_JOINTS = tuple(f"joint_{number}" for number in range(1, 8))


def _bridge(
    name: str,
    absent_cameras: AbsentCameras = AbsentCameras.MASKED,
    *,
    relative_columns: int = 0,
    implies_prefix_rms: bool = False,
) -> Rig:
    """BridgeData: a WidowX at 5 Hz; metres, radians, gripper 0 (closed) to 1 (open).

    Roll, pitch and yaw turn about the base's fixed x, y and z, in this order, and are zero where
    the gripper points straight down: Rz(yaw) Ry(pitch) Rx(roll) = R_base_tool R_base_downᵀ with
    R_base_down = ((0, 0, 1), (0, 1, 0), (-1, 0, 0)); the tool's x axis points out of the fingers.
    An action's rotation is applied about the base's axes too (rail-berkeley/bridge_data_robot).
    """
    return Rig(
        name=name,
        cameras=(CameraSlot("overview", "base_0_rgb"),),
        state=(*_TOOL, "gripper_opening"),
        actions=(*(f"delta_{column}" for column in _TOOL), "gripper_opening"),
        action_space="bridge_delta_ee_7",
        rate_hz=5.0,
        horizon=50,
        horizon_pi05=50,
        absent_cameras=absent_cameras,
        relative_columns=relative_columns,
        implies_prefix_rms=implies_prefix_rms,
    )


BRIDGE = _bridge("bridge")
"""BridgeData, for plain pi0 and for what is trained here."""

CSPI0_BRIDGE = _bridge("cspi0_bridge", AbsentCameras.BLACK)
"""BridgeData as the authors' CSP-pi0 was trained on it: its code masks absent cameras for the
model types of plain pi0 only, so that CSP-pi0 has always looked at two black images."""

CSPI0_BRIDGE_RELATIVE = _bridge(
    "cspi0_bridge_relative", AbsentCameras.BLACK, relative_columns=6, implies_prefix_rms=True
)
"""As `CSPI0_BRIDGE`, with the state subtracted from the first six action columns: the authors'
configuration of April 2026, which came in one change with the normalised prefix of their JAX code.
The statistics tell the two apart, see the guide."""

DROID = Rig(
    name="droid",
    cameras=(CameraSlot("exterior", "base_0_rgb"), CameraSlot("wrist", "left_wrist_0_rgb")),
    state=(*_JOINTS, "gripper_closing"),
    actions=(*(f"{joint}_velocity" for joint in _JOINTS), "gripper_closing"),
    action_space="droid_joint_velocity_8",
    rate_hz=15.0,
    horizon=10,
    horizon_pi05=15,
)
"""DROID: a Franka at 15 Hz. State: joint angles [rad] and gripper, 0 (open) to 1 (closed).
Actions: joint velocities in DROID's own unit, -1 to 1, and the gripper's position."""


def _libero(name: str, relative_columns: int = 0) -> Rig:
    """LIBERO's simulated Panda; axis-angle rotations, fingers [m], gripper -1 open to 1 closed."""
    return Rig(
        name=name,
        cameras=(CameraSlot("overview", "base_0_rgb"), CameraSlot("wrist", "left_wrist_0_rgb")),
        state=(*_TOOL[:3], *_AXIS_ANGLE, "finger_left", "finger_right"),
        actions=(*(f"delta_{column}" for column in (*_TOOL[:3], *_AXIS_ANGLE)), "gripper"),
        action_space="libero_delta_ee_7",
        # As openpi's converter writes it; the simulation itself runs at 20 Hz.
        rate_hz=10.0,
        horizon=50,
        horizon_pi05=10,
        relative_columns=relative_columns,
        state_in_prompt=False,
    )


LIBERO = _libero("libero")
"""LIBERO as pi0.5 and CSP-pi0.5 were trained on it."""

LIBERO_RELATIVE = _libero("libero_relative", relative_columns=6)
"""LIBERO as pi0 and CSP-pi0 were trained on it: with the state subtracted from the pose's columns,
although these are differences already."""

_ALL = (BRIDGE, CSPI0_BRIDGE, CSPI0_BRIDGE_RELATIVE, DROID, LIBERO, LIBERO_RELATIVE)
RIGS = {rig.name: rig for rig in _ALL}


def rig_named(name: str) -> Rig:
    """Finds a rig.

    Raises:
        ConfigError: There is none of that name; the text gives the nearest and all of them.
    """
    if name not in RIGS:
        raise ConfigError(f"unknown rig '{name}'. {nearest_name(name, list(RIGS))}")
    return RIGS[name]


def usual_scale(config: Pi0Config) -> Scale:
    """How state and actions of such a network are scaled, where a checkpoint does not say."""
    return Scale.QUANTILE if config.pi05 else Scale.MEAN_STD


def scale_named(name: str) -> Scale:
    """Finds a scale.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in list(Scale):
        raise ConfigError(f"unknown scale '{name}'. {nearest_name(name, [*Scale])}")
    return Scale(name)
