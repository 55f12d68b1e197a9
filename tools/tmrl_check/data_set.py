"""A data set beside the checkpoint that it is to train on, or was trained from."""

from pathlib import Path

import numpy as np

from tmrl_common.errors import TmrlError
from tmrl_learner.pi0.config import finetune_config
from tmrl_learner.pi0.dataset_check import check_dataset
from tmrl_policies.far_state import FAR_DEVIATIONS, StateWatch
from tmrl_policies.pi0.fitness import CheckedCheckpoint, Verdict, judge_prompt, judge_units
from tmrl_policies.pi0.inputs.record import Pi0Record
from tmrl_policies.pi0.inputs.statistics import RobotStatistics


def judge_data(checked: CheckedCheckpoint, folder: Path) -> None:
    """Adds whether a data set is one of the checkpoint's rig, by the checks of fine-tuning."""
    record = checked.record
    if record is None:
        sentence = "nothing tells the pi0 that it would be for"
        checked.note("data set", Verdict.UNKNOWN, sentence)
        return
    try:
        found = _read(checked, record, folder)
    except (TmrlError, ValueError) as error:
        checked.note("data set", Verdict.DOES_NOT_FIT, str(error))
        return
    judge_units(checked, "data set's units", record.rig, found)
    if checked.statistics is not None:
        _judge_ranges(checked, record, checked.statistics, found)


def _read(checked: CheckedCheckpoint, record: Pi0Record, folder: Path) -> RobotStatistics:
    config = finetune_config(record.rig.name, kind=record.config.kind)
    report = check_dataset(
        folder, config.columns, record.rig, horizon=record.config.horizon, quiet=True
    )
    data = report.demonstrations
    checked.note(
        "data set",
        Verdict.FITS,
        f"{len(data.episodes)} episodes at {data.info.fps_hz:g} rows per second, "
        f"{report.rows} chunks",
    )
    for instruction in data.instructions():
        judge_prompt(checked, instruction)
    return report.statistics


def _judge_ranges(
    checked: CheckedCheckpoint, record: Pi0Record, trained: RobotStatistics, found: RobotStatistics
) -> None:
    """Whether the data lie where the checkpoint was trained."""
    watch = StateWatch(record.rig.state, trained.state.mean, trained.state.std)
    far = watch.deviations(found.state.mean)
    place = int(np.argmax(far))
    column, largest = record.rig.state[place], float(far[place])
    sentence = (
        f"the mean of state column {column} lies {largest:.2g} standard deviations from that of "
        "the checkpoint"
    )
    verdict = Verdict.DOES_NOT_FIT if largest > FAR_DEVIATIONS else Verdict.FITS
    hint = "; look at its unit" if verdict is Verdict.DOES_NOT_FIT else ", the farthest of all"
    checked.note("data set's ranges", verdict, sentence + hint)
