"""The simulated Franka is the arm that the driver and the controller reckon with."""

import numpy as np
import pytest

from tmrl_arm.franka.kinematics import FrankaKinematics
from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.franka.task_file import load_task
from tmrl_cell.layouts import LayoutName


def test_the_models_tool_is_where_the_drivers_kinematics_have_it() -> None:
    cell = FrankaCell(load_task("press_button"))
    low_rad, high_rad = cell.joint_limits_rad
    rng, driver = np.random.default_rng(0), FrankaKinematics()
    for _ in range(50):
        joints = rng.uniform(low_rad, high_rad)
        chain = driver.chain(joints)
        position_m, _ = cell.kinematics.tool(joints)
        expected_m = chain.flange_m + 0.1034 * chain.axes[-1]
        np.testing.assert_allclose(position_m, expected_m, atol=1e-6)
        jacobian = cell.kinematics.jacobian(joints)
        np.testing.assert_allclose(jacobian, chain.jacobian(expected_m), atol=1e-6)


@pytest.mark.parametrize("joint", range(7))
def test_each_servo_turns_its_own_joint(joint: int) -> None:
    task = load_task("press_button")
    cell = FrankaCell(task)
    cell.reset(task.layouts[LayoutName.DOWNSTREAM].draw(np.random.default_rng(0)))
    velocity = np.zeros(7)
    velocity[joint] = 0.3
    cell.command(velocity, 0.0)
    measured = cell.advance(0.3).joint_velocity_rad_s
    np.testing.assert_allclose(measured, velocity, atol=0.03)
