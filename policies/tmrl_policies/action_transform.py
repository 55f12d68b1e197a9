"""From the actions that a policy was trained on to the action space of a rig, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_common.types import FloatArray

UNIT_OF_OTHERS = 0.1
"""Of a column that the policy does not make or never varies, such as a rotation [rad] of a
person's: what a critic of actions counts as one, which is of the order of a control step."""


@dataclass(frozen=True)
class ActionTransform:
    """A fixed map of action chunks.

    Attributes:
        action_space: Name of the rig's action space.
        policy_dim: Columns that the policy makes.
        action_dim: Columns that the rig takes.
        apply: Maps (..., policy_dim) to (..., action_dim).
        columns: Column of the rig's action for each of the policy's.
    """

    action_space: str
    policy_dim: int
    action_dim: int
    apply: Callable[[FloatArray], FloatArray]
    columns: tuple[int, ...]


def _pad_rotation(actions: FloatArray) -> FloatArray:
    """Puts three zero rotations [rad] between dx dy dz [m] and the gripper: 4 columns to 7."""
    padded = np.zeros((*actions.shape[:-1], 7), dtype=np.float32)
    padded[..., :3] = actions[..., :3]
    padded[..., 6] = actions[..., 3]
    return padded


def _as_they_are(actions: FloatArray) -> FloatArray:
    return actions


_TRANSFORMS = {
    "xyz_gripper_to_bridge_delta_ee_7": ActionTransform(
        "bridge_delta_ee_7", 4, 7, _pad_rotation, (0, 1, 2, 6)
    ),
    **{
        space: ActionTransform(space, dim, dim, _as_they_are, tuple(range(dim)))
        for space, dim in (("bridge_delta_ee_7", 7), ("droid_joint_velocity_8", 8))
    },
}


def action_transform(name: str, policy_dim: int) -> ActionTransform:
    """Finds a transform and checks that it fits the policy.

    Raises:
        ConfigError: There is none of that name, or the policy's actions have another length.
    """
    if name not in _TRANSFORMS:
        raise ConfigError(
            f"unknown action_transform '{name}'. {nearest_name(name, list(_TRANSFORMS))}"
        )
    transform = _TRANSFORMS[name]
    if transform.policy_dim != policy_dim:
        raise ConfigError(
            f"action_transform '{name}' takes actions of length {transform.policy_dim}; "
            f"the policy's have {policy_dim}"
        )
    return transform


def robot_columns(policy_dim: int, action_space: str) -> tuple[int, ...] | None:
    """Which column of a rig's action each column of a policy's is; None without a transform."""
    for transform in _TRANSFORMS.values():
        if (transform.policy_dim, transform.action_space) == (policy_dim, action_space):
            return transform.columns
    return None
