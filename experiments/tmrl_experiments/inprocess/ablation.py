"""`python -m tmrl_experiments ablation`: the demo's methods and their rivals, side by side.

Every run is one of `python -m tmrl_experiments finetune` with the same preset, task and budget;
only what a row names differs. A run that has its report is not repeated, so the same command
resumes, and several of them with different rows may work side by side: processes of one machine, or
the machines of a Ray cluster.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError, TmrlError
from tmrl_common.storage import prepare_file, prepare_folder, write_text
from tmrl_experiments.fan_out import fan_out
from tmrl_experiments.inprocess import cli
from tmrl_experiments.inprocess.run import run
from tmrl_experiments.widowx.task import OBSERVED, SETTINGS, check_observed, suffix_of
from tmrl_learner.config import key_value

_FIGURES = ("success_last_20", "episodes_to_90")
_SMOOTHED, _CLONED = "csp", "bc"

ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tmrl": (_SMOOTHED, ("--method=tmrl",)),
    **{
        f"fixed-sigma-{sigma}": (
            _SMOOTHED,
            ("--method=fixed-sigma", f"--set=agent.sigma_max={sigma}"),
        )
        for sigma in ("1", "0.75", "0.5", "0.25", "0")
    },
    "random-sigma": (_SMOOTHED, ("--method=tmrl", "--drawn=sigma")),
    "random-z": (_SMOOTHED, ("--method=tmrl", "--drawn=z")),
    "tmrl-epsilon-head": (_SMOOTHED, ("--method=tmrl", "--set=agent.epsilon_head=true")),
    "tmrl-no-success-share": (_SMOOTHED, ("--method=tmrl", "--set=replay.success_share=0")),
    **{
        f"tmrl-overlap-{steps}": (_SMOOTHED, ("--method=tmrl", f"--overlap-steps={steps}"))
        for steps in (1, 2)
    },
    "dsrl": (_CLONED, ("--method=dsrl",)),
    "dsrl_na": (_CLONED, ("--method=dsrl_na",)),
    "base": (_SMOOTHED, ("--method=base",)),
    "base-sigma-0.5": (_SMOOTHED, ("--method=base", "--base-sigma=0.5")),
    "base-sigma-1": (_SMOOTHED, ("--method=base", "--base-sigma=1")),
}
"""Row: the policy that is steered, and the arguments of `finetune` that make the difference."""

PLATE_ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tmrl": ROWS["tmrl"],
    "tmrl-two-levels": (
        _SMOOTHED,
        (
            "--method=tmrl",
            "--set=agent.sigma_levels=2",
            "--set=agent.sigma_entropy=0.1",
            "--warmup-marginal-fraction=0.65",
            "--warmup-context-fraction=0.35",
            "--explore-sigma=0.3",
            "--explore-hold=4",
        ),
    ),
    "known-schedule": (
        _SMOOTHED,
        ("--method=fixed-sigma", "--set=agent.sigma_max=1", "--sigma-schedule", "1", "0"),
    ),
    **{row: ROWS[row] for row in ROWS if row.startswith(("fixed-sigma-", "random-", "base"))},
}
"""The same for the plate's task; the known schedule has a high sigma while the gripper is empty.

What a row names comes after what all share, so it holds.
"""

BUTTON_ROWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{row: ROWS[row] for row in ("tmrl", "fixed-sigma-1", "dsrl", "base", "base-sigma-1")},
    "base-bc": (_CLONED, ("--method=base",)),
}
"""The same for the button's task."""

TASK_ROWS = {"pot": ROWS, "plate": PLATE_ROWS, "press_button": BUTTON_ROWS}
_SETTING = {
    "pot": (),
    "plate": (
        "--task=plate",
        "--warmup-marginal-fraction=0.5",
        "--warmup-context-fraction=0.25",
    ),
    "press_button": ("--task=press_button", "--preset=franka_sim"),
}
"""Arguments of `finetune` that all rows of a task share."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what has no report yet, and writes the summary after each run."""
    arguments = _parser().parse_args(argv)
    try:
        _run_all(arguments)
    except TmrlError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _run_all(arguments: argparse.Namespace) -> None:
    check_observed(arguments.task, arguments.observe)
    rows = TASK_ROWS[arguments.task]
    for row in arguments.rows or ():
        if row not in rows:
            raise ConfigError(f"unknown row {row!r}; {nearest_name(row, [*rows])}")
    task: str = arguments.task
    rig, suffix = SETTINGS[task].rig, suffix_of(task, arguments.observe)
    of_demo = rig == "widowx_sim" and arguments.observe == "state"
    name = f"demo{suffix}_ablation" if of_demo else "tasks"
    report = arguments.json or Path(f"docs/results/{name}.json")
    policies = arguments.policies or Path(f"policies/checkpoints/{rig}{suffix}")
    key = "sausage_camera" if arguments.observe == "cameras" else task
    work = prepare_folder(
        arguments.work or Path("runs/ablation" + (suffix if of_demo else f"_{key}"))
    )
    prepare_file(report)
    wanted = [
        Run(arguments.task, row, seed, arguments.episodes, policies.resolve(), work)
        for row in arguments.rows or rows
        for seed in arguments.seeds
    ]
    missing = [each for each in wanted if not report_path(work, each.row, each.seed).exists()]
    if arguments.workers == 1 and arguments.ray is None:
        finished = ((each, each.make()) for each in missing)
    else:
        finished = fan_out(Run.make, missing, arguments.workers, arguments.ray)
    for done, (each, _) in enumerate(finished, start=1 + len(wanted) - len(missing)):
        sys.stdout.write(f"run {done} of {len(wanted)} is done: {each.row}, seed {each.seed}\n")
        _write(report, work, task, "" if of_demo else key)
    _write(report, work, task, "" if of_demo else key)


