"""A machine on a bench for tests: requests and labels are recorded, the world answers on demand."""

from pathlib import Path

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_operator.episode import EpisodeMachine, Shell, State
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig
from tmrl_operator.requests import Request

STEP_NS = 200_000_000


class Bench:
    """A machine with recorded requests and labels, and a world that answers on demand."""

    def __init__(self, folder: Path, **changes: object) -> None:
        values: dict[str, object] = {
            "robot": "widowx",
            "session": "test",
            "run_dir": str(folder),
            "time_limit_s": 2.0,
            "reset": "scene",
        }
        self.config = OperatorConfig(**{**values, **changes})  # type: ignore[arg-type]
        self.clock = FakeClock()
        self.requests: list[tuple[Request, int]] = []
        self.labels: list[Label] = []
        self.states: list[State] = []
        self.path = folder / "episodes.jsonl"
        self.now_ns = STEP_NS
        self.sequence = 1
        self.restart()

    def restart(self) -> None:
        """A new life of the node on the same ledger."""
        shell = Shell(
            request=lambda request, seed: self.requests.append((request, seed)),
            publish_label=self.labels.append,
            publish_state=lambda: self.states.append(self.machine.state),
        )
        self.machine = EpisodeMachine(self.config, Ledger(self.path), self.clock, shell)

    def hear_arm_and_controller(self) -> None:
        """Both are well."""
        self.machine.heard_arm(self.now_ns, self.sequence)
        self.machine.heard_controller("")

    def hear_everybody(self) -> None:
        """Arm, controller and agent are well."""
        self.hear_arm_and_controller()
        self.machine.heard_agent("epoch", "")

    def step(self, *, success: bool = False, detail: str = "") -> None:
        """One control period of the simulation."""
        self.now_ns += STEP_NS
        self.sequence += 1
        self.machine.heard_truth(self.now_ns, detail, success=success)
        self.machine.heard_arm(self.now_ns, self.sequence)

    def answer(self, *, success: bool = True, message: str = "") -> Request:
        """Answers the newest request."""
        request, _ = self.requests[-1]
        self.machine.answered(request, message, self.sequence + 1, success=success)
        return request

    def run_to(self, state: State) -> None:
        """Answers requests until the machine is in a state."""
        for _ in range(5):
            if self.machine.state is state:
                return
            self.answer()
        assert self.machine.state is state
