"""Whether a checkpoint's parts fit each other, judged without its network's memory.

The policy server and fine-tuning load by these functions, and `./tmrl check` prints what they say,
so that the report is never of another mind than what runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tmrl_common.errors import TmrlError
from tmrl_policies.pi0.config import Pi0Config
from tmrl_policies.pi0.inputs.prompt import state_in_prompt
from tmrl_policies.pi0.inputs.record import Pi0Record
from tmrl_policies.pi0.inputs.resolution import resolve
from tmrl_policies.pi0.inputs.rigs import Rig
from tmrl_policies.pi0.inputs.settings import TOKENISER_FILE, Pi0Settings
from tmrl_policies.pi0.inputs.statistics import (
    RobotStatistics,
    Statistics,
    find_statistics,
    read_statistics,
)
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.weights import judge_weights
from tmrl_policies.pi0.weights_file import find_weights
from tmrl_policies.units import odd_unit


class Verdict(StrEnum):
    """What came of looking at one thing."""

    FITS = "fits"
    LOOK = "look"
    """It may be right; somebody should look."""
    DOES_NOT_FIT = "does not fit"
    UNKNOWN = "not judged"


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        subject: Such as "statistics".
        verdict: What came of it.
        sentence: What was found; of what does not fit with the remedy.
    """

    subject: str
    verdict: Verdict
    sentence: str


@dataclass
class CheckedCheckpoint:
    """A checkpoint whose parts were looked at.

    Attributes:
        findings: In the order in which they were made.
        record: How it runs; None where that is not known.
        statistics: Of its state and actions; None where they cannot be used.
        tokeniser: Of its prompts; None where there is none.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    record: Pi0Record | None = None
    statistics: RobotStatistics | None = None
    tokeniser: PromptTokeniser | None = None

    def note(self, subject: str, verdict: Verdict, sentence: str) -> None:
        """Adds a finding."""
        self.findings.append(Finding(subject, verdict, sentence))

    def attempt(self, subject: str, look: Callable[[], str]) -> None:
        """Adds what `look` says, or the product's own refusal."""
        try:
            self.note(subject, Verdict.FITS, look())
        except TmrlError as error:
            self.note(subject, Verdict.DOES_NOT_FIT, str(error))


def judge_checkpoint(folder: Path, settings: Pi0Settings) -> CheckedCheckpoint:
    """Looks at sizes, kind, weights, statistics and tokeniser of a pi0.

    Args:
        folder: As the policy server takes it.
        settings: As the policy server takes them.
    """
    checked = CheckedCheckpoint()

    def kind() -> str:
        # First: without weights, what they would be asked for helps nobody.
        find_weights(folder)
        checked.record = record = resolve(folder, settings)
        config = record.config
        norm = "divided by its root mean square" if config.prefix_rms else "taken as it is"
        return (
            f"{config.kind} of convention '{record.rig.name}', prefix {norm}; {config.layers} "
            f"layers, widths {config.prefix.width} and {config.expert.width}, chunks of "
            f"{config.horizon} actions, {record.scale} scaling"
        )

    checked.attempt("kind and sizes", kind)
    if (record := checked.record) is None:
        return checked

    def weights() -> str:
        found = judge_weights(without_memory(record.config), folder)
        return "; ".join((f"{len(found.names)} tensors", *found.notes))

    def statistics() -> str:
        checked.statistics = checkpoint_statistics(folder, record)
        dims = checked.statistics.state.dim, checked.statistics.actions.dim
        return f"{dims[0]} state and {dims[1]} action columns"

    def tokeniser() -> str:
        checked.tokeniser = open_tokeniser(folder, record.config, settings)
        return f"{record.config.prompt_tokens} tokens to a prompt"

    checked.attempt("weights", weights)
    checked.attempt("statistics", statistics)
    if checked.statistics is not None:
        judge_units(checked, "units", record.rig, checked.statistics)
    checked.attempt("tokeniser", tokeniser)
    return checked


def judge_units(
    checked: CheckedCheckpoint, subject: str, rig: Rig, statistics: RobotStatistics
) -> None:
    """Adds whether statistics are in the units of their columns, by their sizes."""
    odd = odd_units(rig, statistics)
    for sentence in odd:
        checked.note(subject, Verdict.LOOK, sentence)
    if not odd:
        checked.note(subject, Verdict.FITS, "every column is of a size that its unit has on an arm")


def judge_prompt(checked: CheckedCheckpoint, prompt: str) -> None:
    """Adds whether an instruction can be read."""
    record, tokeniser = checked.record, checked.tokeniser
    if record is None or tokeniser is None:
        checked.note("prompt", Verdict.UNKNOWN, "there is no tokeniser to read it with")
        return
    state = np.zeros(record.rig.state_dim) if state_in_prompt(record.config, record.rig) else None
    try:
        tokens = tokeniser.encode(prompt, state)
    except ValueError as error:
        checked.note("prompt", Verdict.DOES_NOT_FIT, str(error))
        return
    used, room = int(tokens.mask.sum()), len(tokens.mask)
    verdict = Verdict.LOOK if used == room and state is None else Verdict.FITS
    cut = "; what goes beyond is cut off" if verdict is Verdict.LOOK else ""
    checked.note("prompt", verdict, f"{prompt!r:.60} takes {used} of {room} tokens{cut}")


def without_memory(config: Pi0Config) -> Pi0:
    """A network whose tensors have names, types and shapes, and no memory."""
    with torch.device("meta"):
        return Pi0(config)


def checkpoint_statistics(folder: Path, record: Pi0Record) -> RobotStatistics:
    """The statistics with which a checkpoint runs.

    Raises:
        CheckpointError: There are none, or they do not fit the checkpoint's rig and scale.
    """
    path = find_statistics(folder, record.asset_id)
    return read_statistics(path, record.rig, record.config.action_dim, record.scale)


def open_tokeniser(folder: Path, config: Pi0Config, settings: Pi0Settings) -> PromptTokeniser:
    """The tokeniser of a checkpoint.

    Raises:
        ConfigError: It is absent, damaged or another network's.
    """
    path = Path(settings.tokeniser) if settings.tokeniser else folder / TOKENISER_FILE
    return PromptTokeniser(path, config.prompt_tokens, config.vocabulary)


def odd_units(rig: Rig, statistics: RobotStatistics) -> list[str]:
    """A sentence for each column whose numbers are too large for its unit."""
    groups: Mapping[str, tuple[tuple[str, ...], Statistics]] = {
        "state": (rig.state, statistics.state),
        "action": (rig.actions, statistics.actions),
    }
    sentences: list[str] = []
    for group, (columns, found) in groups.items():
        for place, column in enumerate(columns):
            learned_as_change = group == "action" and place >= rig.relative_columns
            per_step = learned_as_change and column.startswith("delta_")
            size = max(abs(found.mean[place]), found.std[place])
            if hint := odd_unit(column, size, per_step=per_step):
                sentences.append(
                    f"{group} column {column} has mean {found.mean[place]:.4g} and standard "
                    f"deviation {found.std[place]:.4g}: {hint}"
                )
    return sentences
