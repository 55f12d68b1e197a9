"""Joint setpoints between targets: no stop on the way, bounded speed and acceleration.

Targets come at 5 Hz, the motors want to be led at 50 Hz. Each target is given a little more time
than the period (`stretch`), so that the arm still moves when the next one arrives; under a steady
stream it then moves at constant speed, a quarter of a step behind.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MotionLimits:
    """Bounds of every setpoint.

    Attributes:
        low_rad: Lowest positions, shape (n,), rad.
        high_rad: Highest positions, shape (n,), rad.
        velocity_rad_s: Largest speed, the same for each joint, rad/s.
        acceleration_rad_s2: Largest acceleration, the same for each joint, rad/s^2.
    """

    low_rad: Array
    high_rad: Array
    velocity_rad_s: float
    acceleration_rad_s2: float


class SetpointStream:
    """Leads the joints from target to target, one setpoint per step of `period_s`.

    Attributes:
        position_rad: The present setpoint, shape (n,), rad.
        velocity_rad_s: Its speed, shape (n,), rad/s.
        target_rad: Where it goes, shape (n,), rad.
    """

    def __init__(self, limits: MotionLimits, period_s: float, position_rad: Array) -> None:
        """Starts at rest.

        Args:
            limits: Bounds of the motion.
            period_s: Time between two steps, s.
            position_rad: Where the arm is, shape (n,), rad. It may lie outside of the limits; the
                first target then leads back inside.
        """
        self._limits = limits
        self._period_s = period_s
        self.position_rad = position_rad.copy()
        self.velocity_rad_s: Array = np.zeros_like(position_rad)
        self.target_rad = position_rad.copy()
        self._time_left_s = 0.0
        self._braking = False

    @property
    def at_rest(self) -> bool:
        """Whether the setpoint stands still and would stay so."""
        arrived = self._braking or bool((self.position_rad == self.target_rad).all())
        return arrived and not self.velocity_rad_s.any()

    def aim(self, target_rad: Array, arrive_in_s: float) -> None:
        """Go to a target; later where the limits on speed and acceleration take longer.

        Args:
            target_rad: Shape (n,), rad; clipped to the limits.
            arrive_in_s: Time to get there, s.
        """
        self.target_rad = np.clip(target_rad, self._limits.low_rad, self._limits.high_rad)
        self._time_left_s = arrive_in_s
        self._braking = False

    def brake(self) -> None:
        """Stops as fast as the limit on acceleration allows."""
        self._braking = True

    def step(self) -> Array:
        """Advance by one period.

        Returns:
            The new setpoint, shape (n,), rad.
        """
        change = self._limits.acceleration_rad_s2 * self._period_s
        wanted = np.zeros_like(self.velocity_rad_s) if self._braking else self._wanted_velocity()
        self.velocity_rad_s = self.velocity_rad_s + np.clip(
            wanted - self.velocity_rad_s, -change, change
        )
        self.position_rad = self.position_rad + self.velocity_rad_s * self._period_s
        self._time_left_s -= self._period_s
        if not self._braking:
            # Rounding alone may keep the last bit from arriving.
            near = np.abs(self.target_rad - self.position_rad) < 1e-9
            self.position_rad = np.where(near, self.target_rad, self.position_rad)
        elif not self.velocity_rad_s.any():
            self.target_rad = self.position_rad.copy()
        return self.position_rad

    def _wanted_velocity(self) -> Array:
        """Speed that arrives in time, but can still brake before the target, shape (n,), rad/s."""
        period_s, most = self._period_s, self._limits.acceleration_rad_s2
        way_rad = self.target_rad - self.position_rad
        distance_rad = np.abs(way_rad)
        in_time = distance_rad / max(self._time_left_s, period_s)
        # Braking from v in steps covers at most v^2 / 2a + v period / 2 + a period^2 / 8.
        half = 0.5 * most * period_s
        room_rad = np.maximum(distance_rad - 0.125 * most * period_s**2, 0.0)
        can_brake = np.sqrt(half**2 + 2.0 * most * room_rad) - half
        # Nearer than this one step suffices, and the next one stops.
        last_step = distance_rad <= most * period_s**2
        can_brake = np.where(last_step, distance_rad / period_s, can_brake)
        speed = np.minimum(np.minimum(in_time, can_brake), self._limits.velocity_rad_s)
        return np.sign(way_rad) * speed
