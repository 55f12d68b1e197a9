"""Normalisation statistics in openpi's file, `assets/<id>/norm_stats.json`.

    {"norm_stats": {"state":   {"mean": [...], "std": [...], "q01": [...], "q99": [...]},
                    "actions": {"mean": [...], "std": [...], "q01": [...], "q99": [...]}}}

Quantiles may be null. A file of a rig whose columns were padded to the network's width before
counting holds that many numbers; the ones beyond the rig's columns mean nothing.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_common.json_object import is_json_object
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.inputs.rigs import Rig, Scale
from tmrl_policies.pi0.mistaken_files import mistaken_content

_log = logging.getLogger(__name__)

Columns = NDArray[np.float64]
"""One number for each column, shape (D,)."""

SMALLEST_SPREAD = 1e-6
"""Columns with less standard deviation, or distance of quantiles, do not vary for our purpose."""

_SPREAD_OF_A_CONSTANT = 1e-3
"""What sums in float32, which openpi counts with, leave of a constant, relative to its size."""

_FILE_NAME = "norm_stats.json"
_ASSETS = "assets"
_PARTS = ("mean", "std", "q01", "q99")
_USED = {Scale.MEAN_STD: ("mean", "std"), Scale.QUANTILE: ("q01", "q99")}
"""Which parts scale; the other ones are not judged."""
_DEEPEST_ASSET = 4
"""Folders between `assets` and the statistics: ids of hubs have a slash."""
_NO_MOMENTS = "there are no 'mean' and 'std'; compute the statistics again (./tmrl pi0-statistics)"
_NO_QUANTILES = (
    "there are no q01 and q99, which scale 'quantile' needs. Take the statistics of the weights, "
    "count those of your data (./tmrl pi0-statistics), or set scale to 'mean_std' if the weights "
    "were trained with it"
)


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
            raise ValueError(_NO_QUANTILES)
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
        folder: Of the checkpoint; the file lies under its `assets`, or beside the weights where
            there is no other.
        asset_id: Which of several; empty where there is only one.

    Raises:
        CheckpointError: There is none, or one must be chosen.
    """
    assets = folder / _ASSETS
    if asset_id:
        path = assets / asset_id / _FILE_NAME
        if path.is_file():
            return path
    found = _all_statistics(assets)
    ids = ", ".join(f"'{path.parent.relative_to(assets)}'" for path in found) or "none"
    if not asset_id and len(found) == 1:
        return found[0]
    beside = folder / _FILE_NAME
    if not found and not asset_id and beside.is_file():
        return beside
    if not found:
        raise CheckpointError(
            f"there are no normalisation statistics at {assets}/<id>/{_FILE_NAME}; copy the "
            "checkpoint's 'assets' folder there, without it no action has a unit"
        )
    wanted = f"no asset '{asset_id}'" if asset_id else "more than one asset"
    raise CheckpointError(f"{assets} has {wanted}; set asset_id to one of: {ids}")


def _all_statistics(assets: Path) -> list[Path]:
    """Every statistics file under a folder, through links too, which `rglob` would pass over."""
    depths = range(_DEEPEST_ASSET + 1)
    return sorted(file for depth in depths for file in assets.glob("*/" * depth + _FILE_NAME))


def read_statistics(path: Path, rig: Rig, padded_dim: int, scale: Scale) -> RobotStatistics:
    """Reads the statistics of a rig, and checks what the scale uses of them.

    Other parts that cannot be used are passed over, with a line in the log.

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
        # From bytes: whoever edited the file may have left a byte-order mark.
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read the normalisation statistics: {error}") from error
    except ValueError as error:
        what = mistaken_content(path) or f"is not valid JSON: {error}; copy it again"
        raise CheckpointError(f"{path} {what}") from error
    groups = content.get("norm_stats") if is_json_object(content) else None
    if not is_json_object(groups):
        raise CheckpointError(f"{path} has no 'norm_stats'; it is not a statistics file of openpi")
    dims = {"state": rig.state_dim, "actions": rig.action_dim}
    read = {
        name: _read_group(f"{path}, {name}", groups.get(name), (dim, padded_dim), rig, scale)
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
    where: str, group: object, dims: tuple[int, int], rig: Rig, scale: Scale
) -> Statistics:
    """Statistics of one vector; only the parts that scale must be whole."""
    used = _USED[scale]
    if not is_json_object(group) or any(group.get(part) is None for part in used):
        quantiles = is_json_object(group) and scale is Scale.QUANTILE
        wanted = _NO_QUANTILES if quantiles else _NO_MOMENTS
        raise CheckpointError(f"{where}: {wanted}")
    given = {part: group[part] for part in _PARTS if group.get(part) is not None}
    try:
        return _statistics_of(where, given, dims, rig)
    except CheckpointError as error:
        needed = {part: given[part] for part in used}
        statistics = _statistics_of(where, needed, dims, rig)
        _log.info("%s; passed over, since scale '%s' does not use it", error, scale)
        return statistics


def _statistics_of(
    where: str, given: Mapping[str, Any], dims: tuple[int, int], rig: Rig
) -> Statistics:
    columns = {part: _read_columns(f"{where}.{part}", given[part], dims, rig) for part in given}
    if not {"mean", "std"} <= columns.keys():
        # Nothing is scaled by these; the middle and a quarter of the range are near enough.
        low, high = np.nan_to_num(columns["q01"]), np.nan_to_num(columns["q99"])
        columns |= {"mean": low / 2.0 + high / 2.0, "std": np.abs(high / 4.0 - low / 4.0)}
    try:
        return Statistics(**columns)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from error


def _read_columns(where: str, values: Any, dims: tuple[int, int], rig: Rig) -> Columns:
    try:
        columns = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{where} is not a list of numbers: {error}") from error
    if columns.shape not in ((dims[0],), (dims[1],)):
        raise CheckpointError(
            f"{where} has shape {columns.shape}; rig '{rig.name}' has {dims[0]} columns. Take the "
            "statistics of this rig (setting asset_id), or the rig of these statistics"
        )
    return columns[: dims[0]]


def _refuse_column(name: str, values: Columns, bad: NDArray[np.bool_], wanted: str) -> None:
    if bad.any():
        column = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{name} of column {column} is {values[column]}; it must be {wanted}. Compute the "
            "statistics again (./tmrl pi0-statistics)"
        )
