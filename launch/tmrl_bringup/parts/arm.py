"""The driver of a real arm."""

from tmrl_bringup.parts.part import Part, RigKind

PART = Part(
    name="arm",
    configuration=("tmrl_arm.params:ArmConfig",),
    package="tmrl_arm",
    executable="arm",
    rigs=RigKind.HARDWARE,
    # It brakes before it lets go of the arm; killed in the middle, the arm would stop harder.
    stop_grace_s=10.0,
)
