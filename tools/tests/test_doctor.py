"""Every check of the doctor both ways, its time limits, its table and its exit code."""

import dataclasses
import io
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tmrl_common.messages import PolicyExpectation
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_doctor import arm, cameras, network, probes, server, session, storage, timing
from tmrl_doctor.finding import (
    Check,
    Finding,
    Level,
    failed,
    good,
    skipped,
    warning,
)
from tmrl_doctor.running import Shared, run_checks
from tmrl_doctor.table import exit_code, print_table

ARM = arm.ArmSeen(
    through="driver test",
    model="WidowX",
    firmware="libfranka 1.2",
    rate_hz=100.0,
    expected_hz=100.0,
    fault="",
    joint_names=("waist", "elbow"),
    joint_rad=np.zeros(2),
    joint_low_rad=np.full(2, -1.0),
    joint_high_rad=np.full(2, 1.0),
)
PICTURES = cameras.PicturesSeen(
    through="D435",
    count=60,
    rate_hz=30.0,
    width_px=640,
    height_px=480,
    changing=True,
    mean=100.0,
    spread=40.0,
)
JITTER = timing.JitterSeen(0.001, (1e-5, 1e-4, 1e-3), fifo=True, realtime_kernel=False)
SERVER = server.ServerSeen("tcp://127.0.0.1:1", EXAMPLE_SPEC, (1e-3,) * 9, (0.01,) * 9)
EXPECTED = server.Expected(
    policy=PolicyExpectation(
        action_space=EXAMPLE_SPEC.action_space,
        proprio_dim=EXAMPLE_SPEC.proprio_dim,
        cameras=EXAMPLE_SPEC.cameras,
    ),
    horizon=EXAMPLE_SPEC.horizon,
    execute_steps=min(5, EXAMPLE_SPEC.horizon),
    control_rate_hz=5.0,
)
SESSION = session.SessionSeen(1, "resumed", "", "", 3, 3, "", "")
DISCOVERY = network.Discovery(domain=7, settings={}, found_s=0.1, multicast="")


def changed(value: Any, **changes: Any) -> Any:
    return dataclasses.replace(value, **changes)


