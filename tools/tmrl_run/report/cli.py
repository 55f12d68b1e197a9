"""The command line of `./tmrl report`."""

import argparse
import os
import sys
import time
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from tqdm import tqdm

from tmrl_common.storage import prepare_file, write_text
from tmrl_recorder.file_names import recordings_of
from tmrl_recorder.video import make_video
from tmrl_ros.recordings import RecordingError
from tmrl_run.history import WINDOW
from tmrl_run.report import charts
from tmrl_run.report.content import TARGET, Content, read_content
from tmrl_run.run_folder import open_run

_DESCRIPTION = """\
Writes a run as one HTML page that needs nothing else: learning curve, episodes, what people did,
what stopped the arm, sigma of each chunk. Made from journal, ledger and recordings alone, so also
while the session runs; run it again for the newest."""
FILE_NAME = "report.html"
_CURVE, _MAP, _BARS = 220.0, 200.0, 90.0
"""Heights of the figures."""


def main(argv: list[str]) -> int:
    """Writes the page of a run.

    Returns:
        0.

    Raises:
        RunError: The folder is no run.
        JournalError: Its journal is damaged.
        StorageError: The page cannot be written.
    """
    parser = argparse.ArgumentParser(prog="./tmrl report", description=_DESCRIPTION)
    parser.add_argument("run", metavar="RUN", type=Path, help="directory of the run")
    parser.add_argument("--out", metavar="FILE", type=Path, help=f"default: RUN/{FILE_NAME}")
    parser.add_argument(
        "--videos", action="store_true", help="make a video of every recorded episode, and link it"
    )
    parsed = parser.parse_args(argv)
    run = open_run(parsed.run)
    out: Path = parsed.out or run.path / FILE_NAME
    prepare_file(out)
    unseen = _make_videos(run.recordings) if parsed.videos else []
    content = read_content(run)
    beside = out.with_name(f".{out.name}")
    if out.is_file() or not out.exists():
        # Whoever has the page open reloads the old one or the new one, never a part.
        write_text(beside, page(content, out.parent))
        beside.replace(out)
    else:
        write_text(out, page(content, out.parent))
    for sentence in (*unseen, *content.unreadable):
        sys.stderr.write(f"{sentence}\n")
    sys.stdout.write(f"{out}\n")
    return 0


def _make_videos(recordings: Path) -> list[str]:
    """Makes the videos that are not there yet; returns a sentence for each that cannot be made."""
    unseen: list[str] = []
    for number in tqdm(sorted(recordings_of(recordings)), "videos", unit="episode", disable=None):
        try:
            make_video(recordings, number)
        except RecordingError as error:
            unseen.append(str(error))
    return unseen


def page(content: Content, folder: Path) -> str:
    """The HTML of a run.

    Args:
        content: What it says.
        folder: Where it will lie: videos are linked from there.
    """

    def link(video: str) -> str:
        return quote(os.path.relpath(content.run.path / video, folder))

    environment = Environment(
        loader=PackageLoader("tmrl_run", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    counted = content.counted
    return environment.get_template("page.html.j2").render(
        content=content,
        link=link,
        data=content.as_json(),
        rates=content.rates,
        window=WINDOW,
        target=TARGET,
        made=time.strftime("%Y-%m-%d %H:%M:%S"),
        width=charts.WIDTH,
        curve=charts.curve(content.rates, _CURVE),
        ticks=charts.ticks(counted, _CURVE),
        curve_height=_CURVE,
        sigma_map=charts.sigma_map(content.episodes, _MAP),
        map_height=_MAP,
        bars=charts.interventions(content.episodes, _BARS),
        bars_height=_BARS,
        scale=[charts.colour_of(i / 20) for i in range(21)],
    )
