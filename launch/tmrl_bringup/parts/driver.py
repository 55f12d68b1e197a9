"""The simulated arm and its world."""

from tmrl_bringup.parts.part import Part, RigKind

PART = Part(
    name="driver",
    configuration=("tmrl_sim.params:SimConfig",),
    package="tmrl_sim",
    executable="sim",
    rigs=RigKind.SIMULATED,
)
