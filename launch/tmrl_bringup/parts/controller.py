"""The only way to the arm: it checks, limits and paces every command."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="controller",
    configuration=("tmrl_controller.config:ControllerConfig",),
    package="tmrl_controller",
    executable="controller",
)
