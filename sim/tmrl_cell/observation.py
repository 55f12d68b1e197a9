"""What a policy sees of the cell: a robot state and an object context, both in raw units.

Normalisation belongs to the policy and travels with its checkpoint. There is no target id: an input
that never varies in the demonstrations would be an untrained one when it changes downstream.
"""

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.readings import ArmReadings, ObjectPose

PROPRIO_NAMES = ("tool_x_m", "tool_y_m", "tool_z_m", "gripper_opening", "gripper_commanded")
CONTEXT_NAMES = ("carrot_x_m", "carrot_y_m", "sausage_x_m", "sausage_y_m")


def proprio(readings: ArmReadings) -> NDArray[np.float32]:
    """Robot state, shape (5,): tool position in the base frame [m], opening measured and commanded.

    The two openings together tell a gripper that holds something (commanded 0, measured about 0.4)
    from one that closed on nothing, so the state needs no memory.
    """
    state = (*readings.tool_position_m, readings.gripper_opening, readings.gripper_commanded)
    return np.array(state, dtype=np.float32)


def holds_something(state: NDArray[np.float32]) -> bool:
    """Whether the gripper was closed and did not close: something is in it.

    Args:
        state: Shape (5,), see `proprio`.
    """
    opening, commanded = float(state[3]), float(state[4])
    return commanded < 0.5 and 0.2 < opening < 0.6


def context(objects: dict[str, ObjectPose]) -> NDArray[np.float32]:
    """Where the objects are, shape (4,): carrot x, y, sausage x, y in the base frame [m]."""
    carrot, sausage = objects["carrot"].position_m, objects["sausage"].position_m
    return np.array((carrot[0], carrot[1], sausage[0], sausage[1]), dtype=np.float32)