JUDGED: list[tuple[Finding, Level, str]] = [
    (arm.judge_arm(ARM), Level.GOOD, "WidowX, through driver test"),
    (arm.judge_arm(changed(ARM, fault="motor elbow is off")), Level.FAILED, "motor elbow is off"),
    (arm.judge_firmware(ARM), Level.GOOD, "libfranka 1.2"),
    (arm.judge_firmware(changed(ARM, firmware="")), Level.SKIPPED, "not reported by driver test"),
    (arm.judge_joints(ARM), Level.GOOD, "2 joints at 100 Hz"),
    (arm.judge_joints(changed(ARM, rate_hz=70.0)), Level.FAILED, "100 Hz are expected"),
    (arm.judge_joints(changed(ARM, joint_rad=np.array([0.0, np.nan]))), Level.FAILED, "nan"),
    (arm.judge_joints(changed(ARM, joint_rad=np.array([0.0, 0.97]))), Level.WARNING, "elbow"),
    (cameras.judge_camera(PICTURES, 30.0), Level.GOOD, "640x480 at 30.0 Hz from D435"),
    (cameras.judge_camera(changed(PICTURES, count=0), 30.0), Level.FAILED, "no picture"),
    (cameras.judge_camera(changed(PICTURES, changing=False), 30.0), Level.FAILED, "the same"),
    (
        cameras.judge_camera(changed(PICTURES, count=1, changing=False), 30.0),
        Level.FAILED,
        "only one picture came",
    ),
    (cameras.judge_camera(changed(PICTURES, mean=2.0, spread=1.0), 30.0), Level.FAILED, "black"),
    (cameras.judge_camera(changed(PICTURES, rate_hz=20.0), 30.0), Level.WARNING, "30 Hz were"),
    (cameras.judge_camera(changed(PICTURES, remark="USB 2"), 30.0), Level.WARNING, "USB 2"),
    (cameras.judge_camera(changed(PICTURES, grey=True), 30.0), Level.FAILED, "grey"),
    (cameras.judge_camera(changed(PICTURES, ahead_s=-0.2), 30.0), Level.GOOD, "640x480"),
    (cameras.judge_camera(changed(PICTURES, ahead_s=3600.0), 30.0), Level.FAILED, "s ahead of"),
    (cameras.judge_camera(changed(PICTURES, ahead_s=-3600.0), 30.0), Level.FAILED, "s behind"),
    (
        timing.judge_clock(timing.ClockSeen(synchronised=True, max_error_s=0.002)),
        Level.GOOD,
        "at most 2.0 ms off",
    ),
    (
        timing.judge_clock(timing.ClockSeen(synchronised=True, max_error_s=3.0)),
        Level.WARNING,
        "3.00 s off",
    ),
    (
        timing.judge_clock(timing.ClockSeen(synchronised=False, max_error_s=0.0)),
        Level.WARNING,
        "nobody sets",
    ),
    (timing.judge_skew(0.02), Level.GOOD, "+20 ms"),
    (timing.judge_skew(-3.0), Level.WARNING, "-3.00 s"),
    (timing.judge_jitter(JITTER, 0.02), Level.GOOD, "SCHED_FIFO granted"),
    (timing.judge_jitter(changed(JITTER, fifo=False), 0.02), Level.WARNING, "refused"),
    (
        timing.judge_jitter(changed(JITTER, late_s=(1e-3, 3e-3, 9e-3)), 0.02),
        Level.WARNING,
        "3.00 (p99)",
    ),
    (
        timing.judge_jitter(changed(JITTER, late_s=(1e-2, 3e-2, 9e-2)), 0.02),
        Level.FAILED,
        "a tick is 20 ms",
    ),
    (network.judge_discovery(DISCOVERY), Level.GOOD, "multicast works"),
    (network.judge_discovery(changed(DISCOVERY, multicast="timed out")), Level.WARNING, "timed"),
    (network.judge_discovery(changed(DISCOVERY, found_s=None)), Level.FAILED, "did not find"),
    (network.judge_discovery(changed(DISCOVERY, multicast=None)), Level.GOOD, "a second process"),
    (
        network.judge_discovery(changed(DISCOVERY, absent_servers=("10.0.0.1:11811",))),
        Level.FAILED,
        "nobody listens at the discovery server 10.0.0.1:11811",
    ),
    (
        network.judge_participants(["/x/arm"], "/widowx", ["arm"]),
        Level.GOOD,
        "1 other nodes: /x/arm",
    ),
    (network.judge_participants(["/widowx/arm"], "/widowx", ["arm"]), Level.GOOD, "the rig runs"),
    (network.judge_participants(["/widowx/arm"] * 2, "/widowx", ["arm"]), Level.FAILED, "twice"),
    (session.judge_session(SESSION), Level.GOOD, "controller policy: resumed; episode 3 running"),
    (session.judge_session(changed(SESSION, mode=3)), Level.WARNING, "controller e-stop"),
    (session.judge_session(changed(SESSION, state=5)), Level.WARNING, "episode 3 paused"),
    (
        session.judge_session(changed(SESSION, agent="no policy server")),
        Level.WARNING,
        "agent: no policy server",
    ),
    (
        session.judge_session(changed(SESSION, silent=("controller/status", "agent/status"))),
        Level.FAILED,
        "nothing heard of controller/status, agent/status",
    ),
    (
        session.judge_session(changed(SESSION, refusal="sigma 0.5 above 0.3")),
        Level.GOOD,
        "last refused chunk: sigma 0.5 above 0.3",
    ),
    (server.judge_server(SERVER, EXPECTED), Level.GOOD, "encode 10.0/10.0 ms"),
    (server.judge_server(changed(SERVER, encode_s=(2.0,)), EXPECTED), Level.WARNING, "would wait"),
    (server.judge_agreement(EXAMPLE_SPEC, EXPECTED), Level.GOOD, EXAMPLE_SPEC.statistics_hash[:12]),
    (
        server.judge_agreement(changed(EXAMPLE_SPEC, proprio_dim=99), EXPECTED),
        Level.FAILED,
        "proprio_dim is 99 in the checkpoint",
    ),
    (
        server.judge_agreement(changed(EXAMPLE_SPEC, action_space="other"), EXPECTED),
        Level.FAILED,
        "action_space is other",
    ),
    (
        server.judge_agreement(EXAMPLE_SPEC, changed(EXPECTED, horizon=EXAMPLE_SPEC.horizon + 1)),
        Level.FAILED,
        "horizon",
    ),
    (
        server.judge_agreement(EXAMPLE_SPEC, changed(EXPECTED, execute_steps=999)),
        Level.FAILED,
        "execute_steps is 999",
    ),
    (storage.judge_journal(storage.JournalSeen(Path("/runs"), 0.001)), Level.GOOD, "1.0 ms"),
    (storage.judge_journal(storage.JournalSeen(Path("/runs"), 0.2)), Level.WARNING, "200.0 ms"),
    (
        storage.judge_journal(storage.JournalSeen(Path("/runs"), error="read-only")),
        Level.FAILED,
        "read-only",
    ),
    (storage.judge_space(Path("/runs"), 100.0), Level.GOOD, "100 GiB free"),
    (storage.judge_space(Path("/runs"), 5.0), Level.WARNING, "5 GiB free"),
    (storage.judge_space(Path("/runs"), 0.5), Level.FAILED, "GiB free"),
]


