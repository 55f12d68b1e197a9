"""Sessions for tests of the success head: the first feature tells whether the task is done."""

from collections.abc import Iterator

import numpy as np

from tmrl_common.testing.transition_examples import example_transition
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome

CHUNKS = 6
FEATURES = 8


def episode(
    number: int, outcome: Outcome, random: np.random.Generator, *, done: bool | None = None
) -> list[Transition]:
    """The transitions of one episode, numbered from `CHUNKS * (number - 1) + 1` on.

    Args:
        number: Of the episode.
        outcome: Its label.
        random: Of all features but the first.
        done: Whether its last state looks as if the task were done; None: where it is a success.
    """
    looks_done = outcome is Outcome.SUCCESS if done is None else done
    rows: list[Transition] = []
    for chunk in range(CHUNKS):
        features = random.normal(size=FEATURES).astype(np.float32)
        features[0] = 3.0 if looks_done and chunk == CHUNKS - 1 else 0.3 * features[0]
        last = chunk == CHUNKS - 1
        success = last and outcome is Outcome.SUCCESS
        rows.append(
            example_transition(
                CHUNKS * (number - 1) + chunk + 1,
                episode=number,
                chunk=chunk,
                features=np.zeros(FEATURES, np.float32),
                next_features=features,
                terminated=success,
                truncated=last and not success and outcome.counts,
                episode_outcome=outcome if last else Outcome.PENDING,
                reward=0.0 if success else -1.0,
            )
        )
    return rows


def session(successes: int, others: int, seed: int) -> Iterator[tuple[int, Outcome]]:
    """Numbers and outcomes of episodes in a random order."""
    outcomes = [Outcome.SUCCESS] * successes + [Outcome.TIMEOUT] * others
    order: list[int] = np.random.default_rng(seed).permutation(len(outcomes)).tolist()
    yield from enumerate((outcomes[i] for i in order), start=1)
