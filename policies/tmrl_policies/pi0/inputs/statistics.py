"""Normalisation statistics in openpi's file, `assets/<id>/norm_stats.json`.

    {"norm_stats": {"state":   {"mean": [...], "std": [...], "q01": [...], "q99": [...]},
                    "actions": {"mean": [...], "std": [...], "q01": [...], "q99": [...]}}}

Quantiles may be null. A file of a rig whose columns were padded to the network's width before
counting holds that many numbers; the ones beyond the rig's columns mean nothing.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_common.json_object import is_json_object
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.inputs.rigs import Rig, Scale

Columns = NDArray[np.float64]
"""One number for each column, shape (D,)."""

SMALLEST_SPREAD = 1e-6
"""Columns with less standard deviation, or distance of quantiles, do not vary for our purpose."""

_SPREAD_OF_A_CONSTANT = 1e-3
"""What sums in float32, which openpi counts with, leave of a constant, relative to its size."""

_FILE_NAME = "norm_stats.json"
_ASSETS = "assets"
_PARTS = ("mean", "std", "q01", "q99")


@dataclass(frozen=True)
class Statistics:
    """How the columns of a vector are distributed, in raw units.

    Attributes:
        mean: Shape (D,), float64.
        std: Standard deviations, shape (D,), float64, none below 0.
        q01: 1 % quantiles, shape (D,), float64; None where they were not counted.
        q99: 99 % quantiles, as `q01` and not below it.
    """

    mean: Columns
    std: Columns
    q01: Columns | None = None
    q99: Columns | None = None

    def __post_init__(self) -> None:
        """Refuses what describes nothing.

        Raises:
            ValueError: Names the part, the column and the value.
        """
        if (self.q01 is None) != (self.q99 is None):
            raise ValueError("q01 and q99 must be given together")
        for name, values in self.parts().items():
            if values.ndim != 1 or values.shape != self.mean.shape:
                raise ValueError(
                    f"{name} has shape {values.shape}, mean {self.mean.shape}; both must hold "
                    "one number for each column"
                )
            _refuse_column(name, values, ~np.isfinite(values), "a finite number")
        _refuse_column("std", self.std, self.std < 0.0, "at least 0")
        if self.q01 is not None and self.q99 is not None:
            _refuse_column("q99", self.q99, self.q99 < self.q01, "at least q01")

    @property
    def dim(self) -> int:
        """Number D of columns."""
        return self.mean.shape[0]

    def quantiles(self) -> tuple[Columns, Columns]:
        """The 1 % and 99 % quantiles.

        Raises:
            ValueError: They were not counted.
        """
        if self.q01 is None or self.q99 is None:
            raise ValueError(
                "there are no q01 and q99, which scale 'quantile' needs. Take the statistics of "
                "the weights, count those of your data (./tmrl pi0-statistics), or set scale to "
                "'mean_std' if the weights were trained with it"
            )
        return self.q01, self.q99

    def held(self) -> NDArray[np.bool_]:
        """Which columns never vary, by their quantiles, shape (D,).

        Raises:
            ValueError: There are no quantiles.
        """
        q01, q99 = self.quantiles()
        return q99 - q01 <= SMALLEST_SPREAD

    def check(self, scale: Scale) -> None:
        """Refuses what cannot scale.

        A column that never varied is fine for quantiles, see `Scaling`.

        Args:
            scale: By which the columns are to be scaled.

        Raises:
            ValueError: Names the part, the column and the value.
        """
        if scale is Scale.MEAN_STD:
            _refuse_column("std", self.std, self.std <= 0.0, "above 0")
        else:
            varies = self.std > _SPREAD_OF_A_CONSTANT * (1.0 + np.abs(self.mean))
            bad = varies & self.held()
            _refuse_column("q99", self.quantiles()[1], bad, "above q01, since the column varies")

    def parts(self) -> dict[str, Columns]:
        """The arrays that are there, by name."""
        every = {name: getattr(self, name) for name in _PARTS}
        return {name: values for name, values in every.items() if values is not None}


@dataclass(frozen=True)
class RobotStatistics:
    """Statistics of a rig.

    Attributes:
        state: Of the robot state.
        actions: Of the actions, as the network learns them.
    """

    state: Statistics
    actions: Statistics

    def content_hash(self, scale: Scale) -> str:
        """SHA-256, hexadecimal, of everything that decides how values are scaled."""
        content = {"scale": str(scale), "norm_stats": _as_json(self)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_statistics(folder: Path, asset_id: str = "") -> Path:
    """The statistics file of a checkpoint folder.

    Args:
        folder: Of the checkpoint; the file lies under its `assets`.
        asset_id: Which of several; empty where there is only one.

    Raises:
        CheckpointError: There is none, or one must be chosen.
    """
    assets = folder / _ASSETS
    if asset_id:
        path = assets / asset_id / _FILE_NAME
        if path.is_file():
            return path
    found = sorted(assets.rglob(_FILE_NAME))
    ids = ", ".join(f"'{path.parent.relative_to(assets)}'" for path in found) or "none"
    if not asset_id and len(found) == 1:
        return found[0]
    if not found:
        raise CheckpointError(
            f"there are no normalisation statistics at {assets}/<id>/{_FILE_NAME}; copy the "
            "checkpoint's 'assets' folder there, without it no action has a unit"
        )
    wanted = f"no asset '{asset_id}'" if asset_id else "more than one asset"
    raise CheckpointError(f"{assets} has {wanted}; set asset_id to one of: {ids}")


def read_statistics(path: Path, rig: Rig, padded_dim: int, scale: Scale) -> RobotStatistics:
    """Reads the statistics of a rig and checks them.

    Args:
        path: Of the file.
        rig: Whose columns they must describe.
        padded_dim: Width of the network's state and actions; the file may hold so many numbers.
        scale: How they will be used.

    Raises:
        CheckpointError: The file is absent or damaged, or its numbers cannot be used for the rig;
            the text names value, expectation and remedy.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read the normalisation statistics: {error}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}; copy it again") from error
    groups = content.get("norm_stats") if is_json_object(content) else None
    if not is_json_object(groups):
        raise CheckpointError(f"{path} has no 'norm_stats'; it is not a statistics file of openpi")
    dims = {"state": rig.state_dim, "actions": rig.action_dim}
    read = {
        name: _read_group(path, name, groups.get(name), dim, padded_dim, rig.name)
        for name, dim in dims.items()
    }
    for name, group in read.items():
        try:
            group.check(scale)
        except ValueError as error:
            raise CheckpointError(f"{path}, {name}: {error}") from error
    return RobotStatistics(**read)


