"""What the replay buffer keeps of a transition's candidates, for a learner that needs them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tmrl_common.transitions import InvalidTransitionError, Transition


@dataclass(frozen=True)
class CandidateColumns:
    """Sizes of the candidates of one row.

    Attributes:
        count: K; 0 keeps none.
        z: Z, length of a latent.
        actions: h * A, length of the actions of one.
    """

    count: int
    z: int
    actions: int

    def widths(self) -> dict[str, int]:
        """Width of each column."""
        if not self.count:
            return {}
        whole = self.count * self.z, self.count * self.actions
        return {"candidate_z": whole[0], "candidate_actions": whole[1]}

    def check(self, transition: Transition) -> None:
        """Refuses a row that is to be learned from and whose candidates are not as expected.

        Raises:
            InvalidTransitionError: Names what differs, and where it is set.
        """
        if not self.count or transition.aborted:
            return
        name = f"transition {transition.sequence} of session {transition.session!r}"
        if transition.candidate_sigma.size != self.count:
            raise InvalidTransitionError(
                f"{name} has {transition.candidate_sigma.size} candidates; this learner was "
                f"configured for {self.count}: give agent.candidates and learning.candidates the "
                "same number, and start a new run"
            )
        if bool((transition.candidate_sigma != 0).any()):
            raise InvalidTransitionError(
                f"{name} has candidates with a sigma of {transition.candidate_sigma.max():g}, and "
                "dsrl_na steers at sigma 0: start the learner before the first episode "
                "(operator.wait_for_learner)"
            )
        for column, width in self.widths().items():
            got = getattr(transition, column).size
            if got != width:
                raise InvalidTransitionError(
                    f"{name}: {column} has {got} numbers, this learner was configured for {width}; "
                    "give agent and learner the same execute_steps"
                )

    def values(self, transition: Transition) -> dict[str, ArrayLike]:
        """What its row holds, by column; zeros where nothing is learned from it."""
        return {
            name: column if (column := getattr(transition, name)).size else np.zeros(width)
            for name, width in self.widths().items()
        }
