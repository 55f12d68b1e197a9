"""The page from which a person runs the session."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="console",
    configuration=("tmrl_console.params:ConsoleConfig",),
    package="tmrl_console",
    executable="console",
    restartable=True,
    optional=True,
)
