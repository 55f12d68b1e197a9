"""The command line of `./tmrl export`."""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from tmrl_common.storage import prepare_folder
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome
from tmrl_recorder.file_names import recordings_of
from tmrl_ros.recordings import RecordingError
from tmrl_run.errors import RunError
from tmrl_run.lerobot.action_columns import ACTION_COLUMNS
from tmrl_run.lerobot.dataset import Dataset, Layout
from tmrl_run.lerobot.rows import Source, episode_of
from tmrl_run.run_folder import RunFolder, open_run

_DESCRIPTION = """\
Writes the episodes of a run as a LeRobot data set of version 3: what the arm measured before each
control step, where the objects were that the policy is given, what was commanded, the recorded
pictures as videos, and beside them sigma, who drove (0 policy, 1 person, 2 nobody) and how the
episode ended (0 success, 1 failure, 2 timeout, 3 aborted). Discarded episodes are left out. The
data set is whole after every episode, and a running session does not notice."""
_EXIT_PARTLY = 1


def main(argv: list[str]) -> int:
    """Exports a run.

    Returns:
        0; 1 where episodes were left out, each of which was named.

    Raises:
        RunError: Nothing can be exported; the text says why.
        StorageError: The disk refuses.
    """
    parser = argparse.ArgumentParser(prog="./tmrl export", description=_DESCRIPTION)
    parser.add_argument("format", choices=("lerobot",))
    parser.add_argument("run", metavar="RUN", type=Path, help="directory of the run")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to be made")
    parser.add_argument("--task", default="", help="instruction, where the policy takes none")
    parser.add_argument("--cameras", help="names, separated by commas; default: all recorded ones")
    parsed = parser.parse_args(argv)
    run = open_run(parsed.run)
    chosen = None if parsed.cameras is None else tuple(filter(None, parsed.cameras.split(",")))
    return export(Source(run, parsed.task.strip(), chosen), parsed.out)


def export(source: Source, out: Path) -> int:
    """Writes a data set; see `main`."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} is there already; name a folder that is not, or remove it")
    run = source.run
    layout = layout_of(source)
    recordings, outcomes = recordings_of(run.recordings), run.outcomes()
    by_episode: dict[int, list[Transition]] = defaultdict(list)
    for each in run.transitions():
        by_episode[each.episode].append(each)
    wanted = [n for n in sorted(by_episode) if outcomes.get(n) not in (None, Outcome.DISCARDED)]
    if not wanted:
        raise RunError(f"{run.path} has no episode that is labelled and not discarded yet")
    dataset = Dataset(prepare_folder(out, room_mb=100), layout)
    reasons: list[str] = []
    for number in wanted:
        paths = recordings.get(number, [])
        try:
            dataset.add(episode_of(source, number, by_episode[number], outcomes[number], paths))
        except (RunError, RecordingError) as error:
            reasons.append(f"episode {number} is left out: {error}\n")
            sys.stderr.write(reasons[-1])
    if not dataset.episodes:
        raise RunError(
            f"none of the {len(wanted)} episodes of {run.path} could be exported; the first: "
            f"{reasons[0].strip()}"
        )
    sys.stdout.write(f"{out}: {dataset.episodes} episodes, {dataset.rows} rows\n")
    return _EXIT_PARTLY if reasons else 0


def layout_of(source: Source) -> Layout:
    """What all episodes of the data set share.

    Raises:
        RunError: The configuration of the run does not say.
    """
    run: RunFolder = source.run
    space = run.value("controller", "action_space", None)
    if space not in ACTION_COLUMNS:
        raise RunError(
            f"{run.path}/config.yaml: controller.action_space is {space!r}; known are "
            f"{', '.join(ACTION_COLUMNS)}"
        )
    return Layout(
        robot=run.robot,
        fps_hz=run.control_rate_hz,
        state=source.fields,
        actions=ACTION_COLUMNS[space],
        session=run.session,
        context=source.objects,
    )
