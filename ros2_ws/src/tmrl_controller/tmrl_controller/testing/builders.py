"""Builders of a controller's configuration and inputs for tests; every field can be replaced."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.config import ACTION_DIM, ACTION_SPACE, ControllerConfig
from tmrl_controller.inputs import ActionChunk, ArmState, TeleopCommand

CONFIG = ControllerConfig(
    robot="widowx",
    action_space=ACTION_SPACE,
    horizon=8,
    control_rate_hz=5.0,
    workspace_box=(0.15, 0.40, -0.25, 0.25, 0.02, 0.30),
    max_translation_m=0.025,
    max_rotation_rad=0.25,
    max_gripper_step=1.0,
    max_translation_change_m=0.05,
    max_rotation_change_rad=0.5,
    max_lead_m=0.10,
    max_lead_rad=0.8,
    refuse_translation_m=0.10,
    refuse_rotation_rad=1.0,
    sigma_cap=0.8,
    z_cap=2.0,
    epsilon_cap=3.0,
    max_chunk_age_s=0.5,
    max_arm_state_age_s=0.2,
    max_teleop_age_s=0.2,
)
"""A WidowX-like rig."""


@dataclass
class ManualClock:
    """A clock that moves only when a test says so; stamps lie 1000 s ahead of the pacing time.

    Attributes:
        time_s: Pacing time, s.
    """

    time_s: float = 10.0

    def now_s(self) -> float:
        """Pacing time, s."""
        return self.time_s

    def stamp_s(self) -> float:
        """ROS time, s."""
        return self.time_s + 1000.0


def arm_state(**changes: Any) -> ArmState:
    """A healthy arm in the middle of the box."""
    state = ArmState(
        robot=CONFIG.robot,
        sequence=1,
        position_m=np.array([0.275, 0.0, 0.15]),
        quaternion=IDENTITY_QUATERNION,
        gripper_command=1.0,
    )
    return replace(state, **changes)


def action_chunk(**changes: Any) -> ActionChunk:
    """A good chunk: every step moves 1 cm along x and keeps the gripper open."""
    actions = np.zeros((CONFIG.horizon, ACTION_DIM), dtype=np.float32)
    actions[:, 0] = 0.01
    actions[:, 6] = 1.0
    chunk = ActionChunk(
        robot=CONFIG.robot,
        session="run-1",
        episode=1,
        chunk=0,
        sequence=1,
        agent_epoch="agent-a",
        arm_state_sequence=1,
        action_space=CONFIG.action_space,
        horizon=CONFIG.horizon,
        action_dim=ACTION_DIM,
        execute_steps=3,
        actions=actions.ravel(),
        z=np.zeros(4, dtype=np.float32),
        sigma=0.5,
        epsilon=np.zeros(0, dtype=np.float32),
    )
    return replace(chunk, **changes)


def teleop_command(**changes: Any) -> TeleopCommand:
    """A pressed device that pulls along y at 5 cm/s."""
    command = TeleopCommand(
        robot=CONFIG.robot,
        active=True,
        linear_m_s=np.array([0.0, 0.05, 0.0]),
        angular_rad_s=np.zeros(3),
        gripper=1.0,
        device="gamepad",
    )
    return replace(command, **changes)
