"""When a person's device may drive: pressed, fresh, alone, and released since the last stop."""

from dataclasses import replace

from tmrl_controller.inputs import TeleopCommand


class DeadManSwitch:
    """Decides from the newest reading whether a person wants to drive.

    After the start, a hold, an e-stop or a fault a device that is pressed must be released first,
    and must say so: one that merely fell silent may be held down all the while. Of several devices
    each is released for itself, and while one drives the others change nothing.
    """

    def __init__(self, max_age_s: float) -> None:
        """Takes the age from which a reading is stale.

        Args:
            max_age_s: The age, s.
        """
        self._max_age_s = max_age_s
        self._newest: TeleopCommand | None = None
        self._newest_s = 0.0
        self._released: set[str] = set()
        self._said = False
        self._turned_away = ""

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
        if not command.active:
            self._released.add(command.device)
            if command.device == self._turned_away:
                self._turned_away = ""
        if command.device != self.device and self.wants_control(now_s):
            return
        self._newest, self._newest_s = command, now_s
        if not command.active:
            self._said = False

    def let_go(self, now_s: float) -> None:
        """Ends what a person drives, by a release that is not good enough to unlock anything.

        Args:
            now_s: Time of its arrival, s.
        """
        if self._newest is not None and self._newest.active:
            self._newest, self._newest_s = replace(self._newest, active=False), now_s
            self._released.discard(self.device)

    def first_word_of_another(self, command: TeleopCommand, now_s: float) -> str:
        """Why a device that is pressed while another one drives moves nothing, once for each press.

        Args:
            command: Its reading, which has been received.
            now_s: Time, s.
        """
        if not command.active or command.device in (self.device, self._turned_away):
            return ""
        if not self.wants_control(now_s):
            return ""
        self._turned_away = command.device
        return f"{command.device!r} is pressed while {self.device!r} drives: one must let go first"

    def first_word_of_lock(self, now_s: float) -> str:
        """Why a switch that is pressed moves nothing, once for each press; otherwise empty."""
        if self.device in self._released or not self.pressed(now_s) or self._said:
            return ""
        self._said = True
        return (
            f"{self.device!r} is pressed since the start or since the last stop: release the "
            "switch first, then press it"
        )

    def fresh(self, now_s: float) -> bool:
        """Whether the newest reading is recent enough to be acted on."""
        return self._newest is not None and 0.0 <= now_s - self._newest_s <= self._max_age_s

    def pressed(self, now_s: float) -> bool:
        """Whether the switch is pressed by a fresh reading."""
        return self.fresh(now_s) and self._newest is not None and self._newest.active

    def wants_control(self, now_s: float) -> bool:
        """Whether the person may drive now."""
        return self.pressed(now_s) and self.device in self._released

    def lock(self) -> None:
        """Asks for a release before the next takeover, unless the newest reading was one."""
        released = self._newest is not None and not self._newest.active
        self._released &= {self.device} if released else set[str]()
