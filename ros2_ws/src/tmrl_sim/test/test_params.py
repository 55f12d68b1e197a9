import pytest

from tmrl_sim.params import SimConfig


def test_only_the_arm_has_to_be_named():
    config = SimConfig(robot="widowx")
    assert config.lock_step
    assert config.base_frame == "widowx/base"


def test_only_what_can_be_drawn_is_recorded(tmp_path):
    def recorded_in(**values):
        return SimConfig(robot="widowx", **values).recorded_in

    assert recorded_in(run_dir=str(tmp_path)) == tmp_path
    assert recorded_in() is None
    assert recorded_in(run_dir=str(tmp_path), backend="loopback") is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"robot": ""}, "robot is empty"),
        ({"backend": "mujuco"}, "did you mean 'mujoco'"),
        ({"layout": "upstream"}, "did you mean 'downstream'"),
        ({"target": "shrimp"}, "carrot, sausage"),
        ({"cameras": ("overview", "side")}, "overview, wrist"),
        ({"seed": -1}, "seed is -1"),
        ({"image_size_px": 4000}, "16 to 960"),
        ({"real_time_factor": 0.5}, "choose 0"),
        ({"real_time_factor": float("nan")}, "0 to 20"),
        ({"real_time_factor": 100.0}, "0 to 20"),
        ({"camera_rate_hz": 0.0}, "camera_rate_hz is 0.0"),
        ({"control_period_s": 0.033}, "multiple of the physics step"),
        ({"tick_rate_hz": 60.0}, "multiple of the physics step"),
        ({"tick_rate_hz": 0.0}, "tick_rate_hz is 0.0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SimConfig(**{"robot": "widowx", **values})


def test_the_physics_step_is_that_of_the_model():
    from tmrl_cell.cell import WidowXCell
    from tmrl_sim.params import PHYSICS_STEP_S

    assert WidowXCell().model.opt.timestep == PHYSICS_STEP_S
