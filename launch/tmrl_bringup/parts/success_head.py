"""What suggests which episodes succeeded."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="success_head",
    configuration=("tmrl_success.params:SuccessHeadConfig",),
    package="tmrl_success",
    executable="success_head",
    restartable=True,
    optional=True,
)
