"""A machine on a bench for tests: requests and labels are recorded, the world answers on demand."""

from pathlib import Path

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.types import Outcome
from tmrl_operator import events as ev
from tmrl_operator.effects import Ask, Effect, KeepLabel, PublishLabel, PublishState, Say
from tmrl_operator.episode import EpisodeMachine
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig
from tmrl_operator.requests import Request
from tmrl_operator.states import State

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
        self.numbers: list[int] = []
        self.labels: list[Label] = []
        self.states: list[State] = []
        self.said: list[str] = []
        self.path = folder / "episodes.jsonl"
        self.now_ns = STEP_NS
        self.sequence = 1
        self.restart()

    def restart(self) -> None:
        """A new life of the node on the same ledger."""
        self.machine = EpisodeMachine(self.config, Ledger(self.path), self.clock)

    def carry_out(self, effects: list[Effect]) -> list[Effect]:
        """Records what the machine wants done."""
        for effect in effects:
            match effect:
                case Ask(request, seed, number):
                    self.requests.append((request, seed))
                    self.numbers.append(number)
                case PublishLabel(label):
                    self.labels.append(label)
                case KeepLabel():
                    pass
                case PublishState():
                    self.states.append(self.machine.state)
                case Say(text):
                    self.said.append(text)
        return effects

    def hear_arm_and_controller(self) -> None:
        """Both are well."""
        self.arm_seen()
        self.controller_seen()

    def hear_everybody(self) -> None:
        """Arm, controller and agent are well."""
        self.hear_arm_and_controller()
        self.agent_seen()

    def let_pass(self, seconds: float) -> None:
        """Wall time passes in which everybody is well, and nobody answers."""
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.hear_everybody()
            self.tick()

    def arm_seen(self) -> None:
        """The newest arm state arrived."""
        self.carry_out(self.machine.arm_seen(ev.ArmSeen(self.now_ns, self.sequence)))

    def controller_seen(self, trouble: str = "", holds: str = "", waits_for: str = "") -> None:
        """The controller reported."""
        news = ev.ControllerNews(trouble, holds, waits_for)
        self.carry_out(self.machine.controller_seen(news))

    def agent_seen(self, trouble: str = "", epoch: str = "epoch") -> None:
        """The agent reported."""
        self.carry_out(self.machine.agent_seen(ev.AgentNews(epoch, trouble)))

    def learner_started(self) -> None:
        """The learner reported."""
        self.carry_out(self.machine.learner_started(ev.LearnerStarted()))

    def judged(self, stamp_ns: int, detail: str = "", *, success: bool) -> None:
        """The simulation judged an instant."""
        self.carry_out(self.machine.verdict_seen(ev.Verdict(stamp_ns, success, detail)))

    def tick(self) -> None:
        """Some wall time has passed."""
        self.carry_out(self.machine.tick(ev.Tick()))

    def suggested(self, *, success: bool = True, confidence: float = 0.9) -> None:
        """A detector that only suggests judged the newest instant."""
        seen = ev.Suggestion(self.now_ns, success, confidence, "pot")
        self.carry_out(self.machine.suggested(seen))

    def start(self) -> None:
        """A person starts."""
        self.carry_out(self.machine.start(ev.Start()))

    def stop(self) -> None:
        """A person stops."""
        self.carry_out(self.machine.stop(ev.Stop("ada")))

    def pause(self) -> None:
        """A person pauses."""
        self.carry_out(self.machine.pause(ev.Pause("ada")))

    def undo(self) -> list[Effect]:
        """A person takes a label back."""
        return self.carry_out(self.machine.undo(ev.Undo("bob")))

    def reset_done(self) -> None:
        """A person has put the scene back."""
        self.carry_out(self.machine.reset_done(ev.ResetDone()))

    def label(self, outcome: Outcome, stamp_ns: int = 0, episode: int = 0) -> list[Effect]:
        """A person labels."""
        given = ev.GiveLabel(outcome, stamp_ns, "ada", episode)
        return self.carry_out(self.machine.label(given))

    def relabel(self, episode: int, outcome: Outcome) -> list[Effect]:
        """A person changes a label."""
        return self.carry_out(self.machine.relabel(ev.Relabel(episode, outcome, "ada")))

    def discard(self, episode: int) -> list[Effect]:
        """A person discards an episode."""
        return self.carry_out(self.machine.discard(ev.Discard(episode, "ada")))

    def step(self, *, success: bool = False, detail: str = "") -> None:
        """One control period of the simulation."""
        self.now_ns += STEP_NS
        self.sequence += 1
        self.judged(self.now_ns, detail, success=success)
        self.arm_seen()

    def answer(self, *, success: bool = True, message: str = "") -> Request:
        """Answers the newest request."""
        request, _ = self.requests[-1]
        self.answered(request, success=success, message=message)
        return request

    def answered(
        self,
        request: Request,
        *,
        success: bool = True,
        message: str = "",
        number: int | None = None,
    ) -> None:
        """Another node answered; the newest request, unless a number says which one."""
        number = self.numbers[-1] if number is None else number
        answer = ev.Answered(request, number, success, message, self.sequence + 1)
        self.carry_out(self.machine.answered(answer))

    def run_to(self, state: State) -> None:
        """Answers requests until the machine is in a state."""
        for _ in range(5):
            if self.machine.state is state:
                return
            self.answer()
        assert self.machine.state is state
