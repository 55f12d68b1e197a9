"""The learner."""

from tmrl_bringup.parts.part import Part, Place

PART = Part(
    name="learning",
    configuration=("tmrl_learner.run_config:RunConfig",),
    package="tmrl_learning",
    executable="learning",
    place=Place.GPU,
    restartable=True,
)
