"""The device with which a person takes the arm over."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="teleop",
    configuration=("tmrl_teleop.params:TeleopConfig",),
    package="tmrl_teleop",
    executable="teleop",
    restartable=True,
    optional=True,
)
