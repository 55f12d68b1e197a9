"""What asks the policy for chunks and records their transitions."""

from tmrl_bringup.parts.part import Part

PART = Part(
    name="agent",
    configuration=("tmrl_agent.params:AgentConfig",),
    package="tmrl_agent",
    executable="agent",
)
