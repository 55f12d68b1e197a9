"""What tmrl_arm says about its driver of the Franka."""

from tmrl_arm.franka.franky_config import FrankyConfig, capabilities_of
from tmrl_arm.franka.kinematics import FrankaKinematics
from tmrl_common.arm_drivers import DriverDescription

DESCRIPTION = DriverDescription(
    name="franky",
    driver="tmrl_arm.franka.franky_robot:make_driver",
    simulated=False,
    settings=FrankyConfig,
    capabilities=capabilities_of,
    kinematics=FrankaKinematics(),
    remedy="install franky-control (./tmrl setup does)",
)
