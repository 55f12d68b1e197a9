"""What the learner may conclude from one `tmrl_common.transitions.Transition`.

How an episode ends is said by three separate flags, because each means something else to the
critic:

| flag       | meaning                                   | TD target                               |
|------------|-------------------------------------------|-----------------------------------------|
| terminated | the task is done                          | the reward alone, no bootstrap          |
| truncated  | time limit, or a person ended it          | bootstraps from its own `next_features` |
| aborted    | fault or e-stop, the state is not trusted | none: stored, never learned from        |
"""

import numpy as np

from tmrl_common.chunks import Driver
from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.types import FloatArray, SteeringSource

FLOAT_FIELDS = ("features", "z", "sigma", "epsilon", "reward", "next_features")

STEERED = ("z", "epsilon")
"""What a person's segment has none of: there was nothing to steer."""

EpisodeKey = tuple[str, str, int]
"""Robot, session, episode."""


def episode_key(transition: Transition) -> EpisodeKey:
    """The episode that a transition belongs to."""
    return transition.robot, transition.session, transition.episode


def unsteered(transition: Transition) -> bool:
    """Whether a person drove without a chunk, so that there is neither z nor epsilon."""
    return transition.steering is SteeringSource.NONE and not transition.z.size


def explained_in_hindsight(transition: Transition) -> bool:
    """Whether a person drove, and a latent was found that leads to the same actions."""
    return transition.steering is SteeringSource.NONE and transition.z.size > 0


def explains_latent(transition: Transition) -> bool:
    """Whether (z, sigma, epsilon) explain the reward: the policy drove every executed step.

    A chunk that teleoperation took over, or of which no step ran, says nothing about the latent
    that was asked for; an aborted one ends in a state that nobody vouches for. What a person drove
    counts where its latent was found (`tmrl_learner.hindsight`).
    """
    if explained_in_hindsight(transition):
        return not transition.aborted
    driven = transition.driver.size > 0 and bool((transition.driver == Driver.POLICY).all())
    return driven and not transition.aborted and not unsteered(transition)


def explains_actions(transition: Transition, width: int) -> bool:
    """Whether the executed actions, as `actions_row` stores them, explain the reward.

    It does not matter who drove, but every step must be there: of a longer intervention the
    stored row would show the beginning only.
    """
    driven = transition.driver.size > 0 and bool((transition.driver != Driver.NONE).all())
    return driven and not transition.aborted and transition.executed_actions.size <= width


def actions_row(transition: Transition, width: int) -> FloatArray:
    """What was executed, flattened, as the row of a critic that judges actions.

    A chunk that ended early, because the task was done or the time was up, is filled up by holding
    its last action: the transition does not carry what had been planned, and zero is no neutral
    action in every action space.

    Args:
        transition: With at least one executed step, unless it explains nothing.
        width: h * A, for h steps of A numbers.

    Raises:
        InvalidTransitionError: A does not divide the width.
    """
    actions = transition.executed_actions
    if width % actions.shape[1] != 0:
        raise InvalidTransitionError(
            f"transition {transition.sequence} of session {transition.session!r}: executed_actions "
            f"has {actions.shape[1]} columns; this learner was configured for chunks of {width} "
            "numbers, which is no multiple of it"
        )
    row = np.zeros(width, np.float32)
    if explains_actions(transition, width):
        steps = row.reshape(-1, actions.shape[1])
        steps[: len(actions)] = actions
        steps[len(actions) :] = actions[-1]
    return row
