"""What the controller tells about itself: enough to see from afar why the arm stands still."""

import numpy as np

from tmrl_controller.core import ControllerCore
from tmrl_controller.diagnostics import health
from tmrl_controller.testing import CONFIG, HardwareScene, ManualClock, action_chunk
from tmrl_controller.ticker import Ticker


def ticker():
    return Ticker(CONFIG.tick_period_s, lambda: None)


def test_while_all_is_well_there_is_nothing_to_look_at(scene):
    reason, figures = health(scene.core, ticker())

    assert reason == ""
    assert figures["mode"] == "policy"
    assert figures["arm_state_age_s"] == "0.000"
    assert "tick_late_p99_ms" not in figures, "this one never ticked by itself"


def test_before_the_first_arm_state_its_age_is_not_made_up():
    _, figures = health(ControllerCore(CONFIG, ManualClock()), ticker())

    assert figures["arm_state_age_s"] == "none yet"


def test_clamped_steps_and_refused_chunks_are_counted(scene):
    actions = action_chunk().actions.copy()
    actions[0] = 0.05
    scene.offer(execute_steps=1, actions=actions)
    scene.run(0.5)
    scene.offer(sequence=2, sigma=0.95)

    _, figures = health(scene.core, ticker())

    assert figures["limited_by_translation"] == "1"
    assert figures["steps_clamped"] == "1"
    assert (figures["chunks_accepted"], figures["chunks_refused"]) == ("1", "1")
    assert "sigma is 0.95" in figures["last_refusal"]


def test_a_latched_stop_is_something_to_look_at():
    for stop, sentence in (
        (lambda scene: scene.core.estop("smoke"), "smoke"),
        (lambda scene: scene.see(fault="motor 3 is off"), "motor 3 is off"),
    ):
        scene = HardwareScene()
        stop(scene)
        assert health(scene.core, ticker())[0] == sentence


def test_how_punctual_the_ticks_are_is_told():
    punctual = ticker()
    punctual.scheduling = "SCHED_FIFO 50"
    for late_s in np.full(100, 0.001):
        punctual.lateness.record(late_s)

    _, figures = health(HardwareScene().core, punctual)

    assert figures["tick_late_p99_ms"] == figures["tick_late_max_ms"] == "1.000"
    assert figures["ticks"] == "100"
    assert figures["scheduling"] == "SCHED_FIFO 50"
