"""`meta/info.json`: the version of a data set, its rate, its columns and where its files are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_common.config import nearest_name
from tmrl_common.json_object import is_json_object
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.text_files import read_text, what_it_is
from tmrl_learner.pi0.lerobot.values import real_number, whole_number

VERSIONS = ("v2.0", "v2.1", "v3.0")
_REQUIRED = ("codebase_version", "fps", "features", "data_path")


@dataclass(frozen=True)
class DatasetInfo:
    """What `meta/info.json` says.

    Attributes:
        root: Folder of the data set.
        version: One of `VERSIONS`.
        fps_hz: Rows per second.
        features: What stands there about each column, by name; judged where it is used.
        data_template: Path of a data file below `root`, a format string.
        video_template: Path of a video below `root`, a format string; empty without videos.
        chunk_size: Episodes per folder (version 2).
    """

    root: Path
    version: str
    fps_hz: float
    features: Mapping[str, Any]
    data_template: str
    video_template: str
    chunk_size: int

    @property
    def many_episodes_per_file(self) -> bool:
        """Whether the layout is that of version 3."""
        return self.version == "v3.0"

    def dtype(self, name: str) -> str:
        """LeRobot's name of a column's type: "float32", "video", "image", "string", ...

        Raises:
            DatasetError: There is no such column (the message gives the nearest name and all of
                them), or it does not say its type.
        """
        path = self.root / "meta/info.json"
        if name not in self.features:
            raise DatasetError(
                f"{path} has no column '{name}'; {nearest_name(name, list(self.features))}"
            )
        feature = self.features[name]
        dtype = feature.get("dtype") if is_json_object(feature) else None
        if not isinstance(dtype, str):
            raise DatasetError(f"{path}: column '{name}' says no dtype; write video or image")
        return dtype

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
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
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
    fps_hz = real_number(values["fps"], f"{path}: fps")
    if not fps_hz > 0:
        raise DatasetError(f"{path}: fps is {values['fps']}; it must be above 0")
    if not is_json_object(values["features"]):
        raise DatasetError(f"{path}: features holds no columns by name; copy the file again")
    return DatasetInfo(
        root=root,
        version=values["codebase_version"],
        fps_hz=fps_hz,
        features=values["features"],
        data_template=_template(path, values, "data_path"),
        video_template=_template(path, values, "video_path"),
        chunk_size=_chunk_size(path, values),
    )


def _template(path: Path, values: Mapping[str, Any], name: str) -> str:
    template = values.get(name)
    if not isinstance(template, str | None):
        raise DatasetError(f"{path}: {name} is {template!r}; it must be the path of files")
    return template or ""


def _chunk_size(path: Path, values: Mapping[str, Any]) -> int:
    # Version 3 says in its list of episodes where each one lies.
    size = None if values["codebase_version"] == "v3.0" else values.get("chunks_size")
    return 1000 if size is None else whole_number(size, f"{path}: chunks_size", least=1)


def _read_json(path: Path) -> dict[str, Any]:
    text = read_text(
        path, "give the folder of a data set in LeRobot's format, which has a folder meta"
    )
    try:
        values = json.loads(text)
    except ValueError as error:
        fault = what_it_is(path, f"not valid JSON: {error}; copy it again")
        raise DatasetError(f"{path} is {fault}") from error
    if not is_json_object(values):
        raise DatasetError(f"{path} holds a {type(values).__name__}; it must hold an object")
    return values
