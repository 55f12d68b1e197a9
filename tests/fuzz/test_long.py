"""The doors under a fuzzer that watches branches, for a long time."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")
pytest.importorskip("atheris", reason="./tmrl run python -m pip install atheris")

from .doors import DOORS

pytestmark = [pytest.mark.long, pytest.mark.timeout(36000)]

RUNS = {"journal": 50_000, "rig": 20_000}
"""Of what reads a file; of all others so many:"""
MOST = 10_000_000


@pytest.mark.parametrize("name", DOORS)
def test_a_patient_stranger_breaks_no_door(name: str, tmp_path: Path) -> None:
    fuzzer = Path(__file__).with_name("with_atheris.py")
    command = [sys.executable, str(fuzzer), name, str(RUNS.get(name, MOST))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
