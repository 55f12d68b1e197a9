"""The console in a whole session: its address, and that its death changes nothing."""

import json
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transitions import Transition
from tmrl_console.params import ADDRESS_FILE

from .conftest import FAST, TIMEOUT_S, Demo
from .test_session import transitions

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

SAME = ("--method", "base", "--seed", "5", *FAST)
SHORT = ("--episodes", "4")
LONG = ("--episodes", "40")
"""The session must last until another console is there."""
COMPARED = 3
"""Episodes, of which the second one loses its console."""


def steps(run_dir: Path) -> list[tuple[object, ...]]:
    """What the policy did, chunk by chunk; of the last one a label may cut off more or less."""
    return sorted(
        (t.episode, t.chunk, t.sigma, t.reward, t.terminated, _actions(t))
        for t in transitions(run_dir)
        if t.episode <= COMPARED and not t.aborted
    )


def _actions(transition: Transition) -> bytes:
    return b"" if transition.terminated else transition.executed_actions.tobytes()


def account(run_dir: Path) -> str:
    """What there is to find out why two sessions differ."""
    chunks = [(t.episode, t.chunk, t.reward, len(t.executed_actions)) for t in transitions(run_dir)]
    texts = [(run_dir / "episodes.jsonl").read_text()[:4000], f"chunks: {chunks[:60]}"]
    for part in ("operator", "controller", "driver", "agent"):
        texts += [f"--- {part}", *(p.read_text()[:6000] for p in run_dir.glob(f"logs/{part}*.log"))]
    return "\n".join(texts)


def test_the_death_of_the_console_in_an_episode_changes_no_transition(
    demo: Demo, tmp_path: Path
) -> None:
    # A port of its own: another test's console would take the usual one while this one is dead.
    demo.start(*SAME, *LONG, f"console.port:={free_port()}", headless=False)
    console = demo.part("console")
    address = demo.run_dir / ADDRESS_FILE
    wait_until(lambda: address.exists() and address.read_text().strip(), "the address", TIMEOUT_S)
    with urlopen(f"{address.read_text().strip()}api/state") as answer:
        assert json.load(answer)["about"]["robot"] == "widowx"
    demo.wait_for_running(2)
    console.kill()
    wait_until(lambda: demo.part("console").pid != console.pid, "another console", TIMEOUT_S)
    assert demo.finish() == 0, demo.output
    assert f"console {address.read_text().strip()}" in demo.output
    undisturbed = Demo(tmp_path / "undisturbed")
    undisturbed.start(*SAME, *SHORT)
    assert undisturbed.finish() == 0, undisturbed.output
    same = steps(demo.run_dir) == steps(undisturbed.run_dir)
    assert same, "\n".join(map(account, (demo.run_dir, undisturbed.run_dir)))


def test_without_a_screen_there_is_no_console(demo: Demo) -> None:
    demo.start(*SAME, *SHORT)
    demo.wait_for_running(1)
    assert demo.process is not None
    family = psutil.Process(demo.process.pid).children(recursive=True)
    assert not [p for p in family if "tmrl_console/console" in " ".join(p.cmdline())]
    assert demo.finish() == 0, demo.output
    assert not (demo.run_dir / ADDRESS_FILE).exists()
