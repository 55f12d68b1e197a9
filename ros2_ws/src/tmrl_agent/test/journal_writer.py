"""Appends to a journal without end, and acknowledges each transition on standard output."""

import sys
from pathlib import Path

import numpy as np

from tmrl_agent.journal import Journal
from tmrl_common.types import Outcome, SteeringSource, Transition


def main():
    journal = Journal(Path(sys.argv[1]), "widowx", "run")
    values = np.zeros(300, dtype=np.float32)
    while True:
        sequence = journal.last_sequence + 1
        journal.append(
            [
                Transition(
                    robot="widowx",
                    session="run",
                    sequence=sequence,
                    episode=1 + sequence // 20,
                    chunk=sequence % 20,
                    revision=0,
                    features=values,
                    z=values,
                    sigma=0.5,
                    epsilon=values,
                    steering=SteeringSource.UNIFORM,
                    reward=-1.0,
                    next_features=values,
                    terminated=False,
                    truncated=False,
                    aborted=False,
                    episode_outcome=Outcome.PENDING,
                    executed_actions=values[:35].reshape(5, 7),
                    driver=np.zeros(5, dtype=np.uint8),
                    clamped=False,
                    stamp_s=0.0,
                    actor_version=1,
                    policy_version="policy",
                    seed=1,
                    inference_s=0.0,
                    round_trip_s=0.0,
                )
            ]
        )
        sys.stdout.write(f"{sequence}\n")
        sys.stdout.flush()


main()
