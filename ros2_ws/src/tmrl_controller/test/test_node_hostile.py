"""Whatever comes over DDS, the tick continues, the arm holds, and the e-stop answers."""

import errno
import math
import os

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from geometry_msgs.msg import Point, Pose, Quaternion

from tmrl_controller.chunk_gate import ChunkGate
from tmrl_controller.testing.world_node import PARAMETERS, Bench
from tmrl_msgs import msg

pytestmark = pytest.mark.ros

UPRIGHT = Quaternion(w=1.0)
POISON = {
    "the last number there is": {"sequence": 2**64 - 1},
    "a pose that is no number": {"x_base_tool": Pose(position=Point(x=math.nan))},
    "an endless pose": {"x_base_tool": Pose(position=Point(y=math.inf), orientation=UPRIGHT)},
    "a pose beyond the horizon": {
        "x_base_tool": Pose(position=Point(x=1e300), orientation=UPRIGHT)
    },
    "a rotation that is none": {"x_base_tool": Pose(orientation=Quaternion(w=0.0))},
    "an endless gripper": {"gripper_command": math.inf},
}


@pytest.fixture
def moving(ros_domain_id):
    """A controller in the middle of a chunk, and a recorder beside it."""
    with Bench(ros_domain_id, PARAMETERS) as bench:
        bench.connect()
        bench.world.publish_state()
        bench.resume()
        bench.world.offer(execute_steps=8)
        bench.until(lambda: len(bench.world.moves) >= 2, "motion")
        yield bench


def check_that_it_holds_and_answers(bench):
    world = bench.world
    bench.until(lambda: len(world.holds) >= 5, "holds, again and again")
    first_hold = world.holds[0].sequence
    assert all(move.sequence < first_hold for move in world.moves)
    bench.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.FAULT, "the fault")
    assert bench.ask("estop").success
    bench.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.ESTOP, "the e-stop")
    assert all(move.sequence < first_hold for move in world.moves)
    assert bench.ask("clear_estop", operator_name="Ada").success
    world.publish_state()
    bench.resume()
    before = len(world.moves)
    world.offer(sequence=2, execute_steps=1, chunk=1)
    bench.until(lambda: len(world.moves) > before, "motion after a person has looked")


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_a_poisonous_arm_state_in_mid_motion_makes_the_arm_hold(moving, poison):
    sequence = moving.world.sequence
    moving.world.publish_state(**poison)
    moving.world.sequence = sequence

    check_that_it_holds_and_answers(moving)


def test_an_error_of_the_program_makes_the_arm_hold_and_is_reported(moving, monkeypatch):
    def broken(gate, chunk, age_s):
        raise ZeroDivisionError("nobody thought of this")

    with monkeypatch.context() as patched:
        patched.setattr(ChunkGate, "judge", broken)
        moving.world.offer(sequence=2)
        moving.until(lambda: moving.world.holds, "the first hold")

    check_that_it_holds_and_answers(moving)
    _, figures = moving.controller.health()
    assert figures["internal_errors"] == "1"
    assert any("nobody thought of this" in status.reason for status in moving.world.statuses)


def test_a_tick_that_fails_every_time_holds_every_time(moving, monkeypatch):
    def broken():
        raise ZeroDivisionError("every tick")

    with monkeypatch.context() as patched:
        patched.setattr(moving.controller._core, "tick", broken)
        moving.until(lambda: len(moving.world.holds) >= 5, "holds from ticks that all fail")
        assert moving.ask("estop").success

    assert moving.ask("clear_estop", operator_name="Ada").success


ROGUE = {
    "a new epoch": {"agent_epoch": "rogue", "sequence": 7, "horizon": 4},
    "the last number": {"sequence": 2**64 - 1},
    "the last episode": {"sequence": 2, "episode": 2**32 - 1},
}


@pytest.mark.parametrize("forged", ROGUE.values(), ids=ROGUE)
def test_a_rogue_publisher_of_chunks_does_not_put_the_real_agent_out(moving, forged):
    world = moving.world
    world.offer(**forged)
    moving.until(lambda: any(o.result == msg.ChunkOutcome.REFUSED for o in world.outcomes), "no")

    world.offer(sequence=3, execute_steps=1)

    moving.until(lambda: any(o.sequence == 3 for o in world.outcomes), "the real agent's chunk")
    (real,) = [outcome for outcome in world.outcomes if outcome.sequence == 3]
    assert real.result == msg.ChunkOutcome.COMPLETED, real.reason


def test_the_operator_sees_an_estop_that_a_full_disk_would_forget(
    ros_domain_id, tmp_path, monkeypatch
):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Bench(ros_domain_id, PARAMETERS | {"estop_file": str(tmp_path / "estop")}) as bench:
        bench.connect()
        world = bench.world
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            assert bench.ask("estop").success
            bench.until(lambda: "No space left" in world.statuses[-1].reason, "the full disk")
            assert "a restart would clear the e-stop" in bench.controller.health()[0]

        bench.until(lambda: "No space left" not in world.statuses[-1].reason, "the next try")
        assert (tmp_path / "estop").exists()
        assert world.statuses[-1].mode == msg.ControllerStatus.ESTOP
