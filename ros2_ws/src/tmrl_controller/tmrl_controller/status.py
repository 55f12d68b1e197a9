"""What people and the agent see of the controller, gathered in one place."""

from tmrl_common.chunks import RefusalCode
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.chunk_gate import ChunkGate
from tmrl_controller.chunk_ledger import ChunkLedger
from tmrl_controller.clock import StampingClock
from tmrl_controller.decisions import ControllerStatus
from tmrl_controller.mode import ModeMachine
from tmrl_controller.setpoints import SetpointStream


class StatusBoard:
    """Knows the newest refusal and who listens, and says when something worth seeing changed."""

    def __init__(
        self,
        clock: StampingClock,
        modes: ModeMachine,
        gate: ChunkGate,
        arm: ArmMonitor,
        chunks: ChunkLedger,
        setpoints: SetpointStream,
    ) -> None:
        """Takes what it reports of.

        Args:
            clock: Stamps refusals.
            modes: Who may move the arm.
            gate: Has the caps.
            arm: What is known about it.
            chunks: Counts them.
            setpoints: Counts what the limits changed.
        """
        self._clock, self._modes, self._gate, self._arm = clock, modes, gate, arm
        self._chunks, self._setpoints = chunks, setpoints
        self._listeners = (0, 0)
        self._last_refusal = ("", "", 0)
        self._announced: tuple[object, ...] = ()

    def on_listeners(self, commands: int, outcomes: int) -> None:
        """Takes in how many hear the commands for the arm and the outcomes of chunks."""
        self._listeners = (commands, outcomes)

    def on_refusal(self, code: RefusalCode, reason: str) -> None:
        """Takes in why a chunk or a takeover was refused."""
        self._last_refusal = (code.value, reason, self._clock.stamp_ns())

    def status(self) -> ControllerStatus:
        """The controller now."""
        code, reason, stamp_ns = self._last_refusal
        return ControllerStatus(
            mode=self._modes.mode,
            reason=self._modes.reason,
            caps=self._gate.caps,
            waits_for=self._waits_for(),
            started=self._chunks.started,
            overlap_state=self._chunks.overlap_state,
            segments=self._chunks.segments.published,
            chunks_accepted=self._chunks.accepted,
            chunks_refused=self._chunks.refused,
            steps_clamped=self._chunks.steps_clamped,
            last_refusal_code=code,
            last_refusal=reason,
            last_refusal_stamp_ns=stamp_ns,
            limits_acted=dict(self._setpoints.limits_acted),
        )

    def changed(self) -> ControllerStatus | None:
        """The status, where people or the agent want to know at once what changed; otherwise None.

        Of refusals only the code counts: a flood of chunks is none of statuses.
        """
        code = self._last_refusal[0]
        chunks = self._chunks
        drive = (self._modes.mode, self._modes.reason, chunks.started, chunks.overlap_state)
        shown = (*drive, self._gate.caps, code, self._waits_for())
        if shown == self._announced:
            return None
        self._announced = shown
        return self.status()

    def _waits_for(self) -> str:
        """Who is not there yet: what nobody receives is lost, for nobody sends it again."""
        commands, outcomes = self._listeners
        if self._arm.newest is None:
            return self._arm.staleness(self._clock.now_s())
        if not commands:
            return "nobody listens to arm/command: start the driver"
        return "" if outcomes else "nobody listens to controller/outcome: start the agent"
