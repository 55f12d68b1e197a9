"""The page of a run: what stands on it, also of odd runs, and that it needs nothing else."""

import json
import os
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.serialization import serialize_message

from tmrl_agent.journal import Journal
from tmrl_common.types import Outcome
from tmrl_msgs.msg import ChunkOutcome, ControllerStatus
from tmrl_recorder.episode_file import EpisodeFile
from tmrl_recorder.file_names import path_of
from tmrl_recorder.sample import Sample
from tmrl_ros.message_definitions import message_definition
from tmrl_run.errors import RunError
from tmrl_run.report.charts import colour_of
from tmrl_run.report.cli import main
from tmrl_run.testing import SmallRun, write_small_run
from tmrl_success.testing import episode

OUTCOMES = (Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.DISCARDED, Outcome.ABORTED, Outcome.SUCCESS)
VOID = {"meta", "br", "path", "rect", "link", "img"}


class Page(HTMLParser):
    """What a page says, and whether its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.data = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.counts: dict[str, int] = {}
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.attributes += attrs
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in VOID or (tag == "rect"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self._open[-1:] == ["script"]:
            self.data = self.data or text
        else:
            self.text += text + " "


def report(run: Path) -> tuple[Page, dict]:
    assert main([str(run)]) == 0
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    return page, json.loads(page.data)


def test_what_happened_is_on_the_page(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(outcomes=OUTCOMES))
    page, data = report(run)
    assert [each["outcome"] for each in data["episodes"]] == [o.name.lower() for o in OUTCOMES]
    assert data["success_over_window"] == [1.0, 0.5, 0.6667], "without the aborted, discarded ones"
    assert data["episodes"][1]["human_steps"] == [0, 3, 0, 0]
    assert data["episodes"][0]["sigma"] == [0.1, 0.15, 0.2, 0.25]
    assert data["episodes"][1]["sigma"][1] is None, "nothing was steered where a person drove"
    assert all(each["recorded"] for each in data["episodes"])
    assert {each["labelled_by"] for each in data["episodes"]} == {"ada"}
    assert [(e["episode"], e["kind"]) for e in data["safety"] if e["kind"] == "aborted"] == [
        (4, "aborted")
    ]
    assert sum(e["kind"] == "pause" for e in data["safety"]) == 5
    assert page.counts["button"] == 5
    for words in ("Learning curve", "Interventions", "Safety events", "σ of each chunk"):
        assert words in page.text


def test_videos_are_made_once_and_linked_from_wherever_the_page_lies(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    out = tmp_path / "pages" / "monday.html"
    out.parent.mkdir()
    assert main([str(run), "--videos", "--out", str(out)]) == 0
    page = Page(out.read_text(encoding="utf-8"))
    links = [unquote(value) for name, value in page.attributes if name == "href"]
    assert links[0] == "../run/recordings/episode_0001.mp4"
    assert len(links) == len(list((run / "recordings").glob("*.mp4"))) > 1
    assert all((out.parent / each).is_file() for each in links)
    assert json.loads(page.data)["episodes"][0]["video"] == "recordings/episode_0001.mp4"


def test_a_label_that_contradicts_the_others_is_named(tmp_path: Path) -> None:
    outcomes = (Outcome.SUCCESS, Outcome.TIMEOUT) * 25
    run = write_small_run(tmp_path / "run", SmallRun(outcomes=outcomes, recorded=False))
    for path in run.glob("journal*"):
        path.unlink()
    random = np.random.default_rng(0)
    with Journal(run / "journal.sqlite", "widowx", "run") as journal:
        for number, outcome in enumerate(outcomes, start=1):
            journal.append(episode(number, outcome, random, done=number == 12 or None))
    page, data = report(run)
    assert data["look_again"][0] == 12
    assert "Labels worth another look" in page.text
    page, data = report(write_small_run(tmp_path / "short", SmallRun(recorded=False)))
    assert data["look_again"] == []
    assert "Labels worth another look" not in page.text


def test_the_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    page, _ = report(write_small_run(tmp_path / "run"))
    assert not [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    text = (tmp_path / "run" / "report.html").read_text()
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "default-src 'none'" in text


def test_what_people_wrote_stays_text(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(recorded=False))
    evil = "</script><script>alert(1)</script><b>&"
    line = {"event": "labelled", "episode": 1, "outcome": "FAILURE", "detail": evil, "author": evil}
    with (run / "episodes.jsonl").open("a") as ledger:
        ledger.write(json.dumps(line) + "\n")
    page, data = report(run)
    assert data["episodes"][0]["detail"] == evil
    assert page.counts["script"] == 2
    assert "b" not in page.counts or page.counts["b"] == 6, "only those of the tiles"


def put(run: Path, episode: int, *messages: tuple[str, object]) -> None:
    """Adds a recording with some of the controller's messages."""
    file = EpisodeFile(path_of(run / "recordings", episode), message_definition)
    for number, (name, message) in enumerate(messages, start=1):
        kind = f"tmrl_msgs/msg/{type(message).__name__}"
        file.write(Sample(f"/widowx/{name}", kind, serialize_message(message), number))
    file.finish()


