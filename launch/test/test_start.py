"""Launching is light: neither PyTorch nor MuJoCo is loaded to check a rig."""

import json
import subprocess
import sys

import pytest

_RESOLVE = """
import json, sys
from pathlib import Path
from tmrl_bringup import up
from tmrl_bringup.rig_checks import judge
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import select_parts, server_argv
from tmrl_bringup.rig import available, load

for name in available():
    for method in ("tmrl", "dsrl", "dsrl_na", "fixed-sigma", "base"):
        rig = SessionOptions(run_dir=Path("run"), method=method).apply(load(name).with_examples())
        judge(rig, select_parts(rig))
        server_argv(rig)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("heavy", ["torch", "mujoco", "transformers", "franky"])
def test_checking_every_rig_loads_no(heavy: str, modules: list[str]) -> None:
    assert "tmrl_policy_server" in modules
    assert heavy not in modules


@pytest.fixture(scope="module")
def modules() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _RESOLVE], capture_output=True, text=True, check=True, timeout=300
    )
    return json.loads(done.stdout)
