"""`metadata.yaml`, which makes a folder of recordings one bag of rosbag2."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mcap.reader import make_reader

from tmrl_common.storage import refusals
from tmrl_recorder.episode_file import QOS_KEY
from tmrl_recorder.file_names import finished

FILE_NAME = "metadata.yaml"
_VERSION = 9
"""Of the format, as of ROS 2 Jazzy."""


@dataclass(frozen=True)
class FileFacts:
    """What the metadata says about one file.

    Attributes:
        path: Its name.
        start_ns: Of its first message, ns since 1970.
        end_ns: Of its last one.
        counts: Messages of each topic.
        topics: Type and offered quality of service of each topic.
    """

    path: Path
    start_ns: int
    end_ns: int
    counts: dict[str, int]
    topics: dict[str, tuple[str, str]]


class BagMetadata:
    """Knows the finished files of a folder, and writes its `metadata.yaml`."""

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet.

        Args:
            folder: Of the recordings.
        """
        self._folder = folder
        self._known: dict[Path, FileFacts] = {}

    def write(self) -> None:
        """Describes all files that are finished by now; each one is read once.

        Raises:
            StorageError: The disk refuses.
        """
        with refusals(self._folder):
            paths = finished(self._folder)
            for path in paths:
                if path not in self._known and (facts := facts_of(path)):
                    self._known[path] = facts
            facts = [self._known[path] for path in paths if path in self._known]
            text = yaml.safe_dump(_information(facts), sort_keys=False)
            temporary = self._folder / f".{FILE_NAME}"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._folder / FILE_NAME)


def facts_of(path: Path) -> FileFacts | None:
    """Reads the index at a file's end; None where there is none, as in a file of somebody else."""
    with path.open("rb") as stream:
        try:
            summary = make_reader(stream).get_summary()
        except Exception:  # noqa: BLE001 - whatever else lies there is not ours to judge
            return None
    if summary is None or summary.statistics is None:
        return None
    counts: Counter[str] = Counter()
    topics: dict[str, tuple[str, str]] = {}
    for number, channel in summary.channels.items():
        schema = summary.schemas[channel.schema_id]
        topics[channel.topic] = schema.name, channel.metadata.get(QOS_KEY, "")
        counts[channel.topic] += summary.statistics.channel_message_counts.get(number, 0)
    start_ns, end_ns = summary.statistics.message_start_time, summary.statistics.message_end_time
    return FileFacts(path, start_ns, end_ns, dict(counts), topics)


def _information(files: list[FileFacts]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    topics: dict[str, tuple[str, str]] = {}
    for each in files:
        counts.update(each.counts)
        topics |= each.topics
    start_ns = min((each.start_ns for each in files), default=0)
    end_ns = max((each.end_ns for each in files), default=0)
    content: dict[str, Any] = {
        "version": _VERSION,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": end_ns - start_ns},
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "message_count": counts.total(),
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": name,
                    "type": kind,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": yaml.safe_load(profiles) if profiles else [],
                    "type_description_hash": "",
                },
                "message_count": counts[name],
            }
            for name, (kind, profiles) in sorted(topics.items())
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [each.path.name for each in files],
        "files": [
            {
                "path": each.path.name,
                "starting_time": {"nanoseconds_since_epoch": each.start_ns},
                "duration": {"nanoseconds": each.end_ns - each.start_ns},
                "message_count": sum(each.counts.values()),
            }
            for each in files
        ],
        "custom_data": None,
        "ros_distro": "",
    }
    return {"rosbag2_bagfile_information": content}