def test_stops_and_refusals_come_from_the_recordings(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    status = [
        ControllerStatus(mode=ControllerStatus.POLICY),
        ControllerStatus(mode=ControllerStatus.ESTOP, reason="pressed by a button"),
        ControllerStatus(mode=ControllerStatus.ESTOP, reason="pressed by a button"),
        ControllerStatus(mode=ControllerStatus.FAULT, reason="joint 3 too fast"),
    ]
    refused = ChunkOutcome(episode=1, result=ChunkOutcome.REFUSED, reason="sigma 0.5 above the cap")
    put(
        run,
        1,
        *(("controller/status", each) for each in status),
        ("controller/outcome", refused),
        ("controller/outcome", ChunkOutcome(episode=1, result=ChunkOutcome.COMPLETED)),
    )
    _, data = report(run)
    found = [(e["kind"], e["text"]) for e in data["safety"] if e["kind"] != "pause"]
    assert found == [
        ("e-stop", "pressed by a button"),
        ("fault", "joint 3 too fast"),
        ("refused", "sigma 0.5 above the cap"),
    ]


def test_a_run_whose_session_still_writes_is_read(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    with (run / "episodes.jsonl").open("a") as ledger:
        ledger.write('{"event": "started", "episode": 4, "stamp_ns": 7}\n{"event": "label')
    (run / "recordings" / "episode_0004.mcap.part").write_bytes(b"half")
    writer = sqlite3.connect(run / "journal.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        _, data = report(run)
    finally:
        writer.close()
    assert data["episodes"][-1] == {
        "episode": 4,
        "outcome": "pending",
        "detail": "",
        "labelled_by": "",
        "labels": 0,
        "recorded": False,
        "video": "",
        **{key: [] for key in ("sigma", "z", "steps", "human_steps", "clamped")},
    }


def test_a_run_without_an_episode_has_a_page(tmp_path: Path) -> None:
    page, data = report(write_small_run(tmp_path / "run", SmallRun(outcomes=())))
    assert data["episodes"] == []
    assert "No episode has a label yet." in page.text


def test_a_pause_and_its_cause_come_from_the_ledger(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run", SmallRun(outcomes=(Outcome.SUCCESS,), recorded=False))
    lines = [
        {"event": "labelled", "episode": 1, "outcome": "ABORTED", "detail": "arm lost"},
        {"event": "paused", "cause": "arm lost"},
        {"event": "paused", "cause": "no camera"},
        {"event": "asked", "request": "pause", "author": "", "refused": "idle"},
    ]
    with (run / "episodes.jsonl").open("a") as ledger:
        ledger.write("".join(json.dumps(line) + "\n" for line in lines))
    _, data = report(run)
    assert [(e["kind"], e["text"]) for e in data["safety"]][1:] == [
        ("aborted", "arm lost"),
        ("paused", "no camera"),
        ("pause", "somebody asked for it; refused: idle"),
    ]


def test_lines_of_other_software_are_passed_over(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    odd = ['{"event": 5}', "[1]", "", '{"event": "labelled"}', '{"event": "asked"}', "{", "null"]
    odd += ['{"event": "labelled", "episode": "one", "outcome": "SUCCESS"}']
    odd += ['{"event": "labelled", "episode": 1, "outcome": "SPLENDID"}']
    with (run / "episodes.jsonl").open("a") as ledger:
        ledger.write("\n".join(odd) + "\n")
    _, data = report(run)
    assert [each["outcome"] for each in data["episodes"]] == ["success", "timeout", "discarded"]


def test_a_damaged_recording_is_named_and_costs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_small_run(tmp_path / "run")
    path = next((run / "recordings").glob("episode_0002*"))
    path.write_bytes(path.read_bytes()[:500])
    page, data = report(run)
    assert "episode_0002.mcap is damaged" in capsys.readouterr().err
    assert "episode_0002.mcap is damaged" in page.text
    assert len(data["episodes"]) == 3


def test_a_ledger_that_is_gone_leaves_the_labels_of_the_journal(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    os.unlink(run / "episodes.jsonl")
    _, data = report(run)
    assert [each["outcome"] for each in data["episodes"]] == ["success", "timeout", "discarded"]


@pytest.mark.parametrize("name", ["config.yaml", "journal.sqlite"])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, name: str) -> None:
    run = write_small_run(tmp_path / "run")
    os.unlink(run / name)
    with pytest.raises(RunError, match=f"has no {name}"):
        main([str(run)])


@pytest.mark.parametrize("text", ["robot: [", "just text", "robot: 5", "a: 1"])
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    run = write_small_run(tmp_path / "run")
    (run / "config.yaml").write_text(text)
    with pytest.raises(RunError, match="put"):
        main([str(run)])


def test_the_page_may_go_to_a_device(tmp_path: Path) -> None:
    run = write_small_run(tmp_path / "run")
    assert main([str(run), "--out", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()


def test_sigma_has_the_ends_of_its_scale() -> None:
    assert colour_of(0.0) == colour_of(-1.0) == "#440154"
    assert colour_of(1.0) == colour_of(2.0) == "#fde725"
    assert colour_of(0.5) == "#21918c"
