"""What tmrl_arm says about its driver of the WidowX 250."""

from tmrl_arm.interbotix.config import InterbotixConfig, capabilities_of
from tmrl_common.arm_drivers import DriverDescription

DESCRIPTION = DriverDescription(
    name="interbotix",
    driver="tmrl_arm.interbotix.driver:InterbotixDriver",
    simulated=False,
    settings=InterbotixConfig,
    capabilities=capabilities_of,
    remedy="build and source the vendor's workspace with interbotix_xs_msgs",
)
