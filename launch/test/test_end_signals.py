"""A session whose terminal goes away ends as orderly as one that is interrupted."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from tmrl_bringup.end_signals import when_asked_to_end
from tmrl_common.testing.waiting import wait_until

_TIMEOUT_S = 60.0
_UP = """
import fcntl, signal, sys, termios
from tmrl_bringup import up
from tmrl_bringup.supervisor import ProcessSpec

# Whoever runs the tests may ignore it, under nohup for example.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
run_dir, brakes = sys.argv[1:]
arm = ProcessSpec("arm", (sys.executable, "-c", brakes), stop_grace_s=60.0)
up.describe = lambda *_: [arm]
sys.exit(up.main(["widowx_sim", f"run_dir:={run_dir}"]))
"""
_BRAKES = """
import pathlib, signal, sys, time

def brake(*_):
    time.sleep(0.5)
    pathlib.Path({rest!r}).touch()
    sys.exit(0)

signal.signal(signal.SIGTERM, brake)
print("moving", flush=True)
time.sleep(1000)
"""


def test_an_arm_brakes_when_the_terminal_is_closed(tmp_path: Path) -> None:
    rest, log = tmp_path / "at_rest", tmp_path / "run" / "logs" / "arm.log"
    terminal, end = pty.openpty()
    command = [sys.executable, "-c", _UP, str(tmp_path / "run"), _BRAKES.format(rest=str(rest))]
    with subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, start_new_session=True
    ) as session:
        os.close(end)

        def moves() -> bool:
            assert session.poll() is None, os.read(terminal, 4096)
            return log.exists() and "moving" in log.read_text()

        wait_until(moves, "the arm to move", _TIMEOUT_S)
        os.close(terminal)
        try:
            code = session.wait(_TIMEOUT_S)
        finally:
            session.kill()
    assert rest.exists()
    assert code == 0


def test_a_session_whose_output_nobody_reads_runs_until_it_is_ended(tmp_path: Path) -> None:
    rest, log = tmp_path / "at_rest", tmp_path / "run" / "logs" / "arm.log"
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", _UP, str(tmp_path / "run"), _BRAKES.format(rest=str(rest))]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer) as session:
        os.close(writer)

        def moves() -> bool:
            assert session.poll() is None
            return log.exists() and "moving" in log.read_text()

        try:
            wait_until(moves, "the arm to move", _TIMEOUT_S)
            session.terminate()
            code = session.wait(_TIMEOUT_S)
        finally:
            session.kill()
    assert rest.exists()
    assert code == 0


def test_a_session_under_nohup_stays_when_the_terminal_is_closed() -> None:
    asked: list[str] = []

    async def session() -> None:
        ended = asyncio.Event()
        when_asked_to_end(asyncio.get_running_loop(), lambda: (asked.append("end"), ended.set()))
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(ended.wait(), _TIMEOUT_S)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asyncio.run(session())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert asked == ["end"]
