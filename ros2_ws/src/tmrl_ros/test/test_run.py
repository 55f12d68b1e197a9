"""How a node's process ends: told to stop, unable to start, or broken."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.ros


def run(callback: str, factory: str = "Ticking") -> subprocess.CompletedProcess[str]:
    program = f"""
    import sys
    import rclpy
    from rclpy.node import Node
    from tmrl_common.errors import TmrlError
    from tmrl_ros.run import RCLError, run_node

    class Ticking(Node):
        def __init__(self):
            super().__init__("ticking")
            self.create_timer(0.01, self.tick)

        def tick(self):
            {callback}

    def refuse():
        raise TmrlError("no arm at this address; check the cable")

    sys.exit(run_node({factory}))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def raising(statement: str) -> str:
    return f"exec({statement!r}, globals())"


@pytest.mark.parametrize(
    "callback",
    [
        "rclpy.shutdown()",
        raising("rclpy.shutdown()\nraise RCLError('context is invalid')"),
        raising("raise KeyboardInterrupt"),
    ],
)
def test_a_node_that_is_told_to_stop_ends_without_a_traceback(ros_domain_id, callback):
    ended = run(callback)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("error", ["ValueError('bad')", "RCLError('failed to take')"])
def test_an_unexpected_error_ends_the_process(ros_domain_id, error):
    ended = run(raising(f"raise {error}"))
    assert ended.returncode == 1
    assert error.split("'")[1] in ended.stderr


def test_a_node_that_cannot_start_says_why_in_a_sentence(ros_domain_id):
    ended = run("pass", factory="refuse")
    assert ended.returncode == 2
    assert "cannot start: no arm at this address; check the cable" in ended.stderr
    assert "Traceback" not in ended.stderr
