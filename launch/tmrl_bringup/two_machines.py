"""How the parts of two machines reach each other: through the policy server's one door."""

from tmrl_bringup.parts import UPLINK
from tmrl_bringup.parts.part import Place
from tmrl_bringup.rig import Rig

ROS = "ros"
"""`learning.intake` of a lab that wants DDS between its machines."""


def through_one_door(rig: Rig, chosen: str) -> Rig:
    """The rig with what a machine of two needs, unless it says that DDS connects them.

    Args:
        rig: With every override in it.
        chosen: The argument `parts`: "robot" gets an uplink, and the learner of "gpu" takes its
            transitions from there; everything else stays as it is.
    """
    intake = rig.parts["learning"].get("intake")
    if chosen == Place.GPU and intake is None:
        return rig.with_overrides({"learning.intake": "port"})
    if chosen == Place.ROBOT and intake != ROS:
        return rig.with_overrides({f"{UPLINK}.robot": rig.robot})
    return rig
