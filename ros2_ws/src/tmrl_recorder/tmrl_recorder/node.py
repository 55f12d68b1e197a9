"""The recorder node: topics in, files out; nothing of the session ever waits for it."""

import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from tmrl_common.clock import SteadyClock
from tmrl_common.storage import prepare_folder
from tmrl_msgs.msg import EpisodeState
from tmrl_recorder import pictures
from tmrl_recorder.file_names import FOLDER
from tmrl_recorder.params import JPEG, NONE, RecorderConfig
from tmrl_recorder.recording import Outside, Recording
from tmrl_recorder.regular_videos import RegularVideos
from tmrl_recorder.sample import EpisodeSeen, Sample
from tmrl_recorder.topics import is_picture, is_recorded
from tmrl_recorder.writer_thread import WriterThread
from tmrl_ros.message_definitions import message_definition
from tmrl_ros.node import TmrlNode
from tmrl_ros.raw_topics import RawMessage, RawTopics
from tmrl_ros.run import run_node

_CHECK_PERIOD_S = 0.5
_LASTS = (EpisodeState.RUNNING, EpisodeState.LABELLING)


class RecorderNode(TmrlNode[RecorderConfig]):
    """Listens to every topic of its robot and hands the messages to the writing thread."""

    def __init__(self) -> None:
        """Recovers what was left behind and begins to listen.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
            StorageError: The folder of the recordings cannot be made.
        """
        super().__init__("recorder", RecorderConfig)
        config = self.config
        folder = prepare_folder(Path(config.run_dir) / FOLDER, room_mb=0)
        outside = Outside(
            clock=SteadyClock(),
            free_bytes=lambda: shutil.disk_usage(folder).free,
            definition=message_definition,
            convert=self._converted if config.images == JPEG else lambda sample: sample,
        )
        make = partial(Recording, folder, config, outside)
        self._state_topic = self.resolve_topic_name("episode/state")
        self._writer = WriterThread(make, config.backlog_mb * 10**6)
        with_pictures = config.images != NONE
        self._videos = RegularVideos(folder, config.video_every if with_pictures else 0)
        self._topics = RawTopics(self, self._wants, self._on_message)
        self.create_timer(_CHECK_PERIOD_S, self._check, clock=self.wall_clock)

    def health(self) -> tuple[str, dict[str, str]]:
        """Why nothing is recorded, and how much was."""
        recording = self._writer.recording
        if recording is None:
            return "", {}
        figures = {
            "episode": str(recording.episode),
            "messages": str(recording.messages),
            "left_out": str(self._writer.left_out),
        }
        return recording.problem, figures

    def destroy_node(self) -> None:
        """Finishes the file, then ends the node."""
        self._writer.close()
        self._videos.close()
        super().destroy_node()

    def _wants(self, topic: str, kind: str) -> bool:
        if self.config.images == NONE and is_picture(kind):
            return False
        return is_recorded(topic, self.get_namespace())

    def _on_message(self, message: RawMessage) -> None:
        if message.topic == self._state_topic:
            state = deserialize_message(message.data, EpisodeState)
            if state.session == self.config.session:
                self._writer.put(EpisodeSeen(state.episode, lasts=state.state in _LASTS))
        self._writer.put(
            Sample(
                message.topic,
                message.kind,
                message.data,
                message.received_ns,
                message.sent_ns,
                message.latched,
            )
        )

    def _converted(self, sample: Sample) -> Sample | None:
        if sample.kind != pictures.KIND:
            return sample
        image: Any = deserialize_message(sample.data, Image)
        jpeg = pictures.jpeg_of(image, self.config.jpeg_quality)
        if jpeg is None:
            return None
        topic = sample.topic + pictures.JPEG_TOPIC
        data = serialize_message(jpeg)
        return Sample(topic, pictures.JPEG_KIND, data, sample.received_ns, sample.sent_ns)

    def _check(self) -> None:
        self._writer.check()
        if problem := self._videos.check():
            self.get_logger().info(f"no video: {problem}")
        if recording := self._writer.recording:
            log = self.get_logger()
            for sentence in recording.take_news():
                log.error(sentence) if recording.problem else log.info(sentence)


def main() -> None:
    """Entry point of `ros2 run tmrl_recorder recorder`."""
    sys.exit(run_node(RecorderNode, takes_raw=True))
