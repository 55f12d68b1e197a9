"""The policy server, the one part that is no ROS node."""

from tmrl_bringup.parts.part import Part, Place

PART = Part(
    name="policy_server",
    configuration=(
        "tmrl_policy_server.config:ServerConfig",
        "tmrl_policy_server.config:EngineConfig",
        "tmrl_policies.pi0.inputs.settings:Pi0Settings",
    ),
    package="",
    executable="tmrl_policy_server",
    place=Place.GPU,
    restartable=True,
)
