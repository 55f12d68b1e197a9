"""One report of all that was given: the checkpoint first, then rig and data set beside it."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tmrl_bringup.parts import SERVER
from tmrl_bringup.processes import server_setting
from tmrl_bringup.rig import Rig, load
from tmrl_check.data_set import judge_data
from tmrl_check.rig_values import Served, given, judge_rig
from tmrl_common.config import build_config, nearest_name
from tmrl_common.errors import ConfigError, TmrlError
from tmrl_policies.camera_served import load_served
from tmrl_policies.pi0.fitness import CheckedCheckpoint, Finding, Verdict, judge_checkpoint
from tmrl_policies.pi0.inputs.settings import NO_DINO, Pi0Settings
from tmrl_policy_server.config import EngineConfig
from tmrl_policy_server.loading import is_flow


def check(
    folder: Path, rig_name: str | None, data: Path | None, settings: Mapping[str, str]
) -> list[Finding]:
    """Looks at everything.

    Args:
        folder: Of the checkpoint.
        rig_name: A rig, or the path of its file; None for none.
        data: Folder of a data set; None for none.
        settings: Of the policy server by name; they win over the rig's.

    Raises:
        RigError: There is no such rig.
        ConfigError: A setting is unknown or impossible.
    """
    rig = None if rig_name is None else load(rig_name)
    known = [each.name for each in dataclasses.fields(Pi0Settings)]
    for name in settings:
        if name not in known:
            raise ConfigError(f"unknown setting '{name}'. {nearest_name(name, known)}")
    if is_flow(folder):
        checked, served = _small_policy(folder, rig)
    else:
        values = {"dino": NO_DINO, **_of_rig(rig, known), **settings}
        pi0 = build_config(Pi0Settings, values)
        checked = judge_checkpoint(folder, pi0)
        served = None if checked.record is None else Served.of_pi0(checked.record)
        _judge_dino(checked, pi0)
    if rig is not None and served is not None:
        judge_rig(checked, rig, served)
    if data is not None:
        judge_data(checked, data)
    return checked.findings


def print_findings(findings: Sequence[Finding]) -> None:
    """Writes one line for each, what does not fit in capitals."""
    subjects = max(len(finding.subject) for finding in findings)
    verdicts = max(map(len, Verdict))
    for subject, verdict, sentence in findings:
        word = verdict.upper() if verdict is Verdict.DOES_NOT_FIT else verdict
        sys.stdout.write(f"{word:<{verdicts}}  {subject:<{subjects}}  {sentence}\n")


def _of_rig(rig: Rig | None, known: Sequence[str]) -> dict[str, Any]:
    """The settings of a pi0 that a rig gives; what still is an example is none."""
    if rig is None:
        return {}
    values = {name: given(rig, SERVER, name) for name in known}
    values["prompt"] = given(rig, "agent", "prompt")
    # Paths as text, as on the server's command line.
    return {
        name: str(made) if isinstance(made := server_setting(name, value), Path) else made
        for name, value in values.items()
        if value not in (None, "")
    }


def _judge_dino(checked: CheckedCheckpoint, settings: Pi0Settings) -> None:
    if settings.dino == NO_DINO:
        checked.note("DINOv2", Verdict.UNKNOWN, "no folder is given (dino)")
    elif (Path(settings.dino) / "config.json").is_file():
        checked.note("DINOv2", Verdict.FITS, f"there is one at {settings.dino}")
    else:
        checked.note("DINOv2", Verdict.DOES_NOT_FIT, f"there is no config.json in {settings.dino}")


def _small_policy(folder: Path, rig: Rig | None) -> tuple[CheckedCheckpoint, Served | None]:
    """The same for a small flow policy, which is loaded: it costs nothing."""
    checked, served = CheckedCheckpoint(), None
    chosen = None if rig is None else given(rig, SERVER, "action_transform")
    transform = chosen or EngineConfig().action_transform
    try:
        spec = load_served(folder, str(transform)).spec
        served = Served.of_spec(spec)
        seen = f"{spec.context_dim} context columns"
        if spec.cameras:
            seen = f"pictures of {' and '.join(spec.cameras)}"
        sentence = (
            f"a small flow policy: {spec.proprio_dim} state columns and {seen}, "
            f"chunks of {spec.horizon} actions '{spec.action_space}'"
        )
        checked.note("kind and sizes", Verdict.FITS, sentence)
    except TmrlError as error:
        checked.note("kind and sizes", Verdict.DOES_NOT_FIT, str(error))
    return checked, served
