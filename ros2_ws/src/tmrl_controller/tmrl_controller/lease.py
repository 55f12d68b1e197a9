"""The right to move the arm: given for a time, and over by its own deadline."""


class MotionLease:
    """Granted with every movement for as long as that movement is valid; nobody prolongs it.

    The driver gets the same time with the command (`valid_for_s`) and keeps its own watchdog. This
    one makes the controller say so: with the lease over, it commands a hold.
    """

    def __init__(self) -> None:
        """Starts without a right to move."""
        self._deadline_s: float | None = None

    @property
    def granted(self) -> bool:
        """Whether a movement may still be in flight."""
        return self._deadline_s is not None

    def grant(self, now_s: float, valid_for_s: float) -> None:
        """Lets one movement have the arm; an earlier one's time no longer counts.

        Args:
            now_s: By the pacing clock, s.
            valid_for_s: For how long, s.
        """
        self._deadline_s = now_s + valid_for_s

    def revoke(self) -> None:
        """Takes the right to move back."""
        self._deadline_s = None

    def over(self, now_s: float) -> bool:
        """Whether a right to move was given and its deadline has come.

        Args:
            now_s: By the pacing clock, s.
        """
        return self._deadline_s is not None and now_s >= self._deadline_s