def write_statistics(folder: Path, asset_id: str, statistics: RobotStatistics) -> Path:
    """Writes `assets/<asset_id>/norm_stats.json` in a checkpoint folder.

    Returns:
        Path of the file.
    """
    path = folder / _ASSETS / asset_id / _FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"norm_stats": _as_json(statistics)}, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _as_json(statistics: RobotStatistics) -> dict[str, dict[str, list[float]]]:
    groups = {"state": statistics.state, "actions": statistics.actions}
    return {
        name: {part: values.tolist() for part, values in group.parts().items()}
        for name, group in groups.items()
    }


def _read_group(
    path: Path, name: str, group: object, dim: int, padded_dim: int, rig: str
) -> Statistics:
    if not is_json_object(group) or not {"mean", "std"} <= group.keys():
        raise CheckpointError(
            f"{path} has no '{name}' with 'mean' and 'std'; compute the statistics again"
        )
    columns: dict[str, Columns] = {}
    for part in _PARTS:
        values = group.get(part)
        if values is not None:
            columns[part] = _read_columns(path, f"{name}.{part}", values, dim, padded_dim, rig)
    try:
        return Statistics(**columns)
    except ValueError as error:
        raise CheckpointError(f"{path}, {name}: {error}") from error


def _read_columns(
    path: Path, name: str, values: Any, dim: int, padded_dim: int, rig: str
) -> Columns:
    try:
        columns = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {name} is not a list of numbers: {error}") from error
    if columns.shape not in ((dim,), (padded_dim,)):
        raise CheckpointError(
            f"{path}: {name} has shape {columns.shape}; rig '{rig}' has {dim} columns. Take the "
            "statistics of this rig (setting asset_id), or the rig of these statistics"
        )
    return columns[:dim]


def _refuse_column(name: str, values: Columns, bad: NDArray[np.bool_], wanted: str) -> None:
    if bad.any():
        column = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{name} of column {column} is {values[column]}; it must be {wanted}. Compute the "
            "statistics again (./tmrl pi0-statistics)"
        )
