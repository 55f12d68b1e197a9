"""A session in which the policy thinks while the arm moves."""

import contextlib
import signal
import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from tmrl_common.testing.waiting import wait_until
from tmrl_common.transitions import Transition, check
from tmrl_msgs.msg import AgentStatus
from tmrl_ros import qos

from .conftest import FAST, Demo
from .test_session import transitions

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

OVERLAP, PERIOD_NS = 2, 200_000_000
SESSION = ("learning.wandb:=disabled", f"agent.overlap_steps:={OVERLAP}")
PACED = (
    *(each for each in FAST if "success_commands" not in each),
    "driver.real_time_factor:=2.0",
    "controller.pacing:=state",
    "agent.lock_step:=false",
    "operator.time_limit_s:=2000.0",
    "driver.loopback_success_commands:=150",
    "agent.deadline_s:=1.0",
)


def newest_of(demo: Demo) -> list[Transition]:
    """Each chunk as it was stored last, in order."""
    stored = transitions(demo.run_dir)
    for each in stored:
        check(each)
    newest = {(each.episode, each.chunk): each for each in stored}
    return [newest[place] for place in sorted(newest)]


def test_in_lock_step_every_chunk_but_an_episodes_first_continues_the_one_before(
    demo: Demo,
) -> None:
    demo.start("--episodes", "8", *FAST, *SESSION)
    assert demo.finish() == 0, demo.output

    stored = newest_of(demo)
    assert demo.report()["transitions_published"] == demo.report()["transitions_stored"]
    assert len({each.episode for each in stored}) == 8
    tail = OVERLAP * 4 + 1
    for each in stored:
        assert each.delay_steps == (OVERLAP if each.chunk else 0)
        assert each.features[-1] == (1.0 if each.chunk else 0.0), "whether steps are committed"
        assert len(each.features) == 9 + tail
    pairs = [(a, b) for a, b in pairwise(stored) if a.episode == b.episode]
    assert len(pairs) > 8
    for earlier, later in pairs:
        np.testing.assert_array_equal(earlier.next_features, later.features)
        gap_ns = later.step_ends_ns[0] - earlier.step_ends_ns[-1]
        assert gap_ns == PERIOD_NS, "no step of the world passes between two chunks"


@contextlib.contextmanager
def reasons(demo: Demo) -> Iterator[tuple[list[str], Callable[[], None]]]:
    """What the agent says is wrong, each sentence once, and what listens to it."""
    context, heard = rclpy.Context(), list[str]()
    rclpy.init(context=context, domain_id=demo.domain())
    node = rclpy.create_node("reasons", namespace="/widowx", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def on_status(message: AgentStatus) -> None:
        if message.reason and message.reason not in heard:
            heard.append(message.reason)

    node.create_subscription(AgentStatus, "agent/status", on_status, qos.STATUS)
    try:
        yield heard, lambda: executor.spin_once(timeout_sec=0.05)
    finally:
        node.destroy_node()
        context.try_shutdown()


def chunks(demo: Demo) -> int:
    """How many are stored so far."""
    with contextlib.closing(sqlite3.connect(demo.run_dir / "journal.sqlite")) as journal:
        return journal.execute("SELECT count(*) FROM transitions").fetchone()[0]


def test_a_server_that_stops_for_a_while_leaves_the_arm_still_and_the_session_continues(
    demo: Demo,
) -> None:
    """Paced: chunks continue each other, the arm stands meanwhile, and they do so again."""
    demo.start("--episodes", "1", *SESSION, *PACED)
    demo.wait_for_running(1)
    server = demo.part("policy_server")
    with reasons(demo) as (heard, spin):
        wait_until(lambda: chunks(demo) >= 5, "the first chunks", 180, spin)
        server.send_signal(signal.SIGSTOP)
        wait_until(lambda: any("did not answer" in r for r in heard), "no answer", 180, spin)
        server.send_signal(signal.SIGCONT)
        before = chunks(demo)
        wait_until(lambda: chunks(demo) >= before + 4, "chunks after it", 180, spin)
        assert any("was not continued, the arm stood still" in r for r in heard), heard
    assert demo.finish() == 0, demo.output

    stored = [each for each in newest_of(demo) if not each.aborted]
    gaps_ns = [int(b.step_ends_ns[0] - a.step_ends_ns[-1]) for a, b in pairwise(stored)]
    assert max(gaps_ns) > 2 * PERIOD_NS, "nothing moved while the policy could not be asked"
    continued = [each for each in stored if each.delay_steps]
    assert {each.delay_steps for each in continued} == {OVERLAP}
    assert len(continued) >= len(stored) // 2
    assert max(each.chunk for each in continued) > before, "also after the pause"