@dataclass(frozen=True)
class Run:
    """One run of the ablation, as it travels to the process that makes it.

    Attributes:
        task: Of `TASK_ROWS`.
        row: Of that task's rows.
        seed: Of everything in it.
        episodes: How many.
        policies: Folder with the policies csp and bc.
        work: Folder for the report.
    """

    task: str
    row: str
    seed: int
    episodes: int
    policies: Path
    work: Path

    def make(self) -> None:
        """Runs it, and leaves its report in `work`.

        Raises:
            TmrlError: A policy is missing or damaged.
        """
        policy, changes = TASK_ROWS[self.task][self.row]
        report = report_path(self.work, self.row, self.seed)
        words = [f"--checkpoint={self.policies / policy}", *_SETTING[self.task], *changes]
        words += [f"--seed={self.seed}", f"--episodes={self.episodes}", f"--json={report}"]
        finetune = cli.parser().parse_args(words)
        run(finetune, dict(key_value(text) for text in finetune.set))


def report_path(work: Path, row: str, seed: int) -> Path:
    """Where a run keeps its report; the name says which run it is."""
    return work / f"{row}.seed{seed}.json"


def summary(
    work: Path, task: str = "pot", figures: Sequence[str] = _FIGURES
) -> dict[str, dict[str, Any]]:
    """What is in the reports of a folder: row, seed, and figures of a session.

    Args:
        work: The folder.
        task: Whose rows are looked for.
        figures: Which ones of a report are kept.

    Returns:
        `{row: {seed: {"success_last_20": share, "episodes_to_90": number or None}}}`, the rows in
        the task's order.
    """
    result: dict[str, dict[str, Any]] = {}
    for row in TASK_ROWS[task]:
        for path in sorted(work.glob(f"{row}.seed*.json")):
            found = json.loads(path.read_text(encoding="utf-8"))
            kept = {key: found[key] for key in figures}
            result.setdefault(row, {})[str(found["seed"])] = kept
    return result


def _write(report: Path, work: Path, task: str, key: str) -> None:
    """Writes a task's rows; under a key beside other tasks', with the wall time."""
    figures = summary(work, task)
    if key:
        others = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
        figures = {**others, key: summary(work, task, (*_FIGURES, "wall_minutes"))}
    write_text(report, json.dumps(figures, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tmrl_experiments ablation", description=__doc__)
    add = parser.add_argument
    add("--task", choices=TASK_ROWS, default="pot", help="of the demo (default: pot), or another")
    add(
        "--observe",
        choices=OBSERVED,
        default="state",
        help="which policies, unless --policies says it: those that are shown where the objects "
        "are, or those that look through cameras (default: state)",
    )
    add(
        "--rows",
        nargs="+",
        metavar="ROW",
        help=f"which of {', '.join(ROWS)}; with --task plate of {', '.join(PLATE_ROWS)}; "
        f"with --task press_button of {', '.join(BUTTON_ROWS)} "
        "(default: all)",
    )
    add("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], metavar="S")
    add("--episodes", type=int, default=150)
    add(
        "--policies",
        type=Path,
        help="folder with the policies csp and bc (default: policies/checkpoints/widowx_sim, "
        "widowx_sim_plate, widowx_sim_cameras or franka_sim)",
    )
    add("--workers", type=int, default=1, help="processes of this machine (default: 1)")
    add("--ray", metavar="ADDRESS", help="use a Ray cluster instead; it must share --work")
    add("--work", type=Path, help="folder for the runs' reports (default: runs/ablation[_TASK])")
    add(
        "--json",
        type=Path,
        help="the summary (default: docs/results/demo_ablation.json, demo_plate_ablation.json or "
        "tasks.json)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
