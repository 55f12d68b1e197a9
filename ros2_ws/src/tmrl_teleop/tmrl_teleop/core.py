"""Decides from a device's readings when a person drives, and how.

Whoever is silent does not drive: a device that is unplugged, a driver that died and a network that
is gone look all the same, and end the take-over.
"""

import numpy as np

from tmrl_common.clock import Clock
from tmrl_common.geometry import Vector, rotate
from tmrl_teleop.effects import Drive, Effect, Press
from tmrl_teleop.params import LOCAL, NONE, TeleopConfig
from tmrl_teleop.reading import Reading, Velocity
from tmrl_teleop.steering import of_axes, of_velocity


class Teleop:
    """The device of a person.

    Args:
        config: What its axes and buttons do.
        clock: Wall time, steady.
    """

    def __init__(self, config: TeleopConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._reading: Reading | None = None
        self._velocity: Velocity | None = None
        self._read_s = self._velocity_s = -np.inf
        self._orientation: Vector | None = None
        self._opening = 0.0
        self._measured_opening = 0.0
        self._driving = False
        self._held_through_silence = False
        self._ticked_s = clock.now_s()
        self.problem = self._no_news()

    def arm_seen(self, q_base_tool: Vector, gripper_opening: float) -> None:
        """Takes the arm's state in.

        Args:
            q_base_tool: Orientation of the tool in the base frame, shape (4,), unit quaternion.
            gripper_opening: 0 closed to 1 open.
        """
        self._orientation, self._measured_opening = q_base_tool, gripper_opening

    def velocity_seen(self, velocity: Velocity) -> None:
        """Takes a velocity in that a device asks for."""
        self._velocity, self._velocity_s = velocity, self._clock.now_s()

    def device_lost(self) -> None:
        """Takes in that the device is gone: what it last said holds no longer."""
        self._read_s = -np.inf

    def reading_seen(self, reading: Reading) -> list[Effect]:
        """Takes a reading in: a button that goes down asks for something, once."""
        before, fresh = self._reading, self._is_fresh(self._read_s)
        self._reading, self._read_s = reading, self._clock.now_s()
        if before is None or not fresh:
            # It may have been down all the while; only one that was seen up goes down.
            self._held_through_silence = before is not None
            return []
        buttons = self._config.buttons
        return [
            press
            for press in Press
            if reading.pressed(buttons[press]) and not before.pressed(buttons[press])
        ]

    def tick(self) -> list[Effect]:
        """What to publish now: commands while the person drives, and one that lets go."""
        now_s = self._clock.now_s()
        dt_s, self._ticked_s = now_s - self._ticked_s, now_s
        reading = self._reading
        if reading is None or not self._is_fresh(self._read_s):
            self.problem = self._no_news()
            return self._let_go(0 if reading is None else reading.stamp_ns)
        linear, angular, stamp_ns = self._wanted(reading)
        self.problem = self._cannot_turn()
        if not self._is_held(reading, linear, angular):
            # Released readings are sent, too: the controller wants to have seen the release.
            self._driving = self._held_through_silence = False
            return [self._release(reading.stamp_ns)]
        if self._held_through_silence:
            # The controller was sent a release in the meantime, and would take this for a press.
            self.problem = "the device was silent, and is held since: let go of it once"
        if self.problem:
            return self._let_go(reading.stamp_ns)
        if not self._driving:
            self._driving, self._opening = True, self._measured_opening
        self._move_gripper(reading, dt_s)
        return [
            Drive(
                stamp_ns,
                active=True,
                linear_m_s=self._in_base(linear),
                angular_rad_s=self._in_base(angular),
                gripper_opening=self._opening,
            )
        ]

    def _wanted(self, reading: Reading) -> tuple[Vector, Vector, int]:
        """Velocities in the frame of steering, and the stamp of the older reading behind them."""
        if self._config.device != "twist":
            return (*of_axes(reading, self._config), reading.stamp_ns)
        if self._velocity is None or not self._is_fresh(self._velocity_s):
            return np.zeros(3), np.zeros(3), reading.stamp_ns
        linear, angular = of_velocity(self._velocity, self._config)
        return linear, angular, min(reading.stamp_ns, self._velocity.stamp_ns)

    def _is_held(self, reading: Reading, linear: Vector, angular: Vector) -> bool:
        if self._config.dead_man != NONE:
            return reading.pressed(self._config.dead_man)
        gripper = (self._config.gripper_close, self._config.gripper_open)
        return bool(linear.any() or angular.any()) or any(map(reading.pressed, gripper))

    def _move_gripper(self, reading: Reading, dt_s: float) -> None:
        config = self._config
        if 0 <= config.gripper_axis < len(reading.axes):
            axis = reading.axes[config.gripper_axis]
            if np.isfinite(axis):
                self._opening = float(np.clip((axis + 1.0) / 2.0, 0.0, 1.0))
            return
        way = reading.pressed(config.gripper_open) - reading.pressed(config.gripper_close)
        change = way * config.gripper_speed * min(dt_s, config.silence_s)
        self._opening = float(np.clip(self._opening + change, 0.0, 1.0))

    def _in_base(self, vector: Vector) -> Vector:
        if self._config.frame == "base" or self._orientation is None:
            return vector
        return rotate(self._orientation, vector)

    def _cannot_turn(self) -> str:
        if self._config.frame == "tool" and self._orientation is None:
            return "no arm state has arrived yet, and frame is 'tool': start the arm's driver"
        return ""

    def _let_go(self, stamp_ns: int) -> list[Effect]:
        was_driving, self._driving = self._driving, False
        return [self._release(stamp_ns)] if was_driving else []

    def _release(self, stamp_ns: int) -> Drive:
        return Drive(
            stamp_ns,
            active=False,
            linear_m_s=np.zeros(3),
            angular_rad_s=np.zeros(3),
            gripper_opening=self._measured_opening,
        )

    def _is_fresh(self, seen_s: float) -> bool:
        return self._clock.now_s() - seen_s <= self._config.silence_s

    def _no_news(self) -> str:
        config = self._config
        since = "" if self._reading is None else f" for longer than {config.silence_s:g} s"
        if config.device in LOCAL:
            return f"the {config.device} says nothing{since}"
        return (
            f"nothing comes on teleop/joy{since}: start the device's driver in the namespace of "
            "the arm, joy_node with autorepeat_rate 20 or more"
        )
