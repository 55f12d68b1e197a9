"""From deflections to a velocity of the tool."""

import numpy as np

from tmrl_common.geometry import Vector, limit_length
from tmrl_teleop.params import TeleopConfig
from tmrl_teleop.reading import Reading, Velocity


def beyond_dead_zone(deflection: float, dead_zone: float) -> float:
    """Deflection from the edge of the dead zone on, rescaled so that nothing jumps there.

    Args:
        deflection: -1 to 1; what lies outside is cut off.
        dead_zone: Below 1.
    """
    size = min(abs(deflection), 1.0)
    if not size > dead_zone:
        return 0.0
    return float(np.copysign((size - dead_zone) / (1.0 - dead_zone), deflection))


def of_axes(reading: Reading, config: TeleopConfig) -> tuple[Vector, Vector]:
    """Linear velocity [m/s] and angular velocity [rad/s] in the frame of steering, shape (3,) each.

    An axis that the device lacks, and one that is no number, is at rest.
    """
    wanted = np.zeros(6)
    for number, (axis, direction) in enumerate(zip(config.axes, config.directions, strict=True)):
        if 0 <= axis < len(reading.axes):
            wanted[number] = direction * beyond_dead_zone(reading.axes[axis], config.dead_zone)
    return config.max_linear_m_s * wanted[:3], config.max_angular_rad_s * wanted[3:]


def of_velocity(velocity: Velocity, config: TeleopConfig) -> tuple[Vector, Vector]:
    """The velocities that a device asks for, cut to the largest; zero where one is no number."""
    linear, angular = np.array(velocity.linear_m_s), np.array(velocity.angular_rad_s)
    if not (np.isfinite(linear).all() and np.isfinite(angular).all()):
        return np.zeros(3), np.zeros(3)
    return (
        limit_length(linear, config.max_linear_m_s),
        limit_length(angular, config.max_angular_rad_s),
    )