@pytest.mark.parametrize(
    ("finding", "level", "seen"), JUDGED, ids=[f"{f.level}-{text}" for f, _, text in JUDGED]
)
def test_each_thing_that_may_be_seen_is_judged_and_has_a_remedy(
    finding: Finding, level: Level, seen: str
) -> None:
    assert finding.level is level
    assert seen in finding.detail
    assert bool(finding.remedy) == (level is not Level.GOOD)


def test_a_complaint_without_a_remedy_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="no remedy"):
        failed("it is broken", "")


def test_a_check_that_hangs_is_a_line_and_the_others_are_told() -> None:
    never = threading.Event()

    def hang() -> Finding:
        never.wait()
        return good("never")

    checks = [Check("slow", hang, limit_s=0.05), Check("quick", lambda: good("here"))]
    slow, quick = run_checks(checks)
    assert slow.level is Level.FAILED
    assert "no result within 0.05 s" in slow.detail
    assert quick == good("here")
    never.set()


def test_whatever_a_check_raises_is_a_line_and_no_traceback() -> None:
    def fall() -> Finding:
        raise RuntimeError("the cable is gone")

    (finding,) = run_checks([Check("falls", fall)])
    assert finding.level is Level.FAILED
    assert finding.detail == "RuntimeError: the cable is gone"


def test_a_check_that_wants_to_be_alone_is_alone() -> None:
    under_way: list[str] = []
    seen: list[list[str]] = []

    def look(name: str) -> Finding:
        under_way.append(name)
        seen.append(list(under_way))
        under_way.remove(name)
        return good(name)

    checks = [Check("a", lambda: look("a")), Check("b", lambda: look("b"), alone=True)]
    assert [finding.detail for finding in run_checks(checks)] == ["a", "b"]
    assert seen[0] == ["b"]


def test_what_several_checks_look_at_is_looked_at_once_also_where_it_fails() -> None:
    calls: list[int] = []

    def look() -> int:
        calls.append(1)
        raise OSError("gone")

    shared = Shared(look)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            shared()
    assert len(calls) == 1
    once = Shared(lambda: calls.append(1) or len(calls))
    assert once() == once() == 2


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([good("a"), warning("b", "c"), skipped("d", "e")], 0),
        ([good("a"), failed("b", "c")], 1),
    ],
)
def test_only_failures_fail(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code


def test_the_table_shows_every_check_and_long_findings_whole_below() -> None:
    checks = [Check("arm", lambda: good("")), Check("rig file", lambda: good(""))]
    findings = [good("WidowX [6 DoF]"), failed("2 missing:\n  a.b: one\n  c.d: two", "write them")]
    screen = io.StringIO()
    print_table(checks, findings, Console(file=screen, width=100))
    table, _, below = screen.getvalue().partition("rig file: 2 missing:")
    assert "WidowX [6 DoF]" in table
    assert "write them" in table
    assert "a.b: one" not in table
    assert "c.d: two" in below


def test_the_probes_see_this_machine(tmp_path: Path) -> None:
    assert probes.look_at_clock().max_error_s >= 0.0
    seen = probes.look_at_jitter(wakes=20)
    assert seen.late_s[0] <= seen.late_s[1] <= seen.late_s[2]
    journal = probes.look_at_journal(tmp_path / "runs" / "tomorrow")
    assert journal.folder == tmp_path
    assert journal.commit_s > 0.0
    assert list(tmp_path.iterdir()) == []
    assert probes.free_space(tmp_path)[1] > 0.0


def test_a_folder_that_cannot_be_written_is_named() -> None:
    journal = probes.look_at_journal(Path("/proc/self/runs"))
    assert storage.judge_journal(journal).level is Level.FAILED


def test_without_multicast_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "round_trip_s", lambda: 0.1)
    assert probes.look_at_discovery().multicast == ""

    def refuse(*_: object) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(socket.socket, "setsockopt", refuse)
    finding = network.judge_discovery(probes.look_at_discovery())
    assert finding.level is Level.WARNING
    assert "no such device" in finding.detail
