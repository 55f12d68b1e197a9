"""Carries the ingestion's decisions out, wherever the transitions come from."""

from collections.abc import Callable, Sequence

from tmrl_learner.worker import LearnerWorker
from tmrl_learning.ingestion import Complain, Effect, Fetch, GiveUp, Take


def hand_over(
    effects: Sequence[Effect],
    robot: str,
    worker: LearnerWorker,
    ask: Callable[[int], None],
    complain: Callable[[str], object],
) -> None:
    """Carries effects out in their order.

    Args:
        effects: What the ingestion decided.
        robot: Name of the arm whose journal it is.
        worker: Takes the transitions.
        ask: Called with the first sequence number that is wanted from the journal.
        complain: Called with sentences for the log.
    """
    for effect in effects:
        match effect:
            case Fetch(first):
                ask(first)
            case Take(transition):
                worker.put(transition)
            case GiveUp(first, last):
                worker.give_up(robot, first, last)
            case Complain(sentence):
                complain(sentence)
