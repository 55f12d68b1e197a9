"""A checkpoint with a rig or a data set beside it, as `./tmrl check` is given them.

`given` says what is otherwise than in a tiny checkpoint of the Bridge convention and a rig of its
own that fit each other:

    convention: droid                           # of the checkpoint; otherwise bridge
    statistics: {state.mean.0: 251.0}           # values of the checkpoint's
    without: [paligemma_tokenizer.model]        # files of the checkpoint that are taken away
    rig: {controller.control_rate_hz: 15.0}     # values of the rig's file; false for no rig
    cameras: [front]                            # names of the rig's cameras
    data: {fps: 30}                             # a data set, with values of its meta/info.json
    arguments: [--set, kind=cspi0]              # further ones of the command line
    checkpoint: no/such/folder                  # asked for instead
"""

import contextlib
import io
import json
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tmrl_bringup.rig import config_dir
from tmrl_check import main
from tmrl_learner.pi0.testing import write_small_dataset
from tmrl_policies.pi0.inputs.rigs import rig_named
from tmrl_policies.pi0.inputs.testing import edit_json, write_checkpoint

from ..reading import Answer, Outcome

_DEVIATION = 0.3
_RIG = {
    "controller": {"action_space": "bridge_delta_ee_7", "horizon": 8, "control_rate_hz": 5.0},
    "agent": {
        "action_space": "bridge_delta_ee_7",
        "execute_steps": 5,
        "prompt": "put the pot",
        "proprio_fields": [
            *("tool_x", "tool_y", "tool_z", "tool_roll", "tool_pitch", "tool_yaw"),
            "gripper_opening",
        ],
    },
    "policy_server": {"dino": "none"},
}


def read(given: dict[str, Any], folder: Path) -> Answer:
    """What the report says, and its exit code as an outcome."""
    checkpoint = folder / "checkpoint"
    shutil.copytree(_checkpoint(given.get("convention", "bridge")), checkpoint)
    for key, value in given.get("statistics", {}).items():
        _set_statistic(next(checkpoint.rglob("norm_stats.json")), key, value)
    for name in given.get("without", ()):
        (checkpoint / name).unlink()
    arguments = [str(folder / given.get("checkpoint", "checkpoint"))]
    rig = given.get("rig", {})
    if isinstance(rig, str):
        arguments += ["--rig", rig]
    elif rig is not False:
        arguments += ["--rig", str(_rig(rig, given.get("cameras", ["overview"]), folder))]
    if "data" in given:
        arguments += ["--data", str(_data(given["data"], folder))]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*arguments, *given.get("arguments", ())])
    text = out.getvalue() + err.getvalue()
    if code:
        return Answer(Outcome.REFUSED, text)
    return Answer(Outcome.WARNED if "look  " in text else Outcome.TAKEN, text)


@lru_cache
def _checkpoint(convention: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tmrl-inputs-"))
    write_checkpoint(folder, rig_named(convention))
    path = next(folder.rglob("norm_stats.json"))
    for group in ("state", "actions"):
        for part, value in (("mean", 0.0), ("std", _DEVIATION), ("q01", None), ("q99", None)):
            _set_all(path, group, part, value)
    return folder


def _set_all(path: Path, group: str, part: str, value: float | None) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    count = len(content["norm_stats"][group]["mean"])
    edit_json(path, "norm_stats", group, part, value=None if value is None else [value] * count)


def _set_statistic(path: Path, key: str, value: float) -> None:
    group, part, place = key.split(".")
    content = json.loads(path.read_text(encoding="utf-8"))
    values = content["norm_stats"][group][part]
    values[int(place)] = value
    edit_json(path, "norm_stats", group, part, value=values)


def _rig(changes: dict[str, Any], cameras: list[str], folder: Path) -> Path:
    text = (config_dir() / "widowx.yaml").read_text(encoding="utf-8").replace("!example ", "")
    content = yaml.safe_load(text)
    camera = content["cameras"]["overview"]
    content["cameras"] = {
        name: {**camera, "serial": str(10**11 + number)} for number, name in enumerate(cameras)
    }
    for part, values in _RIG.items():
        content[part] |= values
    for name in ("rig", "kind", "prefix_norm", "dino_embedding"):
        content["policy_server"].pop(name)
    for key, value in changes.items():
        part, name = key.split(".")
        content[part][name] = value
    path = folder / "my_rig.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _data(changes: dict[str, Any], folder: Path) -> Path:
    data = folder / "data"
    write_small_dataset(data)
    for name, value in changes.items():
        edit_json(data / "meta" / "info.json", name, value=value)
    return data
