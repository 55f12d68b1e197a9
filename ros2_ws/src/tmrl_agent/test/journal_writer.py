"""Appends to a journal without end, and acknowledges each transition on standard output."""

import sys
from pathlib import Path

import numpy as np

from tmrl_agent.journal import Journal
from tmrl_common.testing.transition_examples import example_transition


def main():
    journal = Journal(Path(sys.argv[1]), "widowx", "run")
    values = np.zeros(300, dtype=np.float32)
    while True:
        sequence = journal.last_sequence + 1
        size = {name: values for name in ("features", "z", "epsilon", "next_features")}
        chunk = {"episode": 1 + sequence // 20, "chunk": sequence % 20}
        journal.append([example_transition(sequence, **size, **chunk)])
        sys.stdout.write(f"{sequence}\n")
        sys.stdout.flush()


main()
