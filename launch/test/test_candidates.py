"""Who asks for candidates: only a session whose learner cannot have a copy of the policy."""

from pathlib import Path
from typing import Any

import pytest

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.rig import Rig, RigError, load

SEARCH = {"learning.overrides": ["hindsight.candidates=64", "agent.epsilon_head=false"]}


def applied(tmp_path: Path, method: str, **changes: Any) -> dict[str, Any]:
    """What agent and learner are given in a session with a pi0."""
    folder = tmp_path / "pi0"
    folder.mkdir(exist_ok=True)
    rig = load("franka").with_examples().with_overrides({"policy_server.checkpoint": str(folder)})
    return told(SessionOptions(tmp_path / "run", method).apply(rig.with_overrides(changes)))


def told(rig: Rig) -> dict[str, Any]:
    agent, learning = rig.parts["agent"], rig.parts["learning"]
    found = {"for": agent.get("candidates_for")} if "candidates_for" in agent else {}
    for name, part in (("agent", agent), ("learning", learning)):
        found |= {name: part["candidates"]} if "candidates" in part else {}
    return found


@pytest.mark.parametrize(
    ("method", "changes", "wanted"),
    [
        ("dsrl_na", {}, {"for": "chunks", "agent": 16, "learning": 16}),
        ("tmrl", SEARCH, {"for": "people", "agent": 64, "learning": 64}),
        ("tmrl", {}, {}),
        ("base", SEARCH, {}),
        (
            "dsrl_na",
            {"agent.candidates": 4},
            {"for": "chunks", "agent": 4, "learning": 4},
        ),
    ],
)
def test_a_session_with_a_pi0(
    tmp_path: Path, method: str, changes: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert applied(tmp_path, method, **changes) == wanted


def test_beside_a_robot_whose_policy_lies_on_another_machine_the_rig_tells(tmp_path: Path) -> None:
    elsewhere = {"policy_server.checkpoint": str(tmp_path / "not/here")}
    assert applied(tmp_path, "dsrl_na", **elsewhere)["agent"] == 16


@pytest.mark.parametrize("method", ["dsrl_na", "tmrl"])
def test_a_small_flow_policy_is_copied(tmp_path: Path, method: str) -> None:
    rig = load("widowx_sim").with_overrides(SEARCH)
    assert told(SessionOptions(tmp_path / "run", method).apply(rig)) == {}


def test_more_than_a_server_hands_out_are_refused(tmp_path: Path) -> None:
    many = {"learning.overrides": ["hindsight.candidates=1000"]}
    with pytest.raises(RigError, match=r"1000 candidates are asked for.*at most 256.*ask for few"):
        applied(tmp_path, "tmrl", **many)
