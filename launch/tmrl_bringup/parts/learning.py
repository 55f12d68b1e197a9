"""The learner."""

from tmrl_bringup.parts.part import Part, Place

PART = Part(
    name="learning",
    configuration=("tmrl_learner.run_config:RunConfig",),
    package="tmrl_learning",
    executable="learning",
    place=Place.GPU,
    restartable=True,
    # On a busy machine its checkpoint, and the ends of torch and wandb, take seconds.
    stop_grace_s=8.0,
)
