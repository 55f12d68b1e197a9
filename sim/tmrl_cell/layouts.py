"""Where the objects lie and where the tool starts; every distribution of the task is here."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

OBJECTS = ("carrot", "sausage")
POT_POSITION_M = (0.28, -0.21)
"""Centre of the pot on the table, base frame [m]."""
HOME_TOOL_POSITION_M = (0.25, 0.0, 0.15)
"""Tool position of the rest pose, gripper pointing down, base frame [m]."""

OBJECT_LOW_M = (0.19, -0.10)
OBJECT_HIGH_M = (0.36, 0.20)
DOWNSTREAM_CENTRE_M = {"carrot": (0.22, 0.17), "sausage": (0.30, 0.05)}
DOWNSTREAM_SPREAD_M = 0.015

# Objects are 70 mm long (x), 28 mm wide (y) and lie within 0.1 rad of the x axis. An open gripper
# around one reaches 50 mm to either side, and must not sweep the other one away.
_CLEAR_X_M = 0.085
_CLEAR_Y_M = 0.070
_MAX_YAW_RAD = 0.1

_START_LOW_M = (0.18, -0.22, 0.09)
_START_HIGH_M = (0.37, 0.20, 0.165)


class LayoutName(StrEnum):
    """From which distribution a reset draws the objects and the arm's start."""

    DOWNSTREAM = "downstream"
    """The task to be learned."""
    PRETRAINING = "pretraining"
    """That of the demonstrations."""


@dataclass(frozen=True)
class Layout:
    """One arrangement of the cell. Positions in the base frame."""

    carrot_xy_m: tuple[float, float]
    """Centre of the carrot on the table [m]."""
    sausage_xy_m: tuple[float, float]
    """Centre of the sausage on the table [m]."""
    carrot_yaw_rad: float = 0.0
    """Rotation of the carrot about the vertical; at 0 it lies along x [rad]."""
    sausage_yaw_rad: float = 0.0
    """Rotation of the sausage about the vertical; at 0 it lies along x [rad]."""
    tool_position_m: tuple[float, float, float] = HOME_TOOL_POSITION_M
    """Where the tool starts, gripper open and pointing down [m]."""


def pretraining_layout(rng: np.random.Generator) -> Layout:
    """Draws a layout of the demonstrations: objects anywhere apart, the tool anywhere above.

    Both objects are uniform in x 0.19 to 0.36 m and y -0.10 to 0.20 m, conditioned on lying far
    enough apart that the gripper can take either one.
    """
    while True:
        carrot, sausage = rng.uniform(OBJECT_LOW_M, OBJECT_HIGH_M, size=(2, 2))
        if abs(carrot[0] - sausage[0]) > _CLEAR_X_M or abs(carrot[1] - sausage[1]) > _CLEAR_Y_M:
            break
    return _layout(rng, carrot, sausage, rng.uniform(_START_LOW_M, _START_HIGH_M))


def downstream_layout(rng: np.random.Generator) -> Layout:
    """Draws a layout of the task to be learned: both objects within 1.5 cm of a fixed place."""
    carrot, sausage = (
        np.asarray(DOWNSTREAM_CENTRE_M[name])
        + rng.uniform(-DOWNSTREAM_SPREAD_M, DOWNSTREAM_SPREAD_M, size=2)
        for name in OBJECTS
    )
    return _layout(rng, carrot, sausage, np.asarray(HOME_TOOL_POSITION_M))


def _layout(
    rng: np.random.Generator, carrot: np.ndarray, sausage: np.ndarray, tool: np.ndarray
) -> Layout:
    carrot_yaw, sausage_yaw = rng.uniform(-_MAX_YAW_RAD, _MAX_YAW_RAD, size=2)
    return Layout(
        carrot_xy_m=(float(carrot[0]), float(carrot[1])),
        sausage_xy_m=(float(sausage[0]), float(sausage[1])),
        carrot_yaw_rad=float(carrot_yaw),
        sausage_yaw_rad=float(sausage_yaw),
        tool_position_m=(float(tool[0]), float(tool[1]), float(tool[2])),
    )
