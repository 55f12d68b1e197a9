"""`meta/info.json`: the version of a data set, its rate, its columns and where its files are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_common.config import nearest_name
from tmrl_common.json_object import is_json_object
from tmrl_learner.pi0.lerobot.errors import DatasetError

VERSIONS = ("v2.0", "v2.1", "v3.0")
_REQUIRED = ("codebase_version", "fps", "features", "data_path")


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        dtype: LeRobot's name of its type: "float32", "video", "image", "string", ...
        shape: Of one row, e.g. (7,) or (height, width, 3).
    """

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class DatasetInfo:
    """What `meta/info.json` says.

    Attributes:
        root: Folder of the data set.
        version: One of `VERSIONS`.
        fps_hz: Rows per second.
        features: Columns by name.
        data_template: Path of a data file below `root`, a format string.
        video_template: Path of a video below `root`, a format string; empty without videos.
        chunk_size: Episodes per folder (version 2).
    """

    root: Path
    version: str
    fps_hz: float
    features: Mapping[str, Feature]
    data_template: str
    video_template: str
    chunk_size: int

    @property
    def many_episodes_per_file(self) -> bool:
        """Whether the layout is that of version 3."""
        return self.version == "v3.0"

    def feature(self, name: str) -> Feature:
        """The column called `name`.

        Raises:
            DatasetError: There is none; the message gives the nearest name and all of them.
        """
        if name not in self.features:
            raise DatasetError(
                f"{self.root / 'meta/info.json'} has no column '{name}'; "
                f"{nearest_name(name, list(self.features))}"
            )
        return self.features[name]

    def data_file(self, **numbers: int) -> Path:
        """Path of a data file, from the numbers that the template names."""
        return self._path(self.data_template, "data_path", numbers)

    def video_file(self, column: str, **numbers: int) -> Path:
        """Path of a video, from its column and the numbers that the template names."""
        if not self.video_template:
            raise DatasetError(
                f"{self.root / 'meta/info.json'}: column '{column}' is a video and video_path is "
                "not given; write where the videos are"
            )
        return self._path(self.video_template, "video_path", {"video_key": column, **numbers})

    def _path(self, template: str, name: str, values: Mapping[str, Any]) -> Path:
        try:
            return self.root / template.format(**values)
        except (KeyError, IndexError, ValueError) as error:
            raise DatasetError(
                f"{self.root / 'meta/info.json'}: {name} is '{template}', which cannot be filled "
                f"in from {sorted(values)}; {self.version} does not have such paths"
            ) from error


def read_info(root: Path) -> DatasetInfo:
    """Reads `meta/info.json`.

    Args:
        root: Folder of the data set.

    Raises:
        DatasetError: The file is absent, damaged or of another version.
    """
    path = root / "meta/info.json"
    values = _read_json(path)
    if missing := [name for name in _REQUIRED if name not in values]:
        raise DatasetError(f"{path} lacks {', '.join(missing)}; it is no LeRobot data set's")
    if values["codebase_version"] not in VERSIONS:
        raise DatasetError(
            f"{path}: codebase_version is '{values['codebase_version']}'; this reader knows "
            f"{', '.join(VERSIONS)}. Convert the data set with LeRobot's own scripts"
        )
    if not float(values["fps"]) > 0:
        raise DatasetError(f"{path}: fps is {values['fps']}; it must be above 0")
    return DatasetInfo(
        root=root,
        version=values["codebase_version"],
        fps_hz=float(values["fps"]),
        features={name: _feature(path, name, each) for name, each in values["features"].items()},
        data_template=values["data_path"],
        video_template=values.get("video_path") or "",
        chunk_size=int(values.get("chunks_size") or 1000),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(
            f"there is no {path}; give the folder of a data set in LeRobot's format, which has a "
            "folder meta"
        ) from error
    except ValueError as error:
        raise DatasetError(f"{path} is not valid JSON: {error}; copy it again") from error
    if not is_json_object(values):
        raise DatasetError(f"{path} holds a {type(values).__name__}; it must hold an object")
    return values


def _feature(path: Path, name: str, values: Any) -> Feature:
    try:
        return Feature(str(values["dtype"]), tuple(int(size) for size in values["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: column '{name}' has no usable dtype and shape") from error
