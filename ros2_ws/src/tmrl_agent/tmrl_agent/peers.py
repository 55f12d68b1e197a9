"""What the other nodes last reported, and which of them a chunk must wait for."""

from tmrl_agent.assembly import ArmReading
from tmrl_agent.chunk_pipeline import ChunkPipeline, State
from tmrl_agent.events import ControllerView, EpisodeView
from tmrl_agent.waiting import Wait
from tmrl_common.chunks import ControllerMode


class Peers:
    """Controller and operator as the agent knows them.

    Attributes:
        listeners: How many subscribe to chunks; one that nobody receives never has an outcome.
        controller: None before its first status.
        episode: Where the session stands.
    """

    def __init__(self) -> None:
        self.listeners = 0
        self.controller: ControllerView | None = None
        self.episode = EpisodeView(0, running=False)

    @property
    def is_teleoperated(self) -> bool:
        """Whether a person drives."""
        return self.controller is not None and self.controller.mode is ControllerMode.TELEOP

    def wait_for_chunk(self, arm: ArmReading | None) -> Wait | None:
        """Who must do something before a chunk of the running episode is welcome.

        Args:
            arm: The newest state of the arm.

        Returns:
            None when one is welcome now.
        """
        view, controller = self.episode, self.controller
        if not self.listeners:
            return Wait("listener", "the controller, to listen to policy/chunk")
        if not view.running:
            return Wait("episode", "the operator, to begin an episode")
        if controller is None:
            sentence = "no controller/status has arrived; is the controller alive?"
            return Wait("controller", sentence, may_last=False)
        if self.is_teleoperated:
            return Wait("mode", "the person who drives, to let go")
        if controller.mode is not ControllerMode.POLICY:
            mode = controller.mode.name.lower()
            return Wait("mode", f"the controller, to leave mode {mode}: call controller/resume")
        if arm is not None and view.is_over_at(arm.stamp_ns):
            return Wait("time limit", f"the label of episode {view.episode}, whose time is up")
        return None

    def wait_for_pipeline(self, pipeline: ChunkPipeline) -> Wait:
        """Who must do something before the life of a chunk continues."""
        subject, name = subject_of(pipeline), pipeline.name
        if pipeline.state is State.ASKED:
            return Wait(subject, f"the policy server, to answer request {pipeline.request}")
        if pipeline.state is State.ENDED:
            sentence = f"nothing was seen after {name} yet; is the driver alive?"
            return Wait(subject, sentence, may_last=False)
        begun = "runs" if pipeline.state is State.RUNNING else "was sent, has not begun"
        sentence = f"{name} {begun} and has no outcome yet; is the controller alive?"
        return Wait(subject, sentence, may_last=False)


def subject_of(pipeline: ChunkPipeline) -> str:
    """Names the wait for a chunk: every state of every chunk is a wait of its own."""
    return f"{pipeline.name} {pipeline.state}"
