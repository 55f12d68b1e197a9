"""The cameras of a real cell, one node each."""

from tmrl_bringup.parts.part import Part, RigKind

PART = Part(
    name="cameras",
    configuration=("tmrl_camera.params:CameraConfig",),
    package="tmrl_camera",
    executable="camera",
    rigs=RigKind.HARDWARE,
    restartable=True,
    named=True,
)
