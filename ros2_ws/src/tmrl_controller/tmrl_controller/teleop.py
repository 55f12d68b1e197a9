"""When a person's device may drive: pressed, fresh, and released once since the last stop."""

from tmrl_controller.inputs import TeleopCommand


class DeadManSwitch:
    """Decides from the newest reading whether a person wants to drive.

    After a hold, an e-stop or a fault a device that is still pressed has to be released first;
    a device that fell silent counts as released.
    """

    def __init__(self, max_age_s: float) -> None:
        """Takes the age from which a reading is stale.

        Args:
            max_age_s: The age, s.
        """
        self._max_age_s = max_age_s
        self._newest: TeleopCommand | None = None
        self._newest_s = 0.0
        self._locked = False

    @property
    def device(self) -> str:
        """Name of the device of the newest reading; empty before the first."""
        return self._newest.device if self._newest is not None else ""

    @property
    def reading(self) -> TeleopCommand:
        """The newest reading.

        Raises:
            RuntimeError: There is none yet.
        """
        if self._newest is None:
            raise RuntimeError("no teleop reading has arrived yet")
        return self._newest

    def receive(self, command: TeleopCommand, now_s: float) -> None:
        """Takes a reading in.

        Args:
            command: The reading.
            now_s: Time of its arrival, s.
        """
        if not self.pressed(now_s):
            self._locked = False
        self._newest, self._newest_s = command, now_s

    def fresh(self, now_s: float) -> bool:
        """Whether the newest reading is recent enough to be acted on."""
        return self._newest is not None and 0.0 <= now_s - self._newest_s <= self._max_age_s

    def pressed(self, now_s: float) -> bool:
        """Whether the switch is pressed by a fresh reading."""
        return self.fresh(now_s) and self._newest is not None and self._newest.active

    def wants_control(self, now_s: float) -> bool:
        """Whether the person may drive now."""
        return self.pressed(now_s) and not self._locked

    def lock(self) -> None:
        """Asks for a release before the next takeover, where the switch is pressed now."""
        self._locked = True
