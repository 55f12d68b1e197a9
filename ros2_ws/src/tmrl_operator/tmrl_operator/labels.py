"""What becomes of labels: given, changed, given twice, given late, taken back."""

from tmrl_common.types import Outcome
from tmrl_operator import events as ev
from tmrl_operator.effects import KeepLabel, PublishLabel
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.refused import RefusedError

TAKEN_BACK = "the label was taken back: nothing is learned from it until it is labelled again"


class Labels:
    """The labels of a session, all of them in its ledger before anybody is informed.

    Args:
        ledger: Of the session.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def give(self, label: Label) -> PublishLabel:
        """Notes a label; its revision is counted."""
        earlier = self._ledger.labels.get(label.episode)
        before = Outcome.PENDING if earlier is None else earlier.outcome
        return PublishLabel(self._ledger.label(label), before)

    def change(self, wanted: ev.Relabel) -> PublishLabel:
        """Changes the label of an earlier episode.

        Raises:
            RefusedError: The episode has no label yet, or the outcome is not a person's to give.
        """
        if wanted.outcome not in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.DISCARDED):
            raise RefusedError(
                f"{wanted.outcome.name} cannot be given; SUCCESS, FAILURE, DISCARDED can"
            )
        earlier = self._ledger.labels.get(wanted.episode)
        if earlier is None:
            known = f"1 to {self._ledger.last_episode}" if self._ledger.labels else "none yet"
            raise RefusedError(
                f"episode {wanted.episode} has no label to change; labelled: {known}"
            )
        return self._by_person(wanted.episode, wanted.outcome, earlier.stamp_ns, wanted.person)

    def late(self, given: ev.GiveLabel, episode: int) -> PublishLabel | KeepLabel:
        """Takes a label for an episode that no longer waits for one.

        Args:
            given: The label.
            episode: Its number.

        Raises:
            RefusedError: The episode has another label, or there is none of that number.
        """
        earlier = self._ledger.labels.get(episode)
        if earlier is None:
            raise RefusedError(
                f"no episode waits for a label, and episode {episode} has none that could be "
                "confirmed"
                if episode
                else "no episode waits for a label: there was none yet"
            )
        if earlier.takes_back == 0:
            return self._by_person(episode, given.outcome, earlier.stamp_ns, given.person)
        if earlier.outcome is given.outcome:
            return KeepLabel(earlier)
        raise RefusedError(
            f"episode {episode} is labelled {earlier.outcome.name} already ({earlier.source}); "
            f"operator/relabel with episode {episode} changes that"
        )

    def take_back(self, person: str) -> PublishLabel:
        """Takes the newest label that a person gave back: the one before it holds again.

        Without one before it the episode is discarded until somebody labels it again.

        Raises:
            RefusedError: No person has given a label that still stands.
        """
        newest = self._ledger.newest_by_person
        if newest is None:
            raise RefusedError("nothing to take back: no label that a person gave stands")
        before = self._ledger.before(newest)
        outcome = Outcome.DISCARDED if before is None else before.outcome
        return self.give(
            Label(
                episode=newest.episode,
                outcome=outcome,
                stamp_ns=newest.stamp_ns if before is None else before.stamp_ns,
                source="operator",
                detail=TAKEN_BACK if before is None else f"takes revision {newest.revision} back",
                revision=0,
                author=person,
                takes_back=newest.revision,
            )
        )

    def lost(self) -> list[PublishLabel]:
        """Labels episodes that a crash of the operator node cut off as aborted by it."""
        detail = "the operator restarted"
        lost = self._ledger.unlabelled()
        return [self.give(Label(e, Outcome.ABORTED, s, "fault", detail, 0)) for e, s in lost]

    def _by_person(
        self, episode: int, outcome: Outcome, stamp_ns: int, person: str
    ) -> PublishLabel:
        return self.give(Label(episode, outcome, stamp_ns, "operator", "", 0, person))
