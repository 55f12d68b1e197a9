"""The topics that the agent subscribes to, each with its conversion and the event it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent import messages
from tmrl_agent.core import AgentCore
from tmrl_agent.effects import Effect
from tmrl_agent.params import AgentConfig
from tmrl_msgs import msg
from tmrl_ros import qos
from tmrl_ros.chunk_messages import chunk_outcome


@dataclass(frozen=True)
class Topic:
    """One topic to subscribe to.

    Attributes:
        kind: Class of its messages.
        name: Relative name.
        profile: Quality of service.
        handle: Takes a message and returns the effects that follow from it; raises ValueError for
            a message that contradicts itself.
    """

    kind: type
    name: str
    profile: Any
    handle: Callable[[Any], list[Effect]]


def topics(
    core: AgentCore, config: AgentConfig, epoch: str, now_s: Callable[[], float]
) -> list[Topic]:
    """Every topic that the agent subscribes to.

    Args:
        core: Is fed.
        config: Names cameras and session; messages of other sessions are passed over.
        epoch: Of this agent; outcomes of the chunks of other ones are passed over, those of a
            person's driving belong to nobody.
        now_s: Steady time.
    """

    def on_objects(message: msg.ObjectPoses) -> list[Effect]:
        return core.on_objects(messages.objects_reading(message, now_s()))

    def on_arm(message: msg.ArmState) -> list[Effect]:
        return core.on_arm(messages.arm_reading(message, now_s()))

    def on_image(camera: str, message: Image | CompressedImage) -> list[Effect]:
        return core.on_image(camera, messages.image_reading(message, now_s()))

    def on_controller(message: msg.ControllerStatus) -> list[Effect]:
        return core.on_controller(messages.controller_view(message, epoch))

    def on_outcome(message: msg.ChunkOutcome) -> list[Effect]:
        ours = message.agent_epoch == epoch or message.origin == msg.ChunkOutcome.ORIGIN_HUMAN
        return core.on_outcome(chunk_outcome(message)) if ours else []

    def on_label(message: msg.EpisodeOutcome) -> list[Effect]:
        ours = message.session == config.session
        return core.on_label(messages.episode_label(message)) if ours else []

    def on_episode(message: msg.EpisodeState) -> list[Effect]:
        ours = message.session == config.session
        return core.on_episode(messages.episode_view(message)) if ours else []

    def on_learner(message: msg.LearnerStatus) -> list[Effect]:
        ours = message.session == config.session
        return core.on_learner(messages.learner_view(message)) if ours else []

    state_profile = qos.STATE_BY_STATE if config.lock_step else qos.STATE
    image_profile = state_profile if config.lock_step else qos.IMAGE
    if config.best_effort_images:
        image_profile = qos.IMAGE_OF_OTHERS
    return [
        Topic(msg.ObjectPoses, "perception/objects", state_profile, on_objects),
        Topic(msg.ArmState, "arm/state", state_profile, on_arm),
        Topic(msg.ControllerStatus, "controller/status", qos.STATUS, on_controller),
        Topic(msg.ChunkOutcome, "controller/outcome", qos.EVENT, on_outcome),
        Topic(msg.EpisodeOutcome, "episode/outcome", qos.LABELS, on_label),
        Topic(msg.EpisodeState, "episode/state", qos.STATUS, on_episode),
        Topic(msg.LearnerStatus, "learner/status", qos.STATUS, on_learner),
        *(
            Topic(_image_kind(topic), topic, image_profile, lambda m, name=name: on_image(name, m))
            for name, topic in config.image_topics.items()
        ),
    ]


def _image_kind(topic: str) -> type:
    """The class of a camera's messages, from its name as image_transport gives them."""
    return CompressedImage if topic.endswith("/compressed") else Image
