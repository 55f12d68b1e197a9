"""What stands on the robot's machine for a learner on another one."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="uplink",
    configuration=("tmrl_learning.uplink_config:UplinkConfig",),
    package="tmrl_learning",
    executable="uplink",
    restartable=True,
    optional=True,
)
