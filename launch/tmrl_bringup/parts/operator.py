"""The episodes of a session, and the person who resets and labels."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="operator",
    configuration=("tmrl_operator.params:OperatorConfig",),
    package="tmrl_operator",
    executable="operator",
)
