"""How a node's process ends: asked to stop, unable to start, or broken."""

import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.ros

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def hang_ups_count():
    """A process started where hang-ups are ignored, as under nohup, would ignore them too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def program(callback: str, factory: str = "Ticking", destroy: str = "pass") -> list[str]:
    text = f"""
    import sys
    import time
    import rclpy
    from rclpy.node import Node
    from tmrl_common.errors import TmrlError
    from tmrl_ros.run import run_node

    class Ticking(Node):
        def __init__(self):
            super().__init__("ticking")
            self.ticks = 0
            self.create_timer(0.01, self.tick)

        def tick(self):
            self.ticks += 1
            {callback}

        def fail(self):
            raise RuntimeError("a thread asked for this")

        def destroy_node(self):
            {destroy}
            super().destroy_node()

    def refuse():
        raise TmrlError("no arm at this address; check the cable")

    sys.exit(run_node({factory}))
    """
    return [sys.executable, "-c", textwrap.dedent(text)]


def run(callback: str, factory: str = "Ticking") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program(callback, factory), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def started(**what: str):
    """A node's process, and its output as lines."""
    process = subprocess.Popen(
        program(**what), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def raising(statement: str) -> str:
    return f"exec({statement!r}, globals())"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("idle", [False, True])
def test_a_signal_ends_a_node_without_a_traceback(ros_domain_id, number, idle):
    said = "self.ticks == 1 and print('up', flush=True)"
    # An idle node waits inside the middleware, where only a wake-up reaches it.
    callback = f"{said}; next(iter(self.timers)).cancel()" if idle else said
    with started(callback=callback) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_the_context_lives_until_the_node_is_destroyed_whatever_signals_follow(ros_domain_id):
    destroy = "print('ending', flush=True); sys.stdin.readline(); print(rclpy.ok(), flush=True)"
    command = program(callback="self.ticks == 1 and print('up', flush=True)", destroy=destroy)
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ending\n"
        for number in (*SIGNALS, *SIGNALS):
            process.send_signal(number)
        output, errors = process.communicate("continue\n", timeout=60)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (0, "True\n", "")


def test_a_signal_during_the_start_waits_for_the_node_and_then_ends_it(ros_domain_id):
    slow = "lambda: (print('up', flush=True), sys.stdin.readline(), Ticking())[-1]"
    command = program(callback="pass", factory=slow, destroy="print('destroyed', flush=True)")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate("continue\n", timeout=60)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (0, "destroyed\n", "")


@pytest.mark.parametrize("error", ["ValueError('bad')", "RuntimeError('failed to take')"])
def test_an_unexpected_error_ends_the_process(ros_domain_id, error):
    ended = run(raising(f"raise {error}"))
    assert ended.returncode == 1
    assert error.split("'")[1] in ended.stderr


def test_an_error_in_what_another_thread_asked_for_ends_the_process(ros_domain_id):
    ask = "threading.Thread(target=lambda: wake(self, self.fail)).start()"
    ended = run("import threading; from tmrl_ros.executor import wake; " + ask)
    assert ended.returncode == 1
    assert "has no attribute 'fail'" not in ended.stderr
    assert "a thread asked for this" in ended.stderr


def test_a_node_that_cannot_start_says_why_in_a_sentence(ros_domain_id):
    ended = run("pass", factory="refuse")
    assert ended.returncode == 2
    assert "cannot start: no arm at this address; check the cable" in ended.stderr
    assert "Traceback" not in ended.stderr
