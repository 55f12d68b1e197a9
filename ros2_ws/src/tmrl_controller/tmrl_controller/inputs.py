"""What comes into the controller, as plain values: arm states, action chunks, teleop readings."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tmrl_common.types import FloatArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class ArmState:
    """One measured state of the arm (tmrl_msgs/ArmState).

    Attributes:
        robot: Name of the arm.
        sequence: Counts up by one within the life of the driver.
        position_m: Tool frame in the base frame, shape (3,), float64, m.
        quaternion: Tool frame in the base frame, shape (4,), float64, in the order x, y, z, w.
        gripper_command: Opening last commanded to the driver, 0 closed to 1 open.
        joint_position_rad: Shape (n,), float64, rad; empty where nobody asks for it.
        fault: Empty while healthy, otherwise a sentence that names fault and remedy.
    """

    robot: str
    sequence: int
    position_m: Vector
    quaternion: Vector
    gripper_command: float
    joint_position_rad: Vector = field(default_factory=lambda: np.zeros(0))
    fault: str = ""


@dataclass(frozen=True)
class ActionChunk:
    """One chunk as it arrived, unchecked (tmrl_msgs/ActionChunk).

    Attributes:
        robot: Name of the arm that it is meant for.
        session: Identifier of the fine-tuning run.
        episode: Counts from 1 within a session.
        chunk: Counts from 0 within an episode.
        sequence: Counts up within the life of the agent process.
        agent_epoch: Identifies that life.
        arm_state_sequence: Arm state that the policy saw.
        action_space: Name of the meaning of a row, for example "bridge_delta_ee_7".
        horizon: Claimed number of rows.
        action_dim: Claimed number of columns.
        execute_steps: How many rows are to be executed.
        actions: Flat, row-major, claimed to hold horizon * action_dim float32 values.
        z: Initial flow noise, any shape, float32.
        sigma: Context timestep, claimed to lie in [0, 1].
        epsilon: Context noise, any shape, float32; empty where the server drew it.
    """

    robot: str
    session: str
    episode: int
    chunk: int
    sequence: int
    agent_epoch: str
    arm_state_sequence: int
    action_space: str
    horizon: int
    action_dim: int
    execute_steps: int
    actions: FloatArray
    z: FloatArray
    sigma: float
    epsilon: FloatArray


@dataclass(frozen=True)
class TeleopCommand:
    """One reading of a person's device (tmrl_msgs/TeleopCommand).

    Attributes:
        robot: Name of the arm that it is meant for.
        active: Whether the dead-man switch is pressed.
        linear_m_s: Wanted velocity of the tool in the base frame, shape (3,), m/s.
        angular_rad_s: Wanted angular velocity in the base frame, shape (3,), rad/s.
        gripper: Wanted opening, 0 closed to 1 open.
        device: Name of the device, for the reason shown to people.
    """

    robot: str
    active: bool
    linear_m_s: Vector
    angular_rad_s: Vector
    gripper: float
    device: str = "teleop"
