"""The core stops: hold, e-stop, faults, and how people get it going again."""

import numpy as np
import pytest

from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import ControllerStatus, LimitedCommand
from tmrl_controller.testing import (
    CONFIG,
    HardwareScene,
    ManualClock,
    arm_state,
    at_s,
    holds,
    moves,
    of,
)


def test_hold_ends_the_chunk_and_stops_the_arm_at_once(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)

    reply = scene.core.hold("lunch")
    decisions = scene.run(1.0)

    assert reply.success
    assert moves(decisions) == []
    assert len(holds(decisions)) == 1
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code, outcome.reason) == (
        ChunkResult.PREEMPTED,
        "hold",
        "lunch",
    )
    assert len(outcome.driver) == 2
    assert scene.core.status().reason == "lunch"


def test_a_chunk_that_still_waits_when_the_arm_is_stopped_is_preempted(scene):
    scene.offer()
    scene.core.hold()

    outcomes = of(scene.run(0.1), ChunkOutcome)

    assert [(o.result, len(o.driver)) for o in outcomes] == [(ChunkResult.PREEMPTED, 0)]


def test_the_estop_stops_latches_and_needs_a_name(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)

    scene.core.estop("smoke")
    decisions = scene.run(0.2)

    assert moves(decisions) == []
    assert len(holds(decisions)) == 10, "while latched, the hold is repeated every tick"
    assert of(decisions, ChunkOutcome)[0].code == "estop"
    for reply in (scene.core.resume(), scene.core.hold(), scene.core.clear_estop(" ")):
        assert not reply.success
    assert scene.mode is ControllerMode.ESTOP
    assert scene.core.clear_estop("Ada").success
    assert scene.mode is ControllerMode.HOLD
    assert not scene.core.clear_estop("Ada").success
    scene.offer(sequence=2)
    assert moves(scene.run(1.0)) == []
    assert scene.core.resume().success


@pytest.mark.parametrize("changes", [None, {"robot": "franka"}, {"position_m": np.full(3, np.nan)}])
def test_the_estop_stops_an_arm_of_which_nothing_is_known(changes):
    clock = ManualClock()
    core = ControllerCore(CONFIG, clock)
    if changes is not None:
        core.on_arm_state(arm_state(**changes))
    assert core.estop().success

    first, second = core.tick(), core.tick()

    assert len(holds(first)) == len(holds(second)) == 1, "repeated while it is latched"


def test_a_fault_of_the_arm_latches_until_it_is_gone_and_hold_is_called(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.see(fault="motor 3 is off: reboot it")

    decisions = scene.tick(arm_answers=False)

    assert moves(decisions) == []
    assert len(holds(decisions)) == 1
    assert of(decisions, ChunkOutcome)[0].code == "fault"
    assert scene.core.status().reason == "motor 3 is off: reboot it"
    assert "motor 3" in scene.core.hold().message
    assert "motor 3" in scene.core.resume().message
    scene.see()
    assert scene.mode is ControllerMode.FAULT
    assert not scene.core.resume().success
    assert scene.core.hold().success
    assert scene.core.resume().success


def test_an_arm_that_falls_silent_while_it_may_move_is_a_fault(scene):
    scene.offer(execute_steps=8)

    decisions = scene.run(0.5, arm_answers=False)

    assert scene.mode is ControllerMode.FAULT
    assert "arm state stale" in scene.core.status().reason
    last_move_s = at_s(moves(decisions)[-1])
    assert at_s(holds(decisions)[0]) > last_move_s
    assert "arm state stale" in scene.core.hold().message


def test_a_silent_arm_in_hold_is_no_fault_but_cannot_be_resumed():
    scene = HardwareScene()
    scene.run(1.0, arm_answers=False)

    assert scene.mode is ControllerMode.HOLD
    assert "arm state stale" in scene.core.resume().message


def test_a_restarted_driver_never_moves_before_it_is_resumed(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.sequence = 0
    scene.see()

    decisions = scene.run(1.0)

    assert moves(decisions) == []
    assert "the driver restarted" in scene.core.status().reason


def test_an_arm_outside_the_box_cannot_be_resumed():
    scene = HardwareScene()
    scene.position_m = np.array([0.6, 0.0, 0.15])
    scene.see()

    reply = scene.core.resume()

    assert not reply.success
    assert "outside the workspace box" in reply.message


def test_an_episode_that_would_start_outside_the_box_is_refused(scene):
    scene.position_m = np.array([0.6, 0.0, 0.15])
    scene.see()
    scene.offer()

    decisions = scene.run(0.5)

    assert moves(decisions) == []
    assert of(decisions, ChunkOutcome)[0].code == "cannot_start"


def test_the_status_is_told_when_it_changes_and_only_then(scene):
    assert len(of(scene.tick(), ControllerStatus)) == 1
    assert of(scene.run(0.2), ControllerStatus) == []
    scene.core.hold()
    assert of(scene.tick(), ControllerStatus)[0].mode is ControllerMode.HOLD


def test_commands_are_numbered_without_gaps(scene):
    scene.offer(execute_steps=3)
    scene.run(1.0)
    scene.core.estop()
    scene.run(0.1)

    sequences = [command.sequence for command in of(scene.log, LimitedCommand)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_whom_it_waits_for_is_told_until_everybody_is_there():
    core = ControllerCore(CONFIG, ManualClock())

    def newly_told():
        return [status.waits_for for status in of(core.tick(), ControllerStatus)]

    assert newly_told() == ["no arm state has arrived yet: start the driver"]
    core.on_arm_state(arm_state())
    assert newly_told() == ["nobody listens to arm/command: start the driver"]
    core.on_listeners(commands=1, outcomes=0)
    assert newly_told() == ["nobody listens to controller/outcome: start the agent"]
    core.on_listeners(commands=1, outcomes=1)
    assert newly_told() == [""]
    assert newly_told() == []
