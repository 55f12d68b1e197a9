"""What a person at a device relies on: held drives, let go stops, silence stops."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.errors import ConfigError
from tmrl_common.geometry import quaternion_from_rotation_vector
from tmrl_common.testing.fake_clock import FakeClock
from tmrl_teleop.core import Teleop
from tmrl_teleop.effects import Drive, Press
from tmrl_teleop.params import TeleopConfig
from tmrl_teleop.reading import Reading, Velocity

REST = (0.0,) * 8
HELD = (False,) * 5 + (True,) + (False,) * 5
FREE = (False,) * 11


class Bench:
    """A device on a bench, with a clock that stands still unless it is moved."""

    def __init__(self, **given: Any) -> None:
        self.config = TeleopConfig(robot="widowx", **given)
        self.clock = FakeClock()
        self.core = Teleop(self.config, self.clock)
        self.core.arm_seen(quaternion_from_rotation_vector(np.zeros(3)), 0.4)
        self.stamp_ns = 0

    def read(self, axes: tuple[float, ...] = REST, buttons: tuple[bool, ...] = FREE) -> list[Any]:
        self.stamp_ns += 1
        return self.core.reading_seen(Reading(self.stamp_ns, axes, buttons))

    def tick(self, seconds: float = 0.02) -> Drive | None:
        self.clock.advance(seconds)
        effects = self.core.tick()
        assert len(effects) <= 1
        return effects[0] if effects else None  # type: ignore[return-value]

    def drive(self, axes: tuple[float, ...], buttons: tuple[bool, ...] = HELD) -> Drive:
        self.read(axes, buttons)
        command = self.tick()
        assert command is not None
        return command


def buttons(*pressed: int) -> tuple[bool, ...]:
    return tuple(number in pressed for number in range(11))


def test_a_stick_moves_the_tool_the_way_it_is_pushed() -> None:
    bench = Bench()
    bench.read()
    forward = bench.drive((0.0, 1.0, *REST[2:]))
    assert forward.active
    assert forward.linear_m_s == pytest.approx([0.1, 0.0, 0.0])
    assert forward.stamp_ns == bench.stamp_ns, "the controller judges the age of the reading"
    left_and_up = bench.drive((1.0, 0.0, 0.0, 0.0, 1.0, *REST[5:]))
    assert left_and_up.linear_m_s == pytest.approx([0.0, 0.1, 0.1])
    turn = bench.drive((0.0, 0.0, 0.0, 1.0, *REST[4:]))
    assert turn.angular_rad_s == pytest.approx([0.0, 0.0, 0.5])


def test_nobody_drives_without_the_dead_man_switch() -> None:
    bench = Bench()
    command = bench.drive((1.0,) * 8, FREE)
    assert not command.active
    assert not command.linear_m_s.any()


def test_a_device_that_falls_silent_is_let_go_of_once() -> None:
    bench = Bench()
    assert bench.drive((1.0,) * 8).active
    last = bench.tick(0.3)
    assert last is not None
    assert not last.active
    assert bench.tick() is None
    assert "for longer than 0.25 s" in bench.core.problem


@pytest.mark.parametrize("seconds", [0.3, 0.01])
def test_a_device_that_comes_back_held_drives_only_after_it_was_let_go(seconds: float) -> None:
    bench = Bench()
    assert bench.drive((1.0,) * 8).active
    if seconds < bench.config.silence_s:
        bench.core.device_lost()
    bench.clock.advance(seconds)
    bench.read((1.0,) * 8, HELD)
    again = bench.tick()
    assert again is not None
    assert not again.active
    bench.read((1.0,) * 8, HELD)
    assert bench.tick() is None
    assert "let go of it once" in bench.core.problem
    assert not bench.drive((1.0,) * 8, FREE).active
    assert bench.drive((1.0,) * 8).active
    assert not bench.core.problem


def test_a_device_that_is_lost_is_let_go_of_at_once() -> None:
    bench = Bench()
    assert bench.drive((1.0,) * 8).active
    bench.core.device_lost()
    released = bench.tick(0.001)
    assert released is not None
    assert not released.active


def test_a_device_that_was_never_heard_of_says_what_to_start() -> None:
    bench = Bench()
    assert bench.tick() is None
    assert "joy_node" in bench.core.problem


def test_a_button_asks_once_and_one_that_was_down_at_the_start_does_not() -> None:
    bench = Bench()
    assert bench.read(buttons=buttons(6)) == []
    assert bench.read() == []
    assert bench.read(buttons=buttons(6)) == [Press.ESTOP]
    assert bench.read(buttons=buttons(6)) == []
    bench.clock.advance(5.0)
    assert bench.read(buttons=buttons(7)) == [], "it may have gone down during the silence"
    bench.read()
    assert bench.read(buttons=buttons(7, 3)) == [Press.RESUME, Press.SUCCESS]


def test_the_gripper_starts_where_it_is_and_moves_while_a_button_is_held() -> None:
    bench = Bench(gripper_speed=2.0)
    bench.read()
    assert bench.drive(REST).gripper_opening == pytest.approx(0.4)
    assert bench.drive(REST, buttons(5, 1)).gripper_opening == pytest.approx(0.44)
    assert bench.drive(REST, buttons(5, 0)).gripper_opening == pytest.approx(0.40)
    axis = Bench(gripper_axis=7)
    assert axis.drive((*REST[:7], -1.0)).gripper_opening == 0.0


def test_the_tool_frame_turns_with_the_tool() -> None:
    bench = Bench(frame="tool")
    quarter_left = quaternion_from_rotation_vector(np.array([0.0, 0.0, np.pi / 2]))
    bench.core.arm_seen(quarter_left, 0.4)
    bench.read()
    assert bench.drive((0.0, 1.0, *REST[2:])).linear_m_s == pytest.approx([0.0, 0.1, 0.0])


def test_the_tool_frame_drives_nothing_before_the_arm_is_known() -> None:
    config = TeleopConfig(robot="widowx", frame="tool")
    core = Teleop(config, FakeClock())
    core.reading_seen(Reading(1, (1.0,) * 8, HELD))
    assert core.tick() == []
    assert "start the arm's driver" in core.problem


def test_a_device_that_springs_back_drives_by_being_moved() -> None:
    bench = Bench(dead_man=-1, axes=(0, 1, 2, 3, 4, 5))
    still = bench.drive((0.05,) * 6, FREE)
    assert not still.active
    assert bench.drive((0.5, *REST[1:6]), FREE).active
    assert bench.drive(REST[:6], buttons(0)).active, "the gripper alone is driving, too"
    assert not bench.drive(REST[:6], FREE).active


def test_a_twist_is_cut_to_the_largest_speed_and_needs_the_switch() -> None:
    bench = Bench(device="twist")
    bench.core.velocity_seen(Velocity(7, (3.0, 4.0, 0.0), (0.0, 0.0, 0.2)))
    command = bench.drive(REST)
    assert command.linear_m_s == pytest.approx([0.06, 0.08, 0.0])
    assert command.angular_rad_s == pytest.approx([0.0, 0.0, 0.2])
    assert command.stamp_ns == 1, "as old as the older of the two"
    assert not bench.drive(REST, FREE).active
    bench.clock.advance(0.3)
    assert not bench.drive(REST, FREE).active
    old = bench.drive(REST)
    assert old.active
    assert not old.linear_m_s.any(), "a velocity that is not repeated is over"


@given(
    axes=st.lists(st.floats(width=32), max_size=9).map(tuple),
    pressed=st.lists(st.booleans(), max_size=12).map(tuple),
    frame=st.sampled_from(["base", "tool"]),
    dead_zone=st.floats(0.05, 0.9),
)
def test_no_reading_whatever_asks_for_more_than_the_limits_or_drives_unpressed(
    axes: tuple[float, ...], pressed: tuple[bool, ...], frame: str, dead_zone: float
) -> None:
    bench = Bench(frame=frame, dead_zone=dead_zone)
    command = bench.drive(axes, pressed)
    assert command.active == (len(pressed) > 5 and pressed[5])
    assert np.abs(command.linear_m_s).max() <= bench.config.max_linear_m_s * np.sqrt(3.0) + 1e-9
    assert np.abs(command.angular_rad_s).max() <= bench.config.max_angular_rad_s * np.sqrt(3) + 1e-9
    assert 0.0 <= command.gripper_opening <= 1.0


@pytest.mark.parametrize(
    ("given_values", "words"),
    [
        ({"axes": (0, 1)}, "axes has 2 values; it needs 6: x, y, z"),
        ({"resume": 5}, "resume and dead_man are both button 5"),
        ({"dead_man": -1, "dead_zone": 0.0}, "would drive the arm"),
        ({"device": "mouse"}, "device"),
    ],
)
def test_a_configuration_that_would_surprise_is_refused(
    given_values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        TeleopConfig(robot="widowx", **given_values)
