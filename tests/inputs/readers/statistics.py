"""Normalisation statistics as people and programs leave them, read by the functions that serve.

`given` says how a checkpoint's statistics of the Bridge rig differ from usual ones:

    rig: droid                      # that reads them; otherwise bridge
    scale: quantile                 # by which is scaled; otherwise mean_std
    asset_id: lab                   # asked for
    set: {state.q99.2: 0.5}         # values; null takes a key away
    encoding: utf-16                # of the file
    text: "..."                     # the whole file
    move: {assets/bridge: lab}      # files or folders
    link: {assets/bridge: lab}      # symbolic links, from -> to, in the checkpoint's folder
    copy: {assets/other: assets/bridge}
"""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.inputs import statistics
from tmrl_policies.pi0.inputs.rigs import BRIDGE, rig_named, scale_named
from tmrl_policies.pi0.inputs.statistics import find_statistics, read_statistics, write_statistics
from tmrl_policies.pi0.inputs.testing import make_statistics

from ..heard import Heard
from ..reading import Answer, Outcome

_PADDED = 32


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer to a checkpoint's statistics."""
    _write(given, folder)
    rig = rig_named(given.get("rig", "bridge"))
    scale = scale_named(given.get("scale", "mean_std"))
    with Heard(statistics.__name__, logging.INFO) as heard:
        try:
            path = find_statistics(folder, given.get("asset_id", ""))
            found = read_statistics(path, rig, _PADDED, scale)
        except CheckpointError as error:
            return Answer(Outcome.REFUSED, str(error))
    text = f"{found.state.dim} columns"
    if heard.texts:
        return Answer(Outcome.WARNED, "; ".join([text, *heard.texts]))
    return Answer(Outcome.TAKEN, text)


def _write(given: dict[str, Any], folder: Path) -> None:
    path = write_statistics(folder, "bridge", make_statistics(BRIDGE))
    content = json.loads(path.read_text(encoding="utf-8"))
    for key, value in given.get("set", {}).items():
        place: Any = content["norm_stats"]
        *way, last = (int(part) if part.isdecimal() else part for part in key.split("."))
        for part in way:
            place = place[part]
        place[last] = value
    text = given.get("text", json.dumps(content))
    path.write_text(text, encoding=given.get("encoding", "utf-8"))
    for source, target in given.get("copy", {}).items():
        shutil.copytree(folder / target, folder / source)
    for source, target in given.get("move", {}).items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / source, folder / target)
    for source, target in given.get("link", {}).items():
        (folder / source).symlink_to(folder / target)
