"""Metrics of a run: what is in the file, what survives, and that wandb can do no harm."""

import csv
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.errors import ConfigError
from tmrl_learner.tracking import EpisodeVideos, TrackingConfig, open_tracker
from tmrl_learner.tracking.metrics_file import MetricsFile, MetricsFileError
from tmrl_learner.tracking.tracker import RunTracker


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def fake_wandb(monkeypatch):
    """A wandb that keeps what it receives; a test may replace its parts."""
    told: list[dict] = []
    run = SimpleNamespace(log=told.append, finish=lambda: None, define_metric=lambda *_, **__: None)
    module = SimpleNamespace(
        init=lambda **_: run, login=lambda **_: False, Settings=lambda **_: None, told=told, run=run
    )
    module.Histogram = lambda values: ("histogram", values)
    module.Video = lambda path, *, caption, format: ("video", Path(path).name, caption, format)
    monkeypatch.setitem(sys.modules, "wandb", module)
    for name in ("WANDB_MODE", "WANDB_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    return module


def test_rows_columns_and_configuration_are_in_the_run_directory(tmp_path: Path) -> None:
    with open_tracker(tmp_path / "run", {"agent": {"utd": 5}}, wandb="disabled") as tracker:
        tracker.log(1, {"loss": 0.5})
        tracker.log(2, {"success": 1.0})
        tracker.log(3, {"loss": 0.25, "success": 0.0})
    found = rows(tmp_path / "run" / "metrics.csv")
    assert [row["step"] for row in found] == ["1", "2", "3"]
    assert [row["loss"] for row in found] == ["0.5", "", "0.25"]
    assert [row["success"] for row in found] == ["", "1.0", "0.0"]
    assert list(found[0]) == ["step", "time_s", "loss", "success"]
    assert yaml.safe_load((tmp_path / "run" / "metrics.yaml").read_text()) == {"agent": {"utd": 5}}


def test_a_resumed_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for step, name in ((1, "loss"), (2, "other")):
        with open_tracker(tmp_path, {}, wandb="disabled") as tracker:
            tracker.log(step, {name: float(step)})
    found = rows(tmp_path / "metrics.csv")
    assert [(row["loss"], row["other"]) for row in found] == [("1.0", ""), ("", "2.0")]


def test_half_a_row_of_a_crash_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,time_s,loss\n1,0.0,0.5\n2,0.0,0.")
    file = MetricsFile(path)
    file.append(2, 0.0, {"loss": 0.25})
    file.close()
    assert [row["loss"] for row in rows(path)] == ["0.5", "0.25"]


def test_a_foreign_file_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,loss\n1,2\n")
    with pytest.raises(MetricsFileError, match="epoch, loss"):
        open_tracker(tmp_path, {})


@pytest.mark.parametrize("name", ["step", "time_s", ""])
def test_metrics_cannot_take_the_name_of_a_fixed_column(tmp_path: Path, name: str) -> None:
    with (
        open_tracker(tmp_path, {}, wandb="disabled") as tracker,
        pytest.raises(MetricsFileError, match="cannot be called"),
    ):
        tracker.log(0, {name: 1.0})


_NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda name: name not in ("step", "time_s")
)


@given(st.lists(st.dictionaries(_NAMES, st.floats(allow_nan=False), max_size=4), max_size=6))
def test_every_value_is_read_back_whatever_its_name(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, float]]
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.csv"
    file = MetricsFile(path)
    for step, record in enumerate(records):
        file.append(step, 0.0, record)
    file.close()
    found = [
        {name: float(text) for name, text in row.items() if name not in ("step", "time_s") and text}
        for row in rows(path)
    ]
    assert found == records


def test_an_unknown_mode_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'offline'"):
        TrackingConfig(wandb="ofline")


def test_wandb_gets_every_record(tmp_path: Path, fake_wandb) -> None:
    with open_tracker(tmp_path, {}) as tracker:
        for step in range(5):
            tracker.log(step, {"loss": float(step)})
    assert fake_wandb.told == [{"step": step, "loss": float(step)} for step in range(5)]


def test_wandb_gets_distributions_as_histograms_and_the_file_does_without(
    tmp_path: Path, fake_wandb
) -> None:
    with open_tracker(tmp_path, {}) as tracker:
        tracker.log(0, {"loss": 0.5}, {"sigma": [0.0, 0.25, 1.0]})
        tracker.log(1, {"loss": 0.25}, {})
    assert fake_wandb.told == [
        {"step": 0, "loss": 0.5, "sigma": ("histogram", [0.0, 0.25, 1.0])},
        {"step": 1, "loss": 0.25},
    ]
    assert "sigma" not in (tmp_path / "metrics.csv").read_text()


