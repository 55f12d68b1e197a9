"""Builders of a controller's configuration and inputs for tests; every field can be replaced."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tmrl_common.arm import ArmState
from tmrl_common.chunks import ActionChunk
from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.config import (
    ACTION_DIMS,
    BRIDGE_DELTA_EE,
    DROID_JOINT_VELOCITY,
    ControllerConfig,
)
from tmrl_controller.inputs import TeleopCommand

CONFIG = ControllerConfig(
    robot="widowx",
    action_space=BRIDGE_DELTA_EE,
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


FRANKA_CONFIG = ControllerConfig(
    robot="franka",
    action_space=DROID_JOINT_VELOCITY,
    horizon=10,
    control_rate_hz=15.0,
    workspace_box=(0.25, 0.75, -0.40, 0.40, 0.02, 0.80),
    max_translation_m=0.05,
    max_rotation_rad=0.25,
    max_gripper_step=0.25,
    kinematics="franky",
    joint_low_rad=(-2.7, -1.7, -2.7, -3.0, -2.7, 0.1, -2.8),
    joint_high_rad=(2.7, 1.7, 2.7, -0.2, 2.7, 3.6, 2.8),
    max_joint_velocity_rad_s=(1.0, 1.0, 1.0, 1.0, 1.5, 1.5, 1.5),
    max_joint_acceleration_rad_s2=(5.0, 4.0, 5.0, 6.0, 8.0, 10.0, 10.0),
    refuse_joint_velocity_rad_s=4.0,
    sigma_cap=0.8,
    z_cap=2.0,
    epsilon_cap=3.0,
    max_chunk_age_s=0.5,
    max_arm_state_age_s=0.1,
    max_teleop_age_s=0.2,
    setpoint_grace_s=0.05,
    tick_rate_hz=60.0,
)
"""A Franka as in DROID."""

MORE_EXAMPLES = int(os.environ.get("TMRL_MORE_EXAMPLES", "1"))
"""By how much the property tests are longer than in everyday use."""
FRANKA_REST_RAD = np.array([0.0, -0.628, 0.0, -2.513, 0.0, 1.885, 0.0])
"""Gripper down, in the middle of the box."""
TOOL_ON_FLANGE_M = np.array([0.0, 0.0, 0.15])
"""Where the tool of the tests sits on the flange."""


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

    def stamp_ns(self) -> int:
        """ROS time, ns."""
        return round((self.time_s + 1000.0) * 1e9)


def arm_state(**changes: Any) -> ArmState:
    """A healthy arm in the middle of the box."""
    state = ArmState(
        robot=CONFIG.robot,
        sequence=1,
        position_m=np.array([0.275, 0.0, 0.15]),
        quaternion_xyzw=IDENTITY_QUATERNION,
        gripper_opening=1.0,
        gripper_command=1.0,
        last_command_sequence=0,
        holding=True,
        joint_names=(),
        joint_position_rad=np.zeros(0),
        joint_velocity_rad_s=np.zeros(0),
        joint_effort_nm=np.zeros(0),
        fault="",
        stamp_ns=0,
        frame_id="",
    )
    return replace(state, **changes)


def franka_state(**changes: Any) -> ArmState:
    """A healthy Franka; the tool is where the joints put it."""
    joints = np.asarray(changes.pop("joint_position_rad", FRANKA_REST_RAD), dtype=np.float64)
    state = arm_state(
        robot=FRANKA_CONFIG.robot,
        position_m=FRANKA_CONFIG.arm_kinematics.chain(joints).point_m(TOOL_ON_FLANGE_M),
        joint_position_rad=joints,
    )
    return replace(state, **changes)


def franka_chunk(**changes: Any) -> ActionChunk:
    """A good chunk: every step turns the first joint at 0.3 rad/s and keeps the gripper open."""
    config = FRANKA_CONFIG
    actions = np.zeros((config.horizon, config.action_dim), dtype=np.float32)
    actions[:, 0] = 0.1
    chunk = action_chunk(
        robot=config.robot,
        action_space=config.action_space,
        horizon=config.horizon,
        action_dim=config.action_dim,
        actions=actions.ravel(),
    )
    return replace(chunk, **changes)


def action_chunk(**changes: Any) -> ActionChunk:
    """A good chunk: every step moves 1 cm along x and keeps the gripper open."""
    actions = np.zeros((CONFIG.horizon, ACTION_DIMS[BRIDGE_DELTA_EE]), dtype=np.float32)
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
        action_dim=ACTION_DIMS[BRIDGE_DELTA_EE],
        execute_steps=3,
        actions=actions.ravel(),
        z=np.zeros(4, dtype=np.float32),
        sigma=0.5,
        epsilon=np.zeros(0, dtype=np.float32),
        stamp_ns=0,
        frame_id="",
        steering="actor",
        actor_version=0,
        policy_version="",
        seed=0,
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
