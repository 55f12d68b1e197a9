"""What records the topics of a session, one file for each episode."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="recorder",
    configuration=("tmrl_recorder.params:RecorderConfig",),
    package="tmrl_recorder",
    executable="recorder",
    restartable=True,
    optional=True,
)