def test_wandb_gets_each_video_of_an_episode_once(tmp_path: Path, fake_wandb) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "episode_0001.mp4").touch()
    tracking, videos = TrackingConfig(), EpisodeVideos(tmp_path)
    with RunTracker(tmp_path, {}, tracking, videos) as tracker:
        tracker.log(0, {"loss": 0.5})
        for name in ("episode_0002.mp4", "episode_0003.mp4", ".12_episode_0004.mp4"):
            (folder / name).touch()
        tracker.log(1, {"loss": 0.4})
        tracker.log(2, {"loss": 0.3})
    shown = [("video", f"episode_000{n}.mp4", f"episode_000{n}", "mp4") for n in (2, 3)]
    assert fake_wandb.told == [
        {"step": 0, "loss": 0.5},
        {"step": 1, "video": shown[0]},
        {"step": 1, "loss": 0.4, "video": shown[1]},
        {"step": 2, "loss": 0.3},
    ]


def test_a_failing_wandb_is_reported_once_and_harms_nothing(
    tmp_path: Path, fake_wandb, caplog
) -> None:
    def refuse(**_) -> None:
        raise RuntimeError("the service did not start")

    fake_wandb.init = refuse
    with caplog.at_level(logging.WARNING), open_tracker(tmp_path, {}) as tracker:
        for step in range(50):
            tracker.log(step, {"loss": 0.0})
    assert len(rows(tmp_path / "metrics.csv")) == 50
    assert len(caplog.records) == 1
    assert "the service did not start" in caplog.text


def test_a_hanging_wandb_neither_stops_the_run_nor_its_end(
    tmp_path: Path, fake_wandb, caplog
) -> None:
    never = threading.Event()
    fake_wandb.init = lambda **_: never.wait()
    tracking = TrackingConfig(close_timeout_s=0.05)
    with caplog.at_level(logging.WARNING), RunTracker(tmp_path, {}, tracking) as tracker:
        tracker.log(0, {"loss": 0.0})
    never.set()
    assert len(rows(tmp_path / "metrics.csv")) == 1
    assert "did not finish within 0.05 s" in caplog.text


def test_online_without_a_key_goes_on_offline(tmp_path: Path, fake_wandb, caplog) -> None:
    modes = []
    fake_wandb.init = lambda *, mode, **_: modes.append(mode) or fake_wandb.run
    with caplog.at_level(logging.WARNING), open_tracker(tmp_path, {}, wandb="online") as tracker:
        tracker.log(0, {"loss": 0.0})
    assert modes == ["offline"]
    assert "WANDB_API_KEY" in caplog.text


def _no_server(**_) -> None:
    raise TimeoutError("no answer from the server")


def _bad_key(**_) -> None:
    raise ValueError("API key must have 40+ characters")


@pytest.mark.parametrize("fault", [_bad_key, _no_server])
def test_what_keeps_wandb_from_going_online_leaves_files_to_be_sent_later(
    tmp_path: Path, fake_wandb, caplog, fault
) -> None:
    modes = []

    def init(*, mode, **_):
        modes.append(mode)
        return fault() if mode == "online" else fake_wandb.run

    fake_wandb.login = _bad_key if fault is _bad_key else lambda **_: True
    fake_wandb.init = init
    with caplog.at_level(logging.WARNING), open_tracker(tmp_path, {}, wandb="online") as tracker:
        tracker.log(0, {"loss": 0.0})
    assert modes[-1] == "offline"
    assert fake_wandb.told == [{"step": 0, "loss": 0.0}]
    assert "cannot go online" in caplog.text
    assert "wandb sync" in caplog.text


@pytest.mark.parametrize(
    "variable", [("WANDB_MODE", "disabled"), ("WANDB_MODE", "off"), ("WANDB_DISABLED", "true")]
)
def test_wandbs_own_variables_switch_it_off(
    tmp_path: Path, fake_wandb, monkeypatch, variable: tuple[str, str]
) -> None:
    monkeypatch.setenv(*variable)
    with open_tracker(tmp_path, {}, wandb="online") as tracker:
        tracker.log(0, {"loss": 0.0})
    assert fake_wandb.told == []
    assert len(rows(tmp_path / "metrics.csv")) == 1


_REAL = """
import sys
from pathlib import Path
from tmrl_learner.tracking import open_tracker
with open_tracker(Path(sys.argv[1]), {"seed": 3}, wandb=sys.argv[2]) as tracker:
    tracker.log(0, {"loss": 0.5}, {"sigma": [0.0, 0.5, 0.5]})
print("wandb" in sys.modules)
"""


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_the_real_wandb_writes_its_files_and_is_imported_only_when_used(
    tmp_path: Path, mode: str
) -> None:
    command = [sys.executable, "-c", _REAL, str(tmp_path), mode]
    plain = {name: text for name, text in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=plain
    )
    assert done.stdout.strip() == str(mode == "offline")
    assert done.stderr == ""
    assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == (mode == "offline")


def test_a_file_of_metrics_that_is_no_text_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,time_s,\xff\xfe\n1,2,3\n")
    with pytest.raises(MetricsFileError, match=r"metrics.csv is no file of metrics"):
        MetricsFile(path)
    assert path.read_bytes().startswith(b"step,time_s,\xff")
