"""The stream of setpoints: what it refuses to do without a start."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_common.arm import CommandMode
from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.limiter import Move, Setpoint, limit_move
from tmrl_controller.setpoints import SetpointStream
from tmrl_controller.testing import CONFIG, ManualClock, arm_state

STILL = Move(np.zeros(3), np.zeros(3), 1.0)
SOMEWHERE = Setpoint(np.array([0.275, 0.0, 0.15]), IDENTITY_QUATERNION, 1.0)


def limiting(move, config=CONFIG):
    def limit(previous, measured):
        return limit_move(config.motion_limits, previous, move, measured, config.control_period_s)

    return limit


@pytest.fixture
def arm():
    return ArmMonitor(CONFIG.robot, CONFIG.max_arm_state_age_s)


@pytest.fixture
def commands():
    return []


@pytest.fixture
def stream(arm, commands):
    return SetpointStream(CONFIG, ManualClock(), arm, commands.append)


def test_without_an_anchor_there_is_no_target(stream):
    with pytest.raises(RuntimeError, match="anchor"):
        _ = stream.target


def test_without_an_anchor_or_an_arm_state_nothing_is_commanded(stream, arm, commands):
    arm.receive(arm_state(), 0.0)
    with pytest.raises(RuntimeError, match="needs an anchor"):
        stream.advance(limiting(STILL), 0.1)
    assert commands == []


def test_without_an_arm_state_nothing_is_commanded(stream, commands):
    stream.anchor(SOMEWHERE)
    with pytest.raises(RuntimeError, match="an arm state"):
        stream.advance(limiting(STILL), 0.1)
    stream.settle(latched=True)
    assert [command.mode for command in commands] == [0]


def test_after_a_stop_the_next_move_starts_from_rest(arm, commands):
    config = replace(CONFIG, max_translation_change_m=0.01)
    stream = SetpointStream(config, ManualClock(), arm, commands.append)
    arm.receive(arm_state(), 0.0)
    stream.anchor(SOMEWHERE)
    along_x = Move(np.array([0.01, 0.0, 0.0]), np.zeros(3), 1.0)
    stream.advance(limiting(along_x, config), config.control_period_s)
    stream.stop()

    against_x = Move(np.array([-0.01, 0.0, 0.0]), np.zeros(3), 1.0)
    assert not stream.advance(limiting(against_x, config), config.control_period_s)
    assert stream.target.position_m == pytest.approx(SOMEWHERE.position_m)


def test_a_hold_asked_for_before_anything_is_known_of_the_arm_is_sent_all_the_same(
    stream, commands
):
    stream.stop()
    stream.settle(latched=False)
    stream.settle(latched=False)

    (hold,) = commands
    assert hold.mode is CommandMode.HOLD
    pose = (*hold.target.position_m, *hold.target.quaternion, hold.target.gripper)
    assert np.isfinite(pose).all()
