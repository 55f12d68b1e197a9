"""What tmrl_sim says about its driver, the simulated WidowX in real time."""

from tmrl_common.arm_drivers import DriverDescription

DESCRIPTION = DriverDescription(
    name="mujoco",
    driver="tmrl_sim.driver:SimulatedArm",
    simulated=True,
    remedy="build tmrl_sim (./tmrl setup)",
)
